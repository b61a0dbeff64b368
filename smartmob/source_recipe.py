"""
The recipe of a created process: an archive, its Procfile, and what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob import dotenv, procfile
from smartmob.documents import CreateRequest, Definition, Limits, State
from smartmob.environment import of_user, own
from smartmob.launch.interfaces import Command
from smartmob.logical_lines import all_shown
from smartmob.rlimits import group, limited, rlimits
from smartmob.source.archives import sha256_of
from smartmob.source.errors import SourceError, SourceRefused
from smartmob.source.shared import Shared
from smartmob.source.sources import Release, Sources
from smartmob.templates import STREAMS, Identity
from smartmob.waiting import Waiters

_log = Logger()


@define(eq=False, repr=False)
class SourceRecipe:
    """
    The recipe of a created process.

    @ivar inherited: The environment of the agent, as far as programs may see it.
    @ivar port: The port that was set aside for it.
    @ivar limits: What goes for each limit that was not asked for.
    @ivar identity: Whom it runs as; C{None}: as the agent.
    @ivar release: The name of its release; at first, of the one that it had under an earlier
        agent.
    """

    request: CreateRequest
    sources: Sources
    inherited: Mapping[str, str]
    port: int
    request_id: str
    limits: Limits = field(factory=Limits)
    identity: Identity | None = None
    streams: tuple[str | None, str | None] = STREAMS
    types: tuple[str, ...] | None = None
    release: str | None = None
    _held: Release | None = None
    _holding: Shared[None] | None = None
    _underway: set[Deferred[Command]] = field(factory=set)
    _idle: Waiters = field(factory=Waiters)

    def prepare(self, progress: Callable[[State], None]) -> Deferred[Command]:
        """
        See L{Recipe.prepare}.
        """
        prepared = Deferred.fromCoroutine(self._prepare(progress))
        if not prepared.called:
            self._underway.add(prepared)
            prepared.addBoth(self._ended, prepared)
        return prepared

    def discard(self) -> Deferred[None]:
        """
        See L{Recipe.discard}.
        """
        return Deferred.fromCoroutine(self._discard())

    def hold(self) -> None:
        """
        See to it that the release which it had under an earlier agent stays, whether it is
        to run or not.
        """
        self._holding = Shared(Deferred.fromCoroutine(self._hold()))

    async def _hold(self) -> None:
        try:
            self._held = await self._earlier()
        except SourceError as error:
            _log.warn(
                "{slug}: its release can't be had now: {why}",
                slug=self.request.slug,
                why=error.reason,
            )

    async def _prepare(self, progress: Callable[[State], None]) -> Command:
        if self._holding is not None:
            await self._holding.when_ended()
        release = self._held or await self._earlier() or await self._new(progress)
        try:
            command = self._command(release)
        except Exception:
            # What can't be run is not kept: a later start downloads anew.
            self._held = self.release = None
            await self.sources.drop(release, self.request.slug)
            raise
        self._held = release
        self.release = release.name
        return command

    async def _earlier(self) -> Release | None:
        if self.release is None:
            return None
        app, slug = self.request.app, self.request.slug
        release = await self.sources.restored(app, self.release, slug, self.identity)
        if release is None:
            self.release = None
        return release

    async def _new(self, progress: Callable[[State], None]) -> Release:
        request = self.request
        return await self.sources.release(
            request.app,
            request.slug,
            request.source_url,
            request.source_sha256,
            self.request_id,
            progress,
            identity=self.identity,
        )

    async def _discard(self) -> None:
        # What was abandoned is still being cleaned up, perhaps.
        while self._underway:
            await self._idle.wait()
        if self._holding is not None:
            await self._holding.when_ended()
        release, self._held = self._held, None
        if release is not None:
            await self.sources.drop(release, self.request.slug)

    def _ended(
        self, result: Command | Failure, prepared: Deferred[Command]
    ) -> Command | Failure:
        self._underway.discard(prepared)
        if not self._underway:
            self._idle.fire()
        return result

    def _command(self, release: Release) -> Command:
        request = self.request
        entry = self._entry(release)
        try:
            settings = dotenv.parse(release.dotenv or b"")
        except dotenv.DotenvError as error:
            raise SourceRefused(f".env, line {error.line}: {error.why}") from None
        who = self.identity
        words = procfile.plain_words(entry.command)
        limits = limited(request.limits, self.limits)
        return Command(
            argv=words or ("/bin/sh", "-c", entry.command),
            env={
                **of_user(self.inherited, who),
                **settings,
                **own(request, self.port),
                **entry.env,
                **request.env,
            },
            cwd=release.folder(request.cwd),
            stop_signal=request.stop_signal,
            grace=request.graceful_timeout,
            umask=request.umask,
            nice=request.nice,
            no_new_privileges=request.no_new_privileges,
            rlimits=rlimits(limits),
            uid=None if who is None else who.uid,
            gid=None if who is None else who.gid,
            groups=() if who is None else who.groups,
            redirect_input=request.redirect_input,
            group=group(request.slug, limits),
        )

    def _entry(self, release: Release) -> procfile.ProcessType:
        try:
            found = procfile.parse(release.procfile)
        except procfile.ProcfileError as error:
            raise SourceRefused(f"Procfile, line {error.line}: {error.why}") from None
        self.types = tuple(found)
        wanted = self.request.process_type
        try:
            return found[wanted]
        except KeyError:
            known = all_shown(found) or "none"
            raise SourceRefused(
                f"the Procfile has no process type {wanted!r}; it has {known}"
            ) from None


def archives_named(definitions: Iterable[Definition]) -> set[str]:
    """
    The digests of the archives that clients have sent, and that some of these name as
    their source.
    """
    requests = (each for each in definitions if isinstance(each, CreateRequest))
    named = (sha256_of(request.source_url) for request in requests)
    return {sha256 for sha256 in named if sha256 is not None}
