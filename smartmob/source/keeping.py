"""
What of an earlier run of the agent is still needed.
"""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Keep:
    """
    What of the releases on the disk is not removed at the start.

    @ivar releases: Those that records name: the app, and what the release is called
        among those of its app (L{Release.name<smartmob.source.release.Release.name>}).
    @ivar apps: All releases of these apps stay, whatever happens: a record of theirs
        could not be read, or is not restored, so nobody knows which it needs.
    """

    releases: frozenset[tuple[str, str]] = frozenset()
    apps: frozenset[str] = frozenset()
