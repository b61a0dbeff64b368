"""
Calls into plugins: none may take for ever, and none may fail unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class TooSlow(Exception):
    """
    What was called did not come to an end in time.
    """


def within(
    clock: IReactorTime, seconds: float, name: str, call: Callable[[], object]
) -> Deferred[None]:
    """
    Call what may return a Deferred or be a coroutine function.

    Unlike with L{Deferred.addTimeout} nothing that is called can hold up what comes
    next: not even a coroutine that goes on though it was cancelled.

    @param name: What is called, for a person.
    @return: Fires when it is done, fails as it failed, or with L{TooSlow} after so
        many seconds.  May be cancelled.
    """
    under_way = maybeDeferred(call)
    decided = False

    def give_up() -> None:
        nonlocal decided
        decided = True
        try:
            under_way.cancel()
        except Exception:
            _log.failure("{name} can't be cancelled", name=name)

    def too_slow() -> None:
        done.errback(TooSlow(f"{name} took more than {seconds:g} s"))
        give_up()

    def cancelled(_: object) -> None:
        timer.cancel()
        give_up()

    def ended(result: object) -> None:
        if decided:
            if isinstance(result, Failure) and result.check(CancelledError) is None:
                _log.failure("{name}, after it was given up", result, name=name)
        else:
            timer.cancel()
            if isinstance(result, Failure):
                done.errback(result)
            else:
                done.callback(None)

    done: Deferred[None] = Deferred(cancelled)
    timer = clock.callLater(seconds, too_slow)
    under_way.addBoth(ended)
    return done


def told(listener: Callable[..., object], *what: object) -> Deferred[object]:
    """
    Tell a listener, which may be a coroutine function; what it raises is logged.

    @return: Fires when it is done; never fails.
    """
    return maybeDeferred(listener, *what).addErrback(_failed)


def why(error: BaseException) -> str:
    """
    C{TYPE: MESSAGE}, on one line and not of any length.
    """
    name = type(error).__name__
    try:
        message = " ".join(str(error).split())
    except Exception:  # it is a plugin's own, and may fail at that, too
        message = "it can't be told"
    return f"{name}: {message[:500]}" if message else name


def _failed(failure: Failure) -> None:
    if failure.check(CancelledError) is None:
        _log.failure("a plugin's listener failed", failure)
