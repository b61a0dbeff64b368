"""
What of a definition only an admin may ask for.

Whoever may have programs run has the rights of the user that these run as.  What goes
beyond is a matter of the machine, which others share: its operator sets the limits of
programs that ask for none, and so how much a program may have.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import fields

from smartmob.documents import Definition, Limits


def privileges(asked: Definition, usual: Limits) -> Iterator[tuple[str, str]]:
    """
    The members that go beyond what everybody gets, each with a sentence.

    @param usual: The limits of programs that ask for none; nothing is beyond one that is
        C{None}.
    """
    for name in (attribute.name for attribute in fields(Limits)):
        value, bound = getattr(asked.limits, name), getattr(usual, name)
        if value is not None and bound is not None and value > bound:
            yield f"limits.{name}", f"must be {bound} at most, which is what others get"
    if asked.nice < 0:
        yield "nice", "must not be below 0, which would go before others"
