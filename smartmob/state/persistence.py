"""
All of the state folder that outlives the agent, but for its sources.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smartmob.events import Events
from smartmob.numbers import FleetingNumbers, KeptNumbers, number_in
from smartmob.state.chronicle import Chronicle
from smartmob.state.interfaces import Found
from smartmob.state.records import Records

_log = Logger()


@define(eq=False, repr=False)
class Persistence:
    """
    Records of processes, the numbers of events, and the last of these.
    """

    records: Records
    events: Events
    clock: IReactorTime
    _numbers: KeptNumbers | None = None
    _chronicle: Chronicle = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._chronicle = Chronicle(str(self.records.folder / "events"), self.clock)

    def open(self) -> Found:
        """
        Read what an earlier agent has left.

        @raise OSError: That can't be read.
        """
        found = self.records.open()
        kept = self._chronicle.read()
        after = kept[-1].id + 1 if kept else 1
        path = str(self.records.folder / "next-event")
        try:
            numbers = self._numbers = KeptNumbers(path, at_least=after)
        except OSError as error:
            first = max(number_in(path), after)
            _log.error(
                "numbers of events can't be written to {path}: {why}; a later agent will give"
                " the same ones again",
                path=path,
                why=error.strerror,
            )
            self.events.go_on(FleetingNumbers(first), kept, self._chronicle.note)
        else:
            self.events.go_on(numbers, kept, self._chronicle.note)
        return found

    def begin(self) -> None:
        """
        From now on things happen.
        """
        self.records.begin()

    def close(self) -> Deferred[None]:
        """
        The agent ends.  Fires when all is written that can be.
        """
        return self.records.close().addCallback(self._close_events)

    def _close_events(self, _: None) -> None:
        self._chronicle.close()
        numbers, self._numbers = self._numbers, None
        if numbers is not None:
            try:
                numbers.close()
            except OSError as error:
                _log.error("numbers of events can't be kept: {why}", why=error.strerror)
