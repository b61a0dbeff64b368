"""
What all processes have written, by a few kinds of streams: their names are for those to choose
who say what is to be run, and may be any number.
"""

from __future__ import annotations

from collections.abc import Mapping

from smartmob.lines.console import AGENT
from smartmob.lines.ring import Written

OTHER = "other"
"""The kind of all streams with names of their own."""

KINDS = ("stdout", "stderr", AGENT, OTHER)


def totals(*parts: Mapping[str, Written]) -> dict[str, Written]:
    """
    How much it is together: of each kind, also where that is nothing.

    @param parts: By streams, or by kinds.
    """
    found = {kind: Written() for kind in KINDS}
    for part in parts:
        for stream, written in part.items():
            total = found.get(stream) or found[OTHER]
            total.lines += written.lines
            total.size += written.size
    return found
