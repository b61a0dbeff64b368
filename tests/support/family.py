"""
An agent's helpers, found by their names, and signals to them.
"""

from __future__ import annotations

import contextlib
import os

from tests.support import warden
from tests.support.living import children, name, running, until

GUARDIAN = "smartmob-guard"
REAPER = "smartmob-reaper"


async def guardian_of(agent: int) -> int:
    """
    The guardian of an agent, once there is one that has its name.
    """
    found: list[int] = []

    def look() -> list[int]:
        found[:] = [pid for pid in children(agent) if name(pid) == GUARDIAN]
        return found

    await until(look, "a guardian")
    [guardian] = found
    return guardian


def reapers_of(guardian: int) -> list[int]:
    """
    Those that a guardian has.
    """
    return [pid for pid in running(warden.below(guardian)) if name(pid) == REAPER]


def send(number: int, pids: list[int]) -> None:
    """
    Send a signal to processes, some of which may be gone.
    """
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
