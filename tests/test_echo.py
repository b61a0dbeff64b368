"""
Tests of L{smartmob.echo}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import SimpleQueue
from typing import cast

from attrs import define, field
from twisted.internet.interfaces import IReactorFromThreads
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.echo import Echo
from smartmob.lines.console import Console
from smartmob.lines.consoles import Consoles
from smartmob.process import Process

LIMIT = 30.0
"""Seconds after which a test has failed."""


@define(eq=False)
class Calls:
    """
    A reactor that a thread calls, and that does what it was asked for one at a time.
    """

    _asked: SimpleQueue[Callable[[], None]] = field(factory=SimpleQueue)

    def callFromThread(self, act: Callable[[], None]) -> None:
        """
        Keep it.
        """
        self._asked.put(act)

    def turn(self) -> None:
        """
        Wait for a call, and do it.
        """
        self._asked.get(timeout=LIMIT)()


@define
class Echoed:
    """
    As much of a process as is looked at.
    """

    slug: str
    console: Console


class EchoTests(SynchronousTestCase):
    """
    The lines of programs on standard output.
    """

    def setUp(self) -> None:
        """
        A process whose lines go to a pipe.
        """
        self.reactor = Calls()
        self.consoles = Consoles(epoch="e")
        self.console = self.consoles.open("myapp.web.0", State.RUNNING)
        self.read, written = os.pipe()
        self.out = os.fdopen(written, "wb", buffering=0)
        self.addCleanup(self.out.close)
        echo = Echo(cast(IReactorFromThreads, self.reactor), self.out)
        echo.watch(cast(Process, Echoed("myapp.web.0", self.console)))

    def test_lines(self) -> None:
        """Each line stands behind the slug, and is taken for no client's."""
        self.console.received("stdout", b"one\ntwo\n", 1)
        self.reactor.turn()
        self.console.received("stderr", b"three\n", 1)
        self.reactor.turn()
        said = os.read(self.read, 1000)
        os.close(self.read)
        self.assertEqual(
            said, b"".join(b"myapp.web.0 | %b\n" % s for s in (b"one", b"two", b"three"))
        )
        self.assertEqual(self.consoles.readers, 0)

    def test_nobodyReads(self) -> None:
        """When its reader is gone, nothing is kept for it, nor queued again."""
        os.close(self.read)
        self.console.received("stdout", b"one\n", 1)
        self.console.received("stdout", b"two\n", 1)
        self.assertGreater(self.consoles.queued, 0)
        self.reactor.turn()
        self.assertEqual(self.consoles.queued, 0)
        self.console.received("stdout", b"three\n", 1)
        self.assertEqual(self.consoles.queued, 0)
