"""
Successes as gafferd's clients know them.
"""

from __future__ import annotations

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.refusals import TreeLeft
from smartmob.web.api import reply
from smartmob.web.render import encode
from smartmob.web.site import Request

_log = Logger()

PATIENCE = 5.0
"""
Seconds that an answer waits for what was asked for, at most.  gafferd answers at once, and
its own client gives up after 20.
"""


def done(request: Request, **more: object) -> bytes:
    """
    What was asked for is done, or will be.
    """
    return reply(request, encode({"ok": True, **more}))


def patiently(reactor: IReactorTime, under_way: Deferred[None]) -> Deferred[None]:
    """
    Fires when something is done, or L{PATIENCE} is over: it goes on then.  Fails with
    L{TreeLeft} where something can't be ended.
    """
    patience: Deferred[None] = Deferred()

    def over(result: Failure | None) -> None:
        if not patience.called:
            patience.callback(result)
        elif isinstance(result, Failure) and result.check(TreeLeft) is None:
            _log.failure("after an answer that did not wait", result)

    under_way.addBoth(over)
    return patience.addTimeout(PATIENCE, reactor).addErrback(_later)


def _later(failure: Failure) -> None:
    """
    The client has waited long enough.
    """
    failure.trap(defer.TimeoutError)
