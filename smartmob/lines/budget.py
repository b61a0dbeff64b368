"""
What all readers of lines together may have queued, and how many they may be.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from smartmob.lines.bounds import Bounds
from smartmob.refusals import Refusal
from smartmob.waiting import Waiters


class TooManyReaders(Refusal):
    """The agent has as many readers of lines as it may have."""

    code = "out-of-descriptors"


class Member(Protocol):
    """
    A reader, as the budget sees it.
    """

    @property
    def counted(self) -> int:
        """
        Bytes that wait for it and are not due to it.
        """

    def shed(self, size: int) -> None:
        """
        Give so many of them back.
        """


class Budget:
    """
    What all readers together may have queued, and how many they may be.

    @ivar queued: Bytes that wait for them and are not due to them.
    @ivar lines_dropped: Lines, once for each reader that was too slow for them, ever ...
    @ivar others_dropped: ... and events, or whatever else is read.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.queued = self.lines_dropped = self.others_dropped = 0
        self._members: dict[Member, None] = {}
        self._own: set[Member] = set()
        self._others: set[Member] = set()  # who read something else than lines
        self._gone = Waiters()

    def __len__(self) -> int:
        """
        How many clients there are.
        """
        return len(self._members) - len(self._own)

    @property
    def readers_of_lines(self) -> int:
        """
        How many of these read lines.
        """
        return len(self) - len(self._others)

    def add(self, member: Member, own: bool, *, lines: bool = True) -> None:
        """
        @param own: It is a part of the agent, and takes no client's place.
        @param lines: Whether it reads lines; whoever is the agent's own does.
        @raise TooManyReaders: There are as many clients as there may be.
        """
        if own:
            self._own.add(member)
        elif len(self) >= self.bounds.readers:
            raise TooManyReaders(f"there are {len(self)} readers, and room for no more")
        self._members[member] = None
        if not lines:
            self._others.add(member)

    def remove(self, member: Member) -> None:
        """
        It is gone, and nothing waits for it.
        """
        self._members.pop(member, None)
        self._own.discard(member)
        self._others.discard(member)
        if not self._members:
            self._gone.fire()

    def when_empty(self) -> Deferred[None]:
        """
        Fires when everything that was queued for anybody has been written, or its
        reader is gone.
        """
        gone = self._gone.wait()
        if not self._members:
            self._gone.fire()
        return gone

    def dropped(self, member: Member, count: int) -> None:
        """
        One was too slow for so many lines, or for so much of what it reads.
        """
        if member in self._others:
            self.others_dropped += count
        else:
            self.lines_dropped += count

    def more(self, size: int) -> None:
        """
        So much was queued.
        """
        self.queued += size

    def enforce(self) -> None:
        """
        Where too much is queued for all together, those with most have to give back,
        and a little more than that, so that it does not have to be done again for the
        next line.  Not in the midst of a change to a queue.
        """
        if self.queued <= self.bounds.queues_in_all:
            return
        enough = self.bounds.queues_in_all * 63 // 64
        for member in sorted(self._members, key=_counted, reverse=True):
            member.shed(self.queued - enough)
            if self.queued <= enough:
                break

    def less(self, size: int) -> None:
        """
        So much less waits.
        """
        self.queued -= size


def _counted(member: Member) -> int:
    return member.counted
