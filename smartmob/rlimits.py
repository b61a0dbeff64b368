"""
Limits by the names that setrlimit(2) has for them.
"""

from __future__ import annotations

from smartmob.documents import Limits

_NAMES = {
    "memory_bytes": "RLIMIT_AS",
    "processes": "RLIMIT_NPROC",
    "open_files": "RLIMIT_NOFILE",
    "file_bytes": "RLIMIT_FSIZE",
    "core_bytes": "RLIMIT_CORE",
    "cpu_seconds": "RLIMIT_CPU",
}


def rlimits(limits: Limits) -> dict[str, tuple[int, int]]:
    """
    The limits by their names in setrlimit(2), soft and hard alike.
    """
    given = {name: getattr(limits, field) for field, name in _NAMES.items()}
    return {name: (value, value) for name, value in given.items() if value is not None}
