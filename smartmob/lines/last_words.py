"""
What a program said before it ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from smartmob.lines.ring import Chunk

MOST = 20
"""So many lines are kept with how a run ended ..."""

MOST_BYTES = 1024
"""... of which each has so many bytes at most."""


def last_words(newest: Iterable[Chunk], pid: int | None) -> tuple[str, ...]:
    """
    The last lines of a run, cut where they are long.

    @param newest: What is kept of its process, the newest first.
    @param pid: Of the run; C{None}: it never was.
    """
    if pid is None:
        return ()
    found: list[bytes] = []
    for chunk in newest:
        if chunk.pid == pid:
            found[:0] = chunk.last(MOST - len(found)).lines()
        elif chunk.pid is not None:
            break  # of an earlier run
        if len(found) >= MOST:
            break
    return tuple(line[:MOST_BYTES].decode(errors="replace") for line in found)
