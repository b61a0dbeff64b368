"""
What an earlier agent has left, and what is to be made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, field, frozen

from smartmob.documents import app_of
from smartmob.source.keeping import Keep
from smartmob.state.interfaces import Found
from smartmob.state.record import Record
from smartmob.state.sections import Scaled

_NOT_RESTORED = "is known from before, and was not restored (--no-resume)"


@frozen(eq=False, repr=False, kw_only=True)
class Legacy:
    """
    What an earlier agent has left.

    @ivar resumed: What operators wanted of it counts.
    @ivar created: The processes to have again, by slug, the oldest first.
    @ivar configured: What is known of processes of the configuration file, by slug: each
        is taken out when there is one.
    @ivar unread: Slugs whose records stay as they are, and why: the end of a sentence.
    @ivar untouched: Those of these records that could be read.
    @ivar scaled: How many instances of sections there should be.
    @ivar not_scaled: How many there should be, but for this time.
    """

    resumed: bool = True
    created: dict[str, Record] = field(factory=dict)
    configured: dict[str, Record] = field(factory=dict)
    unread: dict[str, str] = field(factory=dict)
    untouched: dict[str, Record] = field(factory=dict)
    scaled: Mapping[str, Scaled] = field(factory=dict)
    not_scaled: Mapping[str, Scaled] = field(factory=dict)

    @classmethod
    def of(cls, found: Found, resume: bool) -> Legacy:
        """
        What to make of what was found.

        @param resume: C{False}: what the configuration file does not have is to stay as
            it is, and what operators wanted of the rest does not count.
        """
        records = sorted(found.records.values(), key=lambda record: record.created_at)
        created = {each.slug: each for each in records if each.request is not None}
        untouched = {} if resume else created
        return cls(
            resumed=resume,
            created=created if resume else {},
            configured={each.slug: each for each in records if each.request is None},
            unread={**found.unread, **dict.fromkeys(untouched, _NOT_RESTORED)},
            untouched=untouched,
            scaled=found.scaled if resume else {},
            not_scaled={} if resume else found.scaled,
        )

    def record(self, slug: str) -> Record | None:
        """
        What is known of a process that there is not, for now.
        """
        return self.untouched.get(slug) or self.configured.get(slug)

    def move(self, record: Record, port: int | None) -> None:
        """
        A process is to have another port than it had.
        """
        where = self.configured if record.slug in self.configured else self.created
        where[record.slug] = evolve(record, port=port)

    def leave(self, record: Record, why: str) -> None:
        """
        There can't be such a process now; what is known of it is to stay.

        @param why: The end of a sentence that begins with its slug.
        """
        self.untouched[record.slug] = self.created.pop(record.slug)
        self.unread[record.slug] = why

    def keep(self) -> Keep:
        """
        What of the releases there are is needed still.
        """
        named = {(app_of(each.slug), each.release) for each in self.created.values()}
        return Keep(
            releases=frozenset((app, name) for app, name in named if name is not None),
            apps=frozenset(map(app_of, self.unread)),
        )

    def left_over(self) -> Iterator[Record]:
        """
        Those of the configuration file that it does not have any more.
        """
        if self.resumed:
            records = tuple(self.configured.values())
            self.configured.clear()
            yield from records
