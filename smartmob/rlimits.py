"""
Limits by the names that setrlimit(2) has for them.
"""

from __future__ import annotations

import resource

from attrs import asdict, evolve

from smartmob.documents import Limits

_NAMES = {
    "memory_bytes": "RLIMIT_AS",
    "processes": "RLIMIT_NPROC",
    "open_files": "RLIMIT_NOFILE",
    "file_bytes": "RLIMIT_FSIZE",
    "core_bytes": "RLIMIT_CORE",
    "cpu_seconds": "RLIMIT_CPU",
}


def limited(own: Limits, default: Limits) -> Limits:
    """
    The limits of a program that may ask for its own.

    @param default: What goes for each of them that it does not ask for.
    """
    asked = asdict(own, filter=lambda _, value: value is not None)
    return evolve(default, **asked)


def inherited() -> Limits:
    """
    What a program gets at most that asks for nothing: what this process has.  Only root can
    have more.
    """
    hard = {
        field: resource.getrlimit(getattr(resource, name))[1] for field, name in _NAMES.items()
    }
    return Limits(
        **{field: most for field, most in hard.items() if most != resource.RLIM_INFINITY}
    )


def rlimits(limits: Limits) -> dict[str, tuple[int, int]]:
    """
    The limits by their names in setrlimit(2), soft and hard alike.
    """
    given = {name: getattr(limits, field) for field, name in _NAMES.items()}
    return {name: (value, value) for name, value in given.items() if value is not None}
