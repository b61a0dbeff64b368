"""
Which programs get cgroups, as far as there are any.
"""

from __future__ import annotations

from contextlib import suppress

from smartmob.launch.cgroup_files import kill
from smartmob.launch.cgroups import PROCESSOR, Cgroups, Place
from smartmob.launch.interfaces import Command, Usage

NO_PROCESSOR = (
    "needs a cgroup with the controller cpu, and the agent has none to divide; its log says why"
)
"""
What is wrong with a bound on processor time where there can't be one.
"""


class Housing:
    """
    The cgroups of a launcher's programs.
    """

    def __init__(self, groups: Cgroups | None) -> None:
        """
        @param groups: C{None}: there are none.
        """
        self._groups = groups

    def begin(self) -> None:
        """
        See L{Cgroups.begin}.
        """
        if self._groups is not None:
            self._groups.begin()

    def end(self) -> None:
        """
        See L{Cgroups.end}.
        """
        if self._groups is not None:
            self._groups.end()

    @property
    def bounds(self) -> frozenset[str]:
        """
        See L{ILauncher<smartmob.launch.interfaces.ILauncher>}.
        """
        return frozenset() if self._groups is None else self._groups.controllers

    def place(self, command: Command) -> Place | None:
        """
        Have a group for a program, if it wants one and there can be one.

        @raise ValueError: It can't be made though it should, and why.
        """
        if command.group is None:
            return None
        if command.group.cpu_percent is not None and PROCESSOR not in self.bounds:
            raise ValueError(f"its limit cpu_percent {NO_PROCESSOR}")
        if self._groups is None:
            return None
        try:
            return self._groups.enter(command.group, detached=command.detach is not None)
        except OSError as error:
            why = f"its cgroup {error.filename} can't be used: {error.strerror}"
            raise ValueError(why) from error

    def leave(self, place: Place) -> None:
        """
        See L{Cgroups.leave}.
        """
        if self._groups is not None:
            self._groups.leave(place)

    def purge(self, place: Place) -> None:
        """
        KILL what is in a group, since what kept it is gone.
        """
        with suppress(OSError):  # it is removed already
            kill(place.folder)

    def usage(self, name: str) -> Usage | None:
        """
        See L{Cgroups.usage}.
        """
        return None if self._groups is None else self._groups.usage(name)
