"""
Ending what was started: that, and nothing else.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from time import monotonic, sleep

from bench.figures import Failed


class TookTooLong(Failed):
    """
    Something did not happen in time.
    """


def wait_for(
    what: str, happened: Callable[[], bool], seconds: float, step: float = 0.01
) -> None:
    """
    Look every now and then.

    @param step: Seconds in between.
    @raise TookTooLong: It has not happened after C{seconds}.
    """
    deadline = monotonic() + seconds
    while not happened():
        if monotonic() > deadline:
            raise TookTooLong(f"{what}: not within {seconds:g} s")
        sleep(step)


def end(process: subprocess.Popen[bytes], grace: float = 30.0) -> None:
    """
    TERM, and KILL where it does not end by itself.
    """
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait(grace)
