"""
All that there is of one C{[forward:NAME]}.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from attrs import define

from smartmob.config.forward import Forward
from smartmob.forward.delivering import Delivering, delivering
from smartmob.forward.formats import Encoding
from smartmob.forward.lane import Lane
from smartmob.forward.queue import BATCH
from smartmob.placeholders import Pattern


@define(eq=False, repr=False)
class Forwarding:
    """
    A section, and the way of lines that it makes.

    @ivar forward: What the configuration says of it.
    @ivar encoding: What lines look like there.
    @ivar key: What they are called there, or which file they are for.
    """

    forward: Forward
    encoding: Encoding
    key: Pattern
    lane: Lane
    machine: Delivering

    @classmethod
    def of(cls, forward: Forward, encoding: Encoding, key: Pattern, lane: Lane) -> Forwarding:
        """
        One that has nothing to do yet.
        """
        return cls(forward, encoding, key, lane, delivering(lane))

    def reads(self, app: str) -> bool:
        """
        Whether it wants lines of that app.
        """
        return _any(self.forward.apps, app)

    def wants(self, stream: str) -> bool:
        """
        Whether it wants lines of that stream.
        """
        return _any(self.forward.streams, stream)

    @property
    def full(self) -> bool:
        """
        Whether it takes nothing now.
        """
        return self.lane.queue.skips

    def put(self, key: str, data: bytes, count: int) -> bool:
        """
        Have some lines delivered, if there is room for them.

        @return: There was.
        """
        lane = self.lane
        taken = lane.queue.put(key, data, count)
        if lane.at_rest and taken:
            lane.at_rest = False
            self.machine.more()
        if lane.queue.size >= BATCH:
            self.machine.enough()
        return taken

    def report(self) -> dict[str, object]:
        """
        How it stands: for persons, and for metrics.
        """
        lane = self.lane
        return {
            "name": lane.name,
            "to": lane.shown,
            "queued": lane.queue.lines,
            "queued_bytes": lane.queue.size,
            "delivered": lane.delivered,
            "dropped": lane.dropped,
            "failed": lane.failed,
            "error": lane.why if lane.tries else None,
        }


def _any(globs: tuple[str, ...], name: str) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)
