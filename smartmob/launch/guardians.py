"""
One guardian after the other.
"""

from __future__ import annotations

from twisted.logger import Logger

from smartmob.launch.helper import EXECUTABLE, Helper, start_guardian, start_python

_log = Logger()


class Guardians:
    """
    Starts guardians for an agent: the compiled one, until it turns out that it does not
    work here, which is said once.

    @ivar started: How many there were.
    """

    def __init__(self, choice: str | None = None, executable: str = EXECUTABLE) -> None:
        """
        @param choice: As for L{start_guardian}.
        @param executable: The compiled one.
        """
        self.started = 0
        self._choice = choice
        self._executable = executable
        self._start_one = self._first_choice

    def __call__(self, bounds: tuple[int, int]) -> Helper:
        """
        Start one.

        @param bounds: As for L{start_guardian}.
        @raise OSError: As from L{start_guardian}.
        @raise ValueError: As from L{start_guardian}.
        """
        helper = self._start_one(bounds)
        self.started += 1
        _log.info("the guardian is pid {pid}, {kind}", pid=helper.pid, kind=helper.kind)
        return helper

    def _first_choice(self, bounds: tuple[int, int]) -> Helper:
        return start_guardian(bounds, self._choice, self._give_up, self._executable)

    def _give_up(self, error: OSError) -> None:
        self._start_one = start_python
        _log.warn(
            "the compiled guardian {path} does not work here, so the one in Python is used,"
            " which needs more memory and time: {why}",
            path=error.filename,
            why=error.strerror,
        )
