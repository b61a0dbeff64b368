"""
What somebody may do, who was asked who they are.
"""

from __future__ import annotations

from enum import IntEnum
from fnmatch import fnmatchcase

from attrs import field, frozen

ALL_APPS = "*"


class Scope(IntEnum):
    """
    How much somebody may do; each may do what the ones before it may.
    """

    NONE = 0
    """Nothing."""
    READ = 1
    """Look at everything, and listen."""
    WRITE = 2
    """Change it, and type."""
    ADMIN = 3
    """Also what is about the agent itself."""

    @property
    def word(self) -> str:
        """
        As people write it.
        """
        return self.name.lower()


SCOPES = {scope.word: scope for scope in Scope if scope}


def covers(apps: str, app: str) -> bool:
    """
    Whether a glob of apps has that one.
    """
    return apps == ALL_APPS or fnmatchcase(app, apps)


@frozen(kw_only=True)
class Permit:
    """
    What somebody may do.  Two that were given for other tokens are never equal.

    @ivar apps: A glob: the apps that it is for.
    @ivar name: What the log calls who has it; empty: nothing.
    @ivar key: What tells it from all others; no secret, but nobody needs to see it.
    """

    scope: Scope
    apps: str = ALL_APPS
    name: str = field(default="", eq=False)
    key: bytes = field(default=b"", repr=False)

    def may(self, scope: Scope) -> bool:
        """
        Whether that much is allowed.
        """
        return self.scope >= scope

    def sees(self, app: str) -> bool:
        """
        Whether it is for that app.
        """
        return covers(self.apps, app)

    @property
    def limited(self) -> bool:
        """
        Whether it is for certain apps only.
        """
        return self.apps != ALL_APPS


EVERYTHING = Permit(scope=Scope.ADMIN)
"""That of everybody, where nobody is asked."""
