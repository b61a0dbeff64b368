"""
The very end of an agent.
"""

from __future__ import annotations

import os
import threading

from twisted.internet.interfaces import IReactorThreads

MOMENT = 0.2
"""Seconds that threads have for their end, once nothing of the agent is left."""


def leave_soon(reactor: IReactorThreads, code: int) -> None:
    """
    Where threads of others, such as plugins, are at work still, end this process in a
    moment: the reactor and the interpreter would wait for them for as long as they take.

    @param code: The exit code.
    """
    pool = reactor.getThreadPool()
    ours = {threading.main_thread(), *pool.threads}
    others = [thread for thread in threading.enumerate() if not thread.daemon]
    if not pool.working and ours.issuperset(others):
        return  # the process ends by itself
    timer = threading.Timer(MOMENT, os._exit, (code,))
    timer.daemon = True
    timer.start()
