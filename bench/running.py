"""
Programs that run as long as something is measured, and not longer.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from time import monotonic
from typing import IO

from bench import system
from bench.ending import TookTooLong, end

GRACE = 5.0
"""
Seconds for a peer to end whose programs are swept afterwards.  A circus that has just begun
needs more than 30.
"""


@contextmanager
def running(
    words: Sequence[str | Path],
    folder: Path,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
    grace: float = 60.0,
    more: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    A program in this folder, ended at the end.

    It may write its modules down compiled, as each does that was installed, wherever that is
    forbidden to this one; else some would be measured compiling them, again and again.

    @param grace: Seconds that it has for that.
    @param more: For its environment.
    """
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        yield process
    finally:
        end(process, grace)


def seconds_to_end(process: subprocess.Popen[bytes], most: float) -> float:
    """
    TERM, and how long it then takes.

    @raise TookTooLong: More than C{most}.
    """
    descriptor = os.pidfd_open(process.pid)
    try:
        began = monotonic()
        process.terminate()
        ended, _, _ = select([descriptor], [], [], most)
        took = monotonic() - began
    finally:
        os.close(descriptor)
    if not ended:
        raise TookTooLong(f"still there {most:g} s after TERM")
    process.wait()
    return took


def left(pids: Iterable[int], name: str) -> list[int]:
    """
    Of these programs, those that still are; a number may be somebody else's by now.
    """
    return [pid for pid in pids if system.name(pid) == name]


def sweep(pids: Iterable[int], name: str) -> None:
    """
    Kill what a supervisor has left of its programs.
    """
    for pid in left(pids, name):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
