"""
A system that has no room for another thread.
"""

from __future__ import annotations

import threading

from twisted.python.monkey import MonkeyPatcher
from twisted.trial.unittest import SynchronousTestCase


def no_threads(case: SynchronousTestCase) -> MonkeyPatcher:
    """
    Let no thread start, until what is returned is restored, or the test ends.
    """

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    patcher = MonkeyPatcher((threading.Thread, "start", start))
    patcher.patch()
    case.addCleanup(patcher.restore)
    return patcher
