"""
Threads where the system has no more for us (RLIMIT_NPROC, or C{pids.max} of cgroups(7)).
"""

from __future__ import annotations

from collections.abc import Callable
from socket import EAI_AGAIN, gaierror
from typing import Any

from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool


def tell_of_lack(pool: ThreadPool) -> None:
    """
    Have those told for whom a pool has no thread, as if a name could not be looked up for
    now, which is what the reactor's threads are for.  By itself the pool would never answer,
    nor could it be stopped.
    """
    begin = pool.callInThreadWithCallback

    def call(
        told: Callable[[bool, Any], object] | None,
        work: Callable[..., object],
        *args: object,
        **more: object,
    ) -> None:
        try:
            begin(told, work, *args, **more)
        except RuntimeError as error:
            pool.threads[:] = [thread for thread in pool.threads if thread.is_alive()]
            if told is None:
                raise
            told(False, Failure(gaierror(EAI_AGAIN, str(error))))

    pool.callInThreadWithCallback = call  # type: ignore[assignment, method-assign] # not ours
