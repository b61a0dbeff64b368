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
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.support.told_to_root import beside_local_users
from tests.support.watched import MARK, Watched, marked


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
        self.assertEqual(beside_local_users(demo.err.encode()), b"")
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
        await demo.has(r"hello\.clock\.0 \| ")
        assert self.program.pid is not None
        os.killpg(self.program.pid, signal.SIGINT)
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assertEqual(beside_local_users(demo.err.encode()), b"")
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
        await demo.has(r"hello\.clock\.0 \| ")
        self.program.signalProcess("KILL")
        self.assertEqual(await demo.ended, -signal.SIGKILL)
        await self.until(lambda: not marked(self.mark))

    async def test_agentKilled(self) -> None:
        """
        When its agent is killed, it says so and fails, and nothing is left.
        """
        demo = self.demo()
        await demo.has(r"hello\.clock\.0 \| ")
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
        await demo.has(r"hello\.clock\.0 \| ")
        self.program.closeStdout()
        self.assertEqual(await demo.ended, 0, demo.err)
        self.assert_nothing_left()

    async def until(self, true: Callable[[], bool]) -> None:
        """
        Wait for something that nobody tells.
        """
        while not true():
            await deferLater(reactor, 0.02)
