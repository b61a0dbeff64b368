"""
Room for what callers can have the agent remember.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Protocol, TypeVar

from smartmob.permit import Permit
from smartmob.web.caller import Caller


class Remembered(Protocol):
    """
    What is remembered of a caller.
    """

    @property
    def caller(self) -> Caller:
        """
        Of whom.
        """


T = TypeVar("T", bound=Remembered)


def make_room(known: MutableMapping[bytes, T], permit: Permit, most: int, in_all: int) -> None:
    """
    See that one more can be remembered.  Who has as much as one may have makes room with
    what is their own: or with any token one could drive out all others.

    @param known: Where it is remembered; what has to give way first stands first.
    @param permit: Whose the new one is to be.
    @param most: How much there may be of one ...
    @param in_all: ... and of all.
    """
    own = [key for key, each in known.items() if each.caller.permit.key == permit.key]
    if len(own) >= most:
        del known[own[0]]
    elif len(known) >= in_all:
        del known[next(iter(known))]
