"""
The lines of all programs on the agent's own standard output: C{SLUG | LINE}.
"""

from __future__ import annotations

from collections.abc import Mapping
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from attrs import define, field, frozen
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from smartmob.broken_pipe import discard
from smartmob.lines.console import Wanted
from smartmob.lines.encodings import between
from smartmob.lines.readers import Ending, IReader, Subscription
from smartmob.lines.ring import Chunk
from smartmob.process import Process


@frozen
class Prefixed:
    """
    The format: see L{smartmob.lines.encodings.Encoding}.
    """

    slug: str
    told = True
    events = False

    def lines(self, chunk: Chunk) -> bytes:
        """
        All lines of the chunk.
        """
        return between(f"{self.slug} | ".encode(), chunk.data)

    def event(self, document: Mapping[str, object]) -> bytes:
        """
        That lines are missing.
        """
        return f"{self.slug} | ({document['missed']} lines were not read in time)\n".encode()


@define(eq=False, repr=False)
class Echo:
    """
    Writes to standard output from a thread of its own: who reads it may be slow,
    or never read, and the agent must not wait.
    """

    reactor: IReactorFromThreads
    out: BinaryIO
    _queue: SimpleQueue[tuple[bytes, Subscription]] = field(factory=SimpleQueue)
    _thread: Thread | None = None

    def watch(self, process: Process) -> None:
        """
        Write the lines of this process, too.
        """
        if self._thread is None:
            self._thread = Thread(target=self._write_all, name="echo", daemon=True)
            self._thread.start()
        echoed = _Echoed(self)
        echoed.subscription = process.console.attach(
            echoed, Wanted(), Prefixed(process.slug), own=True
        )
        echoed.subscription.resume()

    def write(self, data: bytes, subscription: Subscription) -> None:
        """
        Write this after all that came before, then let the next lines come.
        """
        self._queue.put((data, subscription))

    def _write_all(self) -> None:
        while True:
            data, subscription = self._queue.get()
            try:
                self.out.write(data)
                self.out.flush()
            except OSError as error:
                # Nobody reads any more; the agent goes on for those who attach, and
                # keeps nothing for this one.
                if isinstance(error, BrokenPipeError):
                    discard(self.out)
                self.reactor.callFromThread(subscription.detach)
            else:
                self.reactor.callFromThread(subscription.resume)


@implementer(IReader)
@define(eq=False, repr=False)
class _Echoed:
    """
    One process's lines on their way to standard output.
    """

    echo: Echo
    subscription: Subscription = field(init=False)

    def write(self, data: bytes) -> None:
        self.subscription.pause()
        self.echo.write(data, self.subscription)

    def ending(self, why: Ending) -> None:
        """
        Nothing to do: what is queued is written in any case.
        """

    def ended(self) -> None:
        """
        Nothing to let go of.
        """
