"""
One plugin that was loaded: its application is started, restarted, stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.plugins.calls import TooSlow, why, within
from smartmob.plugins.supervisor import Supervisor

_log = Logger()

CALL_SECONDS = 10.0
"""What C{start}, C{restart} and C{stop} may take ..."""

END_SECONDS = 2.0
"""... and C{stop} when the agent ends."""


class State(StrEnum):
    """
    Where a plugin stands, as its report says it.
    """

    RUNNING = "running"
    """Its application was started."""
    LOADED = "loaded"
    """It has no application, or that is not started yet."""
    FAILED = "failed"
    """It could not be loaded, or started, or restarted."""
    REFUSED = "refused"
    """Others may write to it."""
    SITE = "site"
    """There is no Python in it."""


@define(eq=False, repr=False, kw_only=True)
class Life:
    """
    A plugin.

    @ivar source: What it was loaded from: a folder, or an entry point.
    @ivar folder: The name of its folder, where it has one.
    @ivar app: What C{Plugin.app} returned.
    @ivar error: Why it is failed.
    """

    source: str
    name: str
    version: str
    description: str
    mandatory: Sequence[str]
    folder: str | None
    app: object
    state: State = State.LOADED
    error: str | None = None
    _supervisor: Supervisor | None = None
    _clock: IReactorTime | None = None
    _turn: DeferredLock = field(factory=DeferredLock)
    _under_way: Deferred[None] | None = None
    _begun: bool = False
    _over: bool = False

    @property
    def never_was(self) -> bool:
        """
        Whether its application could not be started, so that there is nothing to stop.
        """
        return self.state is State.FAILED and not self._begun

    def start(self, reactor: IReactorTime, supervisor: Supervisor) -> Deferred[None]:
        """
        Start its application.  Fires when that is done, or has failed; never fails.
        """
        self._clock = reactor
        self._supervisor = supervisor
        if self.app is None:
            return succeed(None)
        self._begun = True
        return self._turn.run(self._call, "start", reactor, supervisor)

    def restart(self) -> Deferred[None]:
        """
        The configuration was read again.  Fires as L{start} does.
        """
        return self._turn.run(self._call, "restart")

    def stop(self, seconds: float = CALL_SECONDS) -> Deferred[None]:
        """
        Stop its application, which has so long for it, and does not finish what it was
        called for before.  Fires as L{start} does.
        """
        self._over = True
        if self._under_way is not None:
            self._under_way.cancel()
        if not self._begun or self._clock is None:
            return succeed(None)
        stopped = within(self._clock, seconds, "stop", partial(_call, self.app, "stop"))
        return stopped.addErrback(self._failed, "stop").addBoth(self._stopped)

    def _call(self, verb: str, *what: object) -> Deferred[None]:
        if self._over or not self._begun or self._clock is None:
            return succeed(None)
        call = partial(_call, self.app, verb, *what)
        self._under_way = within(self._clock, CALL_SECONDS, verb, call)
        return self._under_way.addCallbacks(
            self._succeeded, self._failed, callbackArgs=(verb,), errbackArgs=(verb,)
        )

    def _succeeded(self, _: None, verb: str) -> None:
        self._under_way = None
        self.state = State.RUNNING
        self.error = None
        _log.info("plugin {plugin}: {verb} is done", plugin=self.name, verb=verb)

    def _failed(self, failure: Failure, verb: str) -> None:
        self._under_way = None
        if failure.check(CancelledError) is not None:
            return  # it was stopped meanwhile
        self.state = State.FAILED
        assert failure.value is not None, "it is one"
        self.error = why(failure.value)
        if failure.check(TooSlow) is not None:
            _log.error("plugin {plugin}: {why}", plugin=self.name, why=failure.value)
            return
        _log.failure("plugin {plugin}: {verb} failed", failure, plugin=self.name, verb=verb)
        if verb == "start":
            self._begun = False  # so there is nothing to stop
            self._let_go()

    def _stopped(self, _: object) -> None:
        self._let_go()
        _log.info("plugin {plugin} stopped", plugin=self.name)

    def _let_go(self) -> None:
        if self._supervisor is not None:
            self._supervisor.close()


def _call(app: object, verb: str, *what: object) -> object:
    """
    Call a method of an application, which it need not have.
    """
    method = getattr(app, verb, None)
    return None if method is None else method(*what)
