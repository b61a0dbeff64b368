"""
The very end of an agent.
"""

from __future__ import annotations

import os
from threading import Timer

MOMENT = 0.2
"""Seconds that this process has for its end, once nothing of the agent is left."""


def leave_soon(code: int) -> None:
    """
    End this process in a moment, whatever still runs in it.  The reactor and the
    interpreter wait for threads, such as those of plugins and of look-ups that got no
    answer, for as long as they take; nobody else does.

    @param code: The exit code.
    """
    timer = Timer(MOMENT, os._exit, (code,))
    timer.daemon = True
    timer.start()
