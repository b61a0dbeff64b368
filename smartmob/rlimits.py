"""
Limits by the names that setrlimit(2) has for them, and as bounds of a cgroup.
"""

from __future__ import annotations

import resource

from attrs import asdict, evolve

from smartmob.converter import InvalidDocument
from smartmob.documents import Limits
from smartmob.launch.cgroups import PROCESSOR
from smartmob.launch.housing import NO_PROCESSOR
from smartmob.launch.interfaces import Group

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


def check_bounds(limits: Limits, bounds: frozenset[str]) -> None:
    """
    @param bounds: What cgroups can bound, as
        L{ILauncher<smartmob.launch.interfaces.ILauncher>} has it.
    @raise InvalidDocument: It takes more to keep these limits.
    """
    if limits.cpu_percent is not None and PROCESSOR not in bounds:
        raise InvalidDocument((("limits.cpu_percent", NO_PROCESSOR),))


def group(slug: str, limits: Limits) -> Group:
    """
    The cgroup of a program.  Where it has one, its bounds are those of all its processes
    together, and go instead of what setrlimit(2) has for them.
    """
    return Group(
        name=slug,
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        cpu_percent=limits.cpu_percent,
    )
