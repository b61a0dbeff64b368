"""
Names of hosts.

The reactor looks them up in its threads, of which it has few, and waits for all of them
when it ends.  A look-up may take half a minute where no server answers, and nothing can end
it; so here each has a thread that nobody waits for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorFromThreads

LookUp = Callable[[str], "Deferred[Sequence[str]]"]
"""
The addresses of a host, in the order in which to try them; fails with
L{DNSLookupError}.
"""


def addresses(host: str) -> Sequence[str]:
    """
    Ask the system; blocks.

    @raise OSError: There are none, or nobody can say.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@define(eq=False, repr=False)
class Names:
    """
    Looks up names, each once at a time: who asks for one that is being looked up gets what
    comes of that, so that there are no more threads than names.

    @ivar find: As L{addresses}.
    """

    reactor: IReactorFromThreads
    find: Callable[[str], Sequence[str]] = addresses
    _waiting: dict[str, list[Deferred[Sequence[str]]]] = field(factory=dict, init=False)

    def look_up(self, host: str) -> Deferred[Sequence[str]]:
        """
        See L{LookUp}.  Cancelling is waiting no longer.
        """
        if _is_address(host):
            return succeed([host])
        waiting = self._waiting.get(host)
        if waiting is None:
            thread = Thread(
                target=self._find, args=(host,), name=f"look-up {host}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError as error:  # there may be no more tasks (TasksMax, RLIMIT_NPROC)
                return fail(DNSLookupError(f"{host} can't be looked up: {error}"))
            # What it finds is told in this thread, so not before the next turn.
            waiting = self._waiting[host] = []
        waiter: Deferred[Sequence[str]] = Deferred(waiting.remove)
        waiting.append(waiter)
        return waiter

    def _find(self, host: str) -> None:
        """
        In the thread.
        """
        found: Sequence[str] = ()
        try:
            with suppress(OSError, UnicodeError):  # the latter of what can't be a name
                found = self.find(host)
        finally:
            self.reactor.callFromThread(self._found, host, found)

    def _found(self, host: str, found: Sequence[str]) -> None:
        waiting = self._waiting.pop(host)
        while waiting:
            waiter = waiting.pop()
            if found:
                waiter.callback(found)
            else:
                waiter.errback(DNSLookupError(f"{host} was not found"))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
