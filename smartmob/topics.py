"""
Which events somebody wants, by their names.

A name is parts with dots between them.  In what is wanted C{*} stands for one
part and C{**} for any number of them; C{.}, C{*} and C{**} alone are everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

MOST = 32
"""So many topics may be asked for together; each event is compared with all of them."""

LONGEST = 512
"""Characters of one; the longest name that an event can have is half of that."""

_EVERYTHING = {".", "*", "**"}


class BadTopic(ValueError):
    """
    Why something is no topic, a sentence that begins with what it is about.
    """


@frozen
class Topics:
    """
    A choice of events: those with a name that is one of C{exact} or fits one of
    C{globs}; without either, all of them.
    """

    exact: frozenset[str] = frozenset()
    globs: frozenset[tuple[str, ...]] = frozenset()

    def want(self, names: Sequence[str]) -> bool:
        """
        Whether an event with these names is one of them.
        """
        if not self.exact and not self.globs:
            return True
        if not self.exact.isdisjoint(names):
            return True
        return bool(self.globs) and any(
            _fits(glob, parts)
            for parts in [name.split(".") for name in names]
            for glob in self.globs
        )


def parse(topics: Iterable[str]) -> Topics:
    """
    The choice that any of these topics makes; none of them is all events.

    @raise BadTopic: One can't be meant as it is written, or they are too many.
    """
    exact = set()
    globs = set()
    everything = False
    for number, topic in enumerate(topics, 1):
        if number > MOST:
            raise BadTopic(f"are more than {MOST}")
        if len(topic) > LONGEST:
            raise BadTopic(f"is longer than {LONGEST} characters")
        parts = tuple(topic.split("."))
        if topic in _EVERYTHING:
            everything = True
        elif not all(parts):
            raise BadTopic(f"{topic!r} has a part with nothing in it")
        elif any("*" in part and part not in ("*", "**") for part in parts):
            raise BadTopic(f"{topic!r}: a * stands for a whole part, between dots")
        elif "*" in topic:
            globs.add(parts)
        else:
            exact.add(topic)
    return Topics() if everything else Topics(frozenset(exact), frozenset(globs))


def _fits(glob: Sequence[str], parts: Sequence[str]) -> bool:
    """
    Whether a name fits: where a part does not, the last C{**} takes one more, so this
    takes no longer than the product of both lengths.
    """
    at = 0
    here = 0
    last: int | None = None
    taken = 0
    while at < len(parts):
        if here < len(glob) and glob[here] == "**":
            last, taken = here, at
            here += 1
        elif here < len(glob) and glob[here] in ("*", parts[at]):
            here += 1
            at += 1
        elif last is not None:
            taken += 1
            at, here = taken, last + 1
        else:
            return False
    return all(part == "**" for part in glob[here:])
