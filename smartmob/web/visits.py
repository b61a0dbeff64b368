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

    _open: dict[object, tuple[Caller, End]] = field(factory=dict, init=False)

    def __len__(self) -> int:
        """
        How many there are.
        """
        return len(self._open)

    def begin(self, caller: Caller, end: End) -> Callable[[], object]:
        """
        Somebody is there.

        @param end: Called when they have to go.
        @return: To be called when they have gone; may be called again.
        """
        visit = object()
        self._open[visit] = caller, end
        return partial(self._open.pop, visit, None)

    def end(self, which: Callable[[Caller], bool]) -> int:
        """
        Show callers out.

        @return: How many visits that ended.
        """
        ending = [visit for visit, (caller, _) in self._open.items() if which(caller)]
        for visit in ending:
            if visit in self._open:  # to end one may end another, of the same connection
                _, end = self._open[visit]
                _show_out(end)
        return len(ending)


def _show_out(end: End) -> None:
    try:
        end()
    except Exception:
        _log.failure("the others are shown out all the same")
