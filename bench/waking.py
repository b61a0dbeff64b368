"""
Who wakes up where nothing happens: counted by strace(1).
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import sleep, time

from bench.figures import Failed


class NotTraced(Failed):
    """
    There is no strace, or it may not look.
    """


def system_calls(pids: Sequence[int], settle: float, seconds: float, folder: Path) -> int:
    """
    How many system calls these processes, and all their threads, made in so many seconds.

    To attach to a process interrupts the call it waits in, which it then makes again.  So
    calls are told with their time, and those of the first moments are not counted.

    @param settle: Seconds until what the tracing itself has caused is over.

    @raise NotTraced: It can't be told.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise NotTraced("no strace on this machine")
    out = folder / "strace"
    words = [strace, "-f", "-q", "-ttt", "-o", str(out)]
    for pid in pids:
        words += ["-p", str(pid)]
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    sleep(settle)
    began = time()
    sleep(seconds)
    ended = time()
    refused = process.poll() is not None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    if refused:
        raise NotTraced(f"strace can't attach: {error.decode().strip()[:100]}")
    moments = [float(line.split()[1]) for line in out.read_text().splitlines()]
    return sum(began <= moment <= ended for moment in moments)
