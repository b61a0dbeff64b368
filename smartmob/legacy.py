"""
What an earlier agent has left, and what is to be made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

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
    @ivar created: The processes to have again, the oldest first.
    @ivar configured: What is known of processes of the configuration file, by slug: each
        is taken out when there is one.
    @ivar unread: Slugs whose records stay as they are, and why: the end of a sentence.
    @ivar scaled: How many instances of sections there should be.
    """

    resumed: bool = True
    created: tuple[Record, ...] = ()
    configured: dict[str, Record] = field(factory=dict)
    unread: Mapping[str, str] = field(factory=dict)
    scaled: Mapping[str, Scaled] = field(factory=dict)

    @classmethod
    def of(cls, found: Found, resume: bool) -> Legacy:
        """
        What to make of what was found.

        @param resume: C{False}: what the configuration file does not have is to stay as
            it is, and what operators wanted of the rest does not count.
        """
        records = sorted(found.records.values(), key=lambda record: record.created_at)
        created = tuple(record for record in records if record.request is not None)
        untouched = {} if resume else {record.slug: _NOT_RESTORED for record in created}
        return cls(
            resumed=resume,
            created=created if resume else (),
            configured={each.slug: each for each in records if each.request is None},
            unread={**found.unread, **untouched},
            scaled=found.scaled if resume else {},
        )

    def keep(self) -> Keep:
        """
        What of the releases there are is needed still.
        """
        named = {(app_of(each.slug), each.release) for each in self.created}
        return Keep(
            releases=frozenset((app, name) for app, name in named if name is not None),
            apps=frozenset(map(app_of, self.unread)),
        )

    def left_over(self) -> Iterator[Record]:
        """
        Those of the configuration file that it does not have any more.
        """
        if self.resumed:
            yield from self.configured.values()
            self.configured.clear()
