"""
C{smartmob demo}, as a person uses it: a real agent, real programs, and nothing left.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psutil
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

MARK = "SMARTMOB_TEST_DEMO"
"""A variable that whatever a demo starts inherits, and is found by."""


class Watched(ProcessProtocol):
    """
    A command whose output can be waited for.

    @ivar ended: Fires with its exit code, or minus the signal that ended it.
    """

    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self.ended: Deferred[int] = Deferred()
        self._waiting: list[tuple[str, Deferred[None]]] = []

    def outReceived(self, data: bytes) -> None:
        """
        Part of its output.
        """
        self.out += data.decode()
        waiting, self._waiting = self._waiting, []
        for text, come in waiting:
            if text in self.out:
                come.callback(None)
            else:
                self._waiting.append((text, come))

    def errReceived(self, data: bytes) -> None:
        """
        Part of its complaints.
        """
        self.err += data.decode()

    def has(self, text: str) -> Deferred[None]:
        """
        Fires when C{text} has been written; fails when it can't be any more.
        """
        come: Deferred[None] = Deferred()
        self._waiting.append((text, come))
        self.outReceived(b"")
        return come

    def processEnded(self, reason: Failure) -> None:
        """
        It is gone.
        """
        for text, come in self._waiting:
            come.errback(AssertionError(f"no {text!r} in {self.out!r}, {self.err!r}"))
        code = 0
        if isinstance(reason.value, ProcessTerminated):
            code = -reason.value.signal if reason.value.signal else reason.value.exitCode
        self.ended.callback(code)


def marked(mark: str) -> list[psutil.Process]:
    """
    The processes that have a mark in their environment, and are more than a zombie.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue  # it has ended, or is another user's, and so none of ours
    return found


class DemoTests(TestCase):
    """
    The command, started in a process group of its own as a shell would.
    """

    timeout = 120

    def demo(self, *options: str) -> Watched:
        """
        Start it.
        """
        self.mark = uuid4().hex
        self.temporary = Path(self.mktemp()).absolute()
        self.temporary.mkdir()
        watched = Watched()
        code = "import os; os.setpgid(0, 0); from smartmob.client.cli import main; main()"
        self.program = reactor.spawnProcess(
            watched,
            sys.executable,
            [sys.executable, "-c", code, "demo", *options],
            env={**os.environ, MARK: self.mark, "TMPDIR": str(self.temporary), "PORT": "http"},
        )
        self.addCleanup(self.end_all)
        return watched

    def end_all(self) -> None:
        """
        A test that failed leaves nothing either.
        """
        for process in marked(self.mark):
            process.kill()

    def assert_nothing_left(self) -> None:
        """
        No process, no file.
        """
        self.assertEqual(marked(self.mark), [])
        self.assertEqual(list(self.temporary.iterdir()), [])

    async def test_seconds(self) -> None:
        """
        With --seconds it ends by itself, after lines of both processes, the one of
        a request that it made among them.
        """
        demo = self.demo("--seconds", "0.1")
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assertEqual(demo.err, "")
        self.assertIn("hello.web.0   | answering on http://127.0.0.1:", demo.out)
        self.assertIn('hello.web.0   | 127.0.0.1 "GET / HTTP/1.1" 200', demo.out)
        self.assertRegex(demo.out, r"\nhello.clock.0 \| \d\d:\d\d:\d\d\n")
        self.assertNotIn("\033", demo.out)
        self.assert_nothing_left()

    async def test_interrupt(self) -> None:
        """
        Ctrl-C, which a terminal sends to the whole group, ends it well.
        """
        demo = self.demo()
        await demo.has("hello.clock.0 | ")
        assert self.program.pid is not None
        os.killpg(self.program.pid, signal.SIGINT)
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assertEqual(demo.err, "")
        self.assert_nothing_left()

    async def test_interruptAtOnce(self) -> None:
        """
        So it does before there is anything to see.
        """
        demo = self.demo()
        await self.until(lambda: len(marked(self.mark)) > 1)
        assert self.program.pid is not None
        os.kill(self.program.pid, signal.SIGTERM)
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assert_nothing_left()

    async def test_killed(self) -> None:
        """
        When it is killed, what it started ends by itself.
        """
        demo = self.demo()
        await demo.has("hello.clock.0 | ")
        self.program.signalProcess("KILL")
        self.assertEqual(await demo.ended, -signal.SIGKILL)
        await self.until(lambda: not marked(self.mark))

    async def test_agentKilled(self) -> None:
        """
        When its agent is killed, it says so and fails, and nothing is left.
        """
        demo = self.demo()
        await demo.has("hello.clock.0 | ")
        [agent] = psutil.Process(self.program.pid).children()
        agent.kill()
        self.assertEqual(await demo.ended, 1)
        self.assertIn("smartmob: the agent ended badly, killed\n", demo.err)
        await self.until(lambda: not marked(self.mark))
        self.assertEqual(list(self.temporary.iterdir()), [])

    async def test_port(self) -> None:
        """
        The agent listens where it is told to.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        demo = self.demo("--port", str(port), "--seconds", "0")
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assertIn(f"agent    http://127.0.0.1:{port}/\n", demo.out)

    async def test_portTaken(self) -> None:
        """
        A port that is taken is a failure, told in one line.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            demo = self.demo("--port", str(port))
            self.assertEqual(await demo.ended, 1)
        self.assertEqual(demo.out, "")
        [line] = demo.err.splitlines()
        self.assertIn(f"127.0.0.1:{port}", line)
        self.assert_nothing_left()

    async def test_nobodyReads(self) -> None:
        """
        When what it writes to is closed, as by C{| head}, it ends.
        """
        demo = self.demo()
        await demo.has("hello.clock.0 | ")
        self.program.closeStdout()
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assert_nothing_left()

    async def until(self, true: Callable[[], bool]) -> None:
        """
        Wait for something that nobody tells.
        """
        while not true():
            await deferLater(reactor, 0.02)
