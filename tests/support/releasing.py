"""
Sources without a network or a disk.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from smartmob.documents import State
from smartmob.source.keeping import Keep
from smartmob.source.layout import name_of
from smartmob.source.release import Folder, Release
from smartmob.source.rules import SourceRules
from smartmob.source.sources import Sources
from smartmob.templates import Identity

PROCFILE = b"web: ./web --fast\nclock: TZ=UTC date\n"


@define(eq=False)
class FakeSources:
    """
    Sources that give everybody the same release, when the test says so.

    @ivar rules: Where they may come from.
    @ivar keep: What of an earlier run is needed.
    @ivar whole: What of an earlier run is whole: app and name.
    @ivar restorations: What was asked for of that: app, name, slug.
    @ivar asked: The URL and request id of each call.
    @ivar identities: Whom each of them is for.
    @ivar waiting: What callers wait for, the latest last.
    @ivar under_way: What the next callers wait for, if not something of their own.
    @ivar dropped: The slugs that use theirs no longer.
    @ivar at_once: Nobody has to wait.
    """

    procfile: bytes = PROCFILE
    dotenv: bytes | None = None
    at_once: bool = False
    rules: SourceRules = field(factory=SourceRules)
    keep: Keep = field(factory=Keep)
    whole: set[tuple[str, str]] = field(factory=set)
    restorations: list[tuple[str, str, str]] = field(factory=list)
    asked: list[tuple[str, str]] = field(factory=list)
    identities: list[Identity | None] = field(factory=list)
    waiting: list[Deferred[Release]] = field(factory=list)
    under_way: Deferred[Release] | None = None
    dropped: list[str] = field(factory=list)

    @property
    def real(self) -> Sources:
        """
        This, for who wants the real thing.
        """
        return cast(Sources, self)

    def made(self, app: str = "myapp", identity: Identity | None = None) -> Release:
        """
        What everybody gets.
        """
        sha256 = "0" * 64
        return Release(
            app=app,
            sha256=sha256,
            path=Path("/nowhere"),
            procfile=self.procfile,
            dotenv=self.dotenv,
            source=Folder(app, name_of(sha256, identity), "/nowhere"),
        )

    def check(self, url: str) -> None:
        """
        See L{Sources.check}.
        """
        self.rules.check(url)

    def release(
        self,
        app: str,
        slug: str,
        url: str,
        sha256: str | None,
        request_id: str,
        progress: Callable[[State], None],
        identity: Identity | None = None,
    ) -> Deferred[Release]:
        """
        See L{Sources.release}.
        """
        progress(State.DOWNLOADING)
        self.asked.append((url, request_id))
        self.identities.append(identity)
        if self.at_once:
            return succeed(self.made(app, identity))
        self.waiting.append(Deferred() if self.under_way is None else self.under_way)
        return self.waiting[-1]

    def restored(
        self, app: str, name: str, slug: str, identity: Identity | None = None
    ) -> Deferred[Release | None]:
        """
        See L{Sources.restored}.
        """
        self.restorations.append((app, name, slug))
        whole = (app, name) in self.whole
        return succeed(self.made(app, identity) if whole else None)

    def drop(self, release: Release, slug: str) -> Deferred[None]:
        """
        See L{Sources.drop}.
        """
        self.dropped.append(slug)
        return succeed(None)
