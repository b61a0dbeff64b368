"""
What is open to clients: requests under way, and WebSockets, by who they are from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import define, field
from twisted.logger import Logger

from smartmob.web.caller import Caller

_log = Logger()

End = Callable[[], None]
"""Shows somebody out."""


@define(eq=False, repr=False)
class Visits:
    """
    They end when their callers may not be there any more.
    """

    _open: dict[Caller, dict[object, End]] = field(factory=dict, init=False)

    def __len__(self) -> int:
        """
        How many there are.
        """
        return sum(map(len, self._open.values()))

    def begin(self, caller: Caller, end: End) -> Callable[[], None]:
        """
        Somebody is there.

        @param end: Called when they have to go.
        @return: To be called when they have gone; may be called again.
        """
        visit = object()
        self._open.setdefault(caller, {})[visit] = end
        return partial(self._left, caller, visit)

    def end(self, which: Callable[[Caller], bool]) -> int:
        """
        Show callers out.

        @return: How many visits that ended.
        """
        ending = [
            (caller, visit)
            for caller, visits in self._open.items()
            if which(caller)
            for visit in visits
        ]
        for caller, visit in ending:
            end = self._open.get(caller, {}).get(visit)
            if end is not None:  # to end one may end another, of the same connection
                self._show_out(end)
        return len(ending)

    @staticmethod
    def _show_out(end: End) -> None:
        try:
            end()
        except Exception:
            _log.failure("the others are shown out all the same")

    def _left(self, caller: Caller, visit: object) -> None:
        visits = self._open.get(caller)
        if visits is not None:
            visits.pop(visit, None)
            if not visits:
                del self._open[caller]
