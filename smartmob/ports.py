"""
The ports that are set aside for programs.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from attrs import define, field

from smartmob.refusals import NoPort

ATTEMPTS = 64
"""Random tries before the range is gone through in order."""

_MOST_DIGITS = 18
"""Of a port that is shown: far more than any has, and less than some readers of JSON bear."""


def can_be_bound(port: int) -> bool:
    """
    Whether a program could listen on the port on every interface now.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As most servers do: a port of which only old connections are left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - a probe, that never listens
        except OSError:
            return False
    return True


def port_of(env: Mapping[str, str]) -> int | None:
    """
    The port that a program has by its environment; C{None} where that is no number, or one
    that only its program can make sense of.
    """
    port = env.get("PORT", "")
    is_number = port.isascii() and port.isdigit() and len(port) <= _MOST_DIGITS
    return int(port) if is_number else None


def environment_of(pid: int) -> Mapping[str, str]:
    """
    What a process was started with, as far as we may know.
    """
    import psutil  # which a start does not need

    try:
        env: Mapping[str, str] = psutil.Process(pid).environ()
    except psutil.Error:
        return {}
    return env


@define(eq=False, repr=False)
class Ports:
    """
    Sets ports aside, each for one process.

    @ivar randrange: As L{random.randrange}.
    @ivar usable: Whether a port can be bound.
    """

    randrange: Callable[[int, int], int]
    first: int = 20000
    last: int = 29999
    usable: Callable[[int], bool] = can_be_bound
    _taken: set[int] = field(factory=set)

    def use(self, first: int, last: int) -> None:
        """
        Take ports of another range from now on.  Those that are set aside stay so,
        wherever they are.
        """
        self.first, self.last = first, last

    def take(self) -> int:
        """
        A port that no process of the agent has, and that can be bound.

        @raise NoPort: There is none.
        """
        for _ in range(ATTEMPTS):
            port = self.randrange(self.first, self.last + 1)
            if self._take(port):
                return port
        for port in range(self.first, self.last + 1):
            if self._take(port):
                return port
        raise NoPort(
            f"every port from {self.first} to {self.last} (port_range) is taken: a process "
            "has one each"
        )

    def reserve(self, port: int) -> bool:
        """
        Set aside the port that a process had under an earlier agent, wherever it is.

        @return: Nobody else of this agent has it.
        """
        if port in self._taken:
            return False
        self._taken.add(port)
        return True

    def check(self, number: int) -> None:
        """
        See that so many could be set aside, unless others listen on them.

        @raise NoPort: There are too few.
        """
        taken = sum(self.first <= port <= self.last for port in self._taken)
        free = self.last + 1 - self.first - taken
        if number > free:
            raise NoPort(
                f"of the ports from {self.first} to {self.last} (port_range) {free} are free, "
                f"and {number} are needed: a process has one each"
            )

    def give_back(self, port: int) -> None:
        """
        Its process is deleted.
        """
        self._taken.discard(port)

    def _take(self, port: int) -> bool:
        if port in self._taken or not self.usable(port):
            return False
        self._taken.add(port)
        return True
