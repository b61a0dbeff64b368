"""
What the README shows step by step is done, step by step.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from uuid import uuid4

from twisted.internet import reactor
from twisted.internet.interfaces import IProcessTransport
from twisted.trial.unittest import SkipTest, TestCase

from tests.support.papers import TREE, commands
from tests.support.watched import MARK, Watched, marked


def free_ports(count: int) -> list[int]:
    """
    Ports that nobody listens on.
    """
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class WalkThroughTests(TestCase):
    """
    The commands of README.rst, given to one shell, in a folder with the examples
    in it.  Only the ports are others: somebody may use those of the page.
    """

    timeout = 120

    def setUp(self) -> None:
        """
        Start the shell.
        """
        if shutil.which("curl") is None or shutil.which("bash") is None:
            raise SkipTest("the walk-through needs curl and bash")
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "examples").symlink_to(TREE / "examples")
        agent, server = free_ports(2)
        self.ports = {"8080": str(agent), "8000": str(server)}
        self.mark = uuid4().hex
        self.shell = Watched()
        programs = str(Path(sys.executable).parent)
        self.stdin: IProcessTransport = reactor.spawnProcess(
            self.shell,
            "bash",
            ["bash"],
            env={
                **os.environ,
                MARK: self.mark,
                "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
                "PYTHONUNBUFFERED": "1",
            },
            path=str(folder),
            childFDs={0: "w", 1: "r", 2: "r"},
        )
        self.addCleanup(self.end_all)
        self.stdin.writeToChild(0, b"exec 2>&1\n")

    def end_all(self) -> None:
        """
        A test that failed leaves nothing.
        """
        for process in marked(self.mark):
            process.kill()

    async def test_readme(self) -> None:
        """
        Each step shows what it is said to, and nothing is left after the last.
        """
        listen, serve, create, status, look, kill, end = commands(TREE / "README.rst")
        self.assertEqual(listen, "smartmob-agent &")
        listen = "smartmob-agent --bind 127.0.0.1:8080 &"
        await self.does(listen, r"Listening on http://127\.0\.0\.1:")
        await self.does(serve, "Serving HTTP on")
        await self.does(create, '"slug": "hello.clock.0"')
        await self.does(status, '"state": "')
        self.assertIn("tail=3", look)
        await self.does(look, r"^\d\d:\d\d:\d\d$")
        self.interrupt("attach.py")
        await self.does(kill, '"restarts"')
        self.assertNotIn("Traceback", self.shell.out)
        await self.does(end, r"^\{\}")
        self.stdin.writeToChild(0, b"wait; exit\n")
        await self.shell.ended
        self.assertEqual(marked(self.mark), [])

    def interrupt(self, name: str) -> None:
        """
        Ctrl-C for the command that the shell waits for.
        """
        [command] = [each for each in marked(self.mark) if name in " ".join(each.cmdline())]
        command.send_signal(signal.SIGINT)

    async def does(self, command: str, shows: str) -> None:
        """
        Give the shell a command, and wait until it shows something of a pattern.
        """
        for port, free in self.ports.items():
            command = command.replace(port, free)
        self.shell.out = ""
        self.stdin.writeToChild(0, command.encode() + b"\n")
        await self.shell.has(shows)
