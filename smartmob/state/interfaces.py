"""
What the agent needs of what outlives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from attrs import field, frozen
from twisted.internet.defer import Deferred

from smartmob.documents import CreateRequest, PastExit
from smartmob.state.record import Record
from smartmob.state.sections import Scaled


@frozen(eq=False, repr=False, kw_only=True)
class Found:
    """
    What an earlier agent has left.

    @ivar records: By slug.
    @ivar unread: Slugs of records that are left as they are, and why: the end of a sentence
        that begins with the slug.
    @ivar scaled: How many instances there should be of what the file says otherwise.
    @ivar models: What the last process of a type was like of which an app has none.
    """

    records: Mapping[str, Record] = field(factory=dict)
    unread: Mapping[str, str] = field(factory=dict)
    scaled: Mapping[str, Scaled] = field(factory=dict)
    models: Sequence[CreateRequest] = ()


class IRecords(Protocol):
    """
    What the agent needs of records.

    @ivar snapshot: Gives the record of a process as it is now; C{None}: there is none.
    """

    snapshot: Callable[[str], Record | None]

    def put(self, record: Record) -> Deferred[None]:
        """
        Keep this, in place of what was kept.  Fires when it is on the disk; fails with
        L{StateNotWritten}, and is then not tried again unless L{repeat} is called.
        """

    def repeat(self, slug: str) -> None:
        """
        What is kept of a process is not what it should be: write it as soon as that can
        be, as it is then.
        """

    def remove(self, record: Record) -> Deferred[None]:
        """
        Forget a process.  Fires when that is on the disk; fails with L{StateNotWritten}.
        """

    def began(self, record: Record) -> None:
        """
        Note a process of the configuration file, which is there anyhow.
        """

    def ended(self, record: Record, exit: PastExit) -> None:  # noqa: A002 - what it is
        """
        Note how a run ended, and the counts of its process.
        """

    def released(self, record: Record) -> None:
        """
        Note which release a process has.
        """

    def scaled(self, sections: Mapping[str, Scaled]) -> Deferred[None]:
        """
        Keep how many instances there should be; as L{put}.
        """

    def modelled(self, models: Iterable[CreateRequest]) -> Deferred[None]:
        """
        Keep what the last process of each type was like of which an app has none; as
        L{put}.
        """
