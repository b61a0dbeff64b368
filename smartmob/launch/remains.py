"""
What is left of a program that the agent had no right to end.
"""

from __future__ import annotations

from pathlib import Path

from smartmob.documents import Left


def is_present(left: Left) -> bool:
    """
    Whether the process is still there: a process of that pid and that name.
    """
    try:
        comm = Path(f"/proc/{left.pid}/comm").read_bytes()
    except OSError:
        return False
    return comm.rstrip(b"\n").decode("utf-8", "replace") == left.name
