"""
What of a process outlives the agent.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.documents import CreateRequest, Definition, LastExit, PastExit, State
from smartmob.recipe import Recipe
from smartmob.refusals import StateNotWritten
from smartmob.state.interfaces import IRecords
from smartmob.state.record import KEPT_EXITS, Record
from smartmob.waiting import Waiters

_log = Logger()

_OUTCOMES = {
    True: ("up", "leave it down"),
    False: ("down", "start it"),
    None: ("as the configuration file says", "do otherwise"),
}
"""What was wanted, and what comes of its not being known."""


@define(eq=False, repr=False, kw_only=True)
class Kept:
    """
    The part of a process that its record has.

    @ivar records: Where that is kept.
    @ivar created_at: Seconds since the epoch.
    @ivar wanted: Whether it is to run, also under a later agent; C{None}: as the
        configuration file says.
    @ivar restarts: The automatic ones.
    @ivar exits: How many runs have ended.
    @ivar last_exits: The last ones, the newest first.
    @ivar off_record: Nothing of it is to be written any more.
    """

    definition: Definition
    recipe: Recipe
    records: IRecords
    created_at: float
    state: State = State.PENDING
    wanted: bool | None = None
    restarts: int = 0
    exits: int = 0
    last_exits: tuple[PastExit, ...] = ()
    off_record: bool = False
    _writing: int = 0
    _unwritten: StateNotWritten | None = None
    _written: Waiters = field(factory=Waiters)

    @property
    def slug(self) -> str:
        """
        Its unique name.
        """
        return self.definition.slug

    @property
    def last_exit(self) -> LastExit | None:
        """
        How the last run ended.
        """
        return self.last_exits[0].exit if self.last_exits else None

    def record(self) -> Record:
        """
        What is to be kept of it.
        """
        definition = self.definition
        return Record(
            slug=self.slug,
            created_at=self.created_at,
            port=self.recipe.port,
            request=definition if isinstance(definition, CreateRequest) else None,
            wanted=self.wanted,
            release=self.recipe.release,
            restarts=self.restarts,
            exits=self.exits,
            last_exits=self.last_exits,
        )

    def want(self, wanted: bool | None) -> None:
        """
        An operator wants it up, or down.  What has failed to be written is tried again.
        """
        if wanted != self.wanted or self._unwritten is not None:
            self.wanted = wanted
            self._keep()

    def ran_its_course(self) -> None:
        """
        Its program has ended, and is not started again by itself, which goes for a later
        agent as well, unless the configuration file says something else.  To be said before
        it is told how the run ended, which is noted at once, however the agent ends then.
        """
        if self.wanted:
            self.want(False)

    def when_kept(self) -> Deferred[None]:
        """
        Fires when what was wanted of it so far is on the disk; fails with
        L{StateNotWritten} where that can't be.
        """
        if self._writing:
            return self._written.wait()
        return succeed(None) if self._unwritten is None else fail(self._unwritten)

    def has_release(self) -> None:
        """
        Its source was unpacked.
        """
        if self.recipe.release is not None:
            self.records.released(self.record())

    def ended(self, last: LastExit) -> None:
        """
        One more run is over.
        """
        self.exits += 1
        self.last_exits = (PastExit(last), *self.last_exits)[:KEPT_EXITS]

    def keep_exit(self, last: LastExit, lines: tuple[str, ...]) -> None:
        """
        Have it on record how the last run ended.
        """
        past = PastExit(last, lines)
        self.last_exits = (past, *self.last_exits[1:])
        self.records.ended(self.record(), past)

    async def discard(self) -> None:
        """
        Keep nothing of it.

        @raise StateNotWritten: It can't be forgotten; it is known then, and down.
        """
        self.off_record = True
        try:
            await self.records.remove(self.record())
        except StateNotWritten:
            self.off_record = False
            self.wanted = False
            self._keep()
            raise
        try:
            await self.recipe.discard()
        except Exception:
            # It goes all the same, since its name must become free.
            _log.failure("discarding {slug}", slug=self.slug)

    def _keep(self) -> None:
        self._writing += 1
        self.records.put(self.record()).addBoth(self._kept)

    def _kept(self, result: Failure | None) -> None:
        self._writing -= 1
        self._unwritten = None
        if isinstance(result, Failure):
            # Not how it is now: by the time that this is told, it may have stopped, or run.
            what, so = _OUTCOMES[self.wanted]
            self._unwritten = StateNotWritten(
                f"that {self.slug} is to be {what} could not be written, so a later agent may "
                f"{so}: {result.getErrorMessage()}"
            )
            self.records.repeat(self.slug)
            self._written.fail(self._unwritten)
        elif not self._writing:
            self._written.fire()
