"""
An agent's helpers, found by their names.
"""

from __future__ import annotations

from smartmob.launch.record import started
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


def born(pids: list[int]) -> set[tuple[int, int | None]]:
    """
    Processes, each with when it began: another of the same pid is not the same.
    """
    return {(pid, started(pid)) for pid in pids}
