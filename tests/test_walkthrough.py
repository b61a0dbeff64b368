"""
What the papers show step by step is done, step by step.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from pathlib import Path
from uuid import uuid4

import psutil
from twisted.internet import defer, reactor
from twisted.internet.interfaces import IProcessTransport, IReactorTime
from twisted.trial.unittest import SkipTest, TestCase

from tests.support.certificates import pair
from tests.support.living import until
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


class ShellTestCase(TestCase):
    """
    The commands of a page, given to one shell, in a folder with the examples
    in it.  Only the ports are others: somebody may use those of the page.

    @ivar folder: It.
    @ivar ports: Those of the page, and which take their places.
    """

    timeout = 120
    pages_ports: tuple[str, ...]

    def setUp(self) -> None:
        """
        Start the shell.
        """
        if shutil.which("curl") is None or shutil.which("bash") is None:
            raise SkipTest("the walk-through needs curl and bash")
        self.folder = Path(self.mktemp())
        shutil.copytree(TREE / "examples", self.folder / "examples")
        free = map(str, free_ports(len(self.pages_ports)))
        self.ports = dict(zip(self.pages_ports, free, strict=True))
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
            path=str(self.folder),
            childFDs={0: "w", 1: "r", 2: "r"},
        )
        self.addCleanup(self.end_all)
        self.stdin.writeToChild(0, b"exec 2>&1\n")

    def end_all(self) -> None:
        """
        A test that failed leaves nothing.
        """
        for process in marked(self.mark):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

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
        self.shell.out = ""
        self.stdin.writeToChild(0, self.here(command).encode() + b"\n")
        await self.shows(shows)

    async def shows(self, pattern: str) -> None:
        """
        Wait until it shows something of a pattern.
        """
        shown = self.shell.has(pattern).addTimeout(60, IReactorTime(reactor))
        try:
            await shown
        except defer.TimeoutError:
            self.fail(f"there is no {pattern!r}, but {self.shell.out!r}")

    def here(self, text: str) -> str:
        """
        A text of the page, with our ports.
        """
        ports = re.compile("|".join(self.ports))
        return ports.sub(lambda found: self.ports[found[0]], text)

    async def ends(self) -> None:
        """
        Wait for all that the shell has started, and see that nothing is left.
        """
        self.stdin.writeToChild(0, b"wait; exit\n")
        await self.shell.ended
        await until(lambda: not marked(self.mark), "the end of daemons")


class ReadmeTests(ShellTestCase):
    """
    README.rst.
    """

    pages_ports = ("8080", "8000")

    async def test_readme(self) -> None:
        """
        Each step shows what it is said to, and nothing is left after the last.
        """
        listen, serve, create, status, look, kill, end = commands(TREE / "README.rst")[:7]
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
        await self.ends()


class TokenTests(ShellTestCase):
    """
    README.rst: beyond this machine, but for the distance.
    """

    pages_ports = ("8443",)

    async def test_token(self) -> None:
        """
        Who shows the token that was made is let in, and nobody else is.
        """
        asks, shows = commands(TREE / "README.rst")[7:]
        pair("localhost").write(self.folder / "cert.pem", self.folder / "key.pem")
        self.assertIn("--bind 0.0.0.0:8443", asks)
        await self.does(asks.replace("0.0.0.0", "127.0.0.1"), r"Listening on https://")
        self.assertIn("https://agent.example.org:8443/", shows)
        shows = shows.replace("agent.example.org", "localhost") + " -s --cacert cert.pem"
        await self.does(shows, r'^\{"processes": \[\]\}$')
        await self.does(shows.replace("$TOKEN", "another"), '"code": "unauthorized"')
        await self.does("kill %1", "")
        await self.ends()


class GafferdTests(ShellTestCase):
    """
    examples/gafferd/README.rst.
    """

    pages_ports = ("5000", "8000")

    async def test_gafferd(self) -> None:
        """
        gafferd's example does what its page says.
        """
        file = self.folder / "examples" / "gafferd" / "gaffer.ini"
        file.write_text(self.here(file.read_text()))
        shown = commands(TREE / "examples" / "gafferd" / "README.rst")
        check, start, listing, status, look, talk, up, down = shown[:8]
        reload, sink, hooks, more, daemon, end = shown[8:]
        await self.does("cd examples/gafferd", "")
        await self.does(check, "^gaffer.ini: OK: 2 processes, 1 endpoint$")
        await self.does(f"{start} &", r"Listening on http://127\.0\.0\.1:\d+$")
        await self.does(listing, '"slug": "default.echo.0"')
        self.assertIn('"slug": "default.dummy.0"', self.shell.out)
        # A reader of the page is not as fast as that.
        logs = "curl -s http://127.0.0.1:5000/process-logs/default.dummy.0"
        await self.does(f"until {logs} | grep line; do sleep 0.05; done", "^dummy: line 1$")
        await self.does(status, "^dummy: line 1$")
        self.assertIn('"state": "running"', self.shell.out)
        await self.does(look, "^dummy: line 1$")
        self.interrupt("attach.py")
        await self.does(talk, "^echo: hello$")
        await self.does(up, '"slug": "default.dummy.2"')
        await self.does(down, '"slug": "default.dummy.0"')
        self.assertNotIn('"slug": "default.dummy.1"', self.shell.out)
        await self.does(reload, '"restarted": *\\["default.echo.0"\\]')
        self.assertIn("redirect_output = out, err", file.read_text())
        await self.does(f"{sink} &", "listening on")
        await self.does(hooks, '"warnings": *\\[\\]')
        # The answer may come between what they write and the end of that line.
        await self.does(more, "/proc.dummy.spawn spawn default.dummy.1")
        await self.shows("/create create default.dummy.1")
        await self.does("kill -INT %1; kill %2; wait", "")
        await self.does(daemon, "Listening on")
        await self.does(end, "")
        await self.ends()
