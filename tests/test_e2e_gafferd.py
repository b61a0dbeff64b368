"""
gafferd's command line and its documented file, with real agents.
"""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults

from tests.support.agent_process import AgentProcess, AgentTestCase, program
from tests.support.configuring import DOCUMENTED
from tests.support.living import running, until
from tests.support.papers import TREE
from tests.support.remote import Remote
from tests.support.told_to_root import beside_local_users

ON_TWISTD = ("twistd", "-n", "--pidfile=", "smartmob")
ON_TWIST = ("twist", "smartmob")
ALONE = ("smartmob-agent",)
ALL = (ALONE, ON_TWISTD, ON_TWIST)


def listens(log: Path) -> bool:
    """
    Whether an agent that logs to this file says that it listens.
    """
    return log.exists() and "Listening on" in log.read_text()


def said(log: bytes) -> list[str]:
    """
    The lines of a log, but for what root is told at each start.
    """
    return beside_local_users(log).decode().splitlines()


class GafferdTestCase(AgentTestCase):
    """
    Agents in a folder beside that of the example.

    @ivar example: A copy of the example.
    """

    def setUp(self) -> None:
        """
        Copy it.
        """
        super().setUp()
        self.example = self.folder / "gafferd"
        shutil.copytree(TREE / "examples" / "gafferd", self.example)

    def write(self, text: str, name: str = "gafferd/gaffer.ini") -> Path:
        """
        A file.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run_as(self, command: tuple[str, ...], *options: str) -> AgentProcess:
        """
        Start an agent by one of the programs.
        """
        return self.spawn(program(command[0]), *command[1:], *options)

    async def both_run(self, remote: Remote) -> None:
        """
        The example's programs run, write, and read.
        """
        listing = await remote.get("/list-processes")
        self.assertEqual(
            {each["slug"] for each in listing["processes"]},
            {"default.dummy.0", "default.echo.0"},
        )
        for name in ("dummy", "echo"):
            document = await remote.state(f"default.{name}.0", "running")
            self.assertEqual(
                (document["app"], document["process_type"], document["node"]),
                ("default", name, f"{name}.0"),
            )
        dummy = await remote.attach("default.dummy.0", tail=100)
        await dummy.line("dummy: line 1")
        echo = await remote.attach("default.echo.0", tail=100)
        await echo.line("echo: ready")
        await remote.post("/write-stdin/default.echo.0", {"data": "one\ntwo\n"})
        self.assertEqual(await echo.lines(2), ["echo: one", "echo: two"])
        await remote.post("/write-stdin/default.dummy.0", {"data": "x\n"}, 409)

    async def ends(self, agent: AgentProcess) -> None:
        """
        SIGTERM ends it, with all that it has started.
        """
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0, agent.err)
        self.assertEqual(agent.below(), [])


class ExampleTests(GafferdTestCase):
    """
    The file of gafferd's documentation.
    """

    def test_wordForWord(self) -> None:
        """
        The example's file is the documented one, and its programs can be executed.
        """
        self.assertEqual((self.example / "gaffer.ini").read_text(), DOCUMENTED)
        for name in ("dummy.py", "echo.py"):
            self.assertTrue(os.access(self.example / name, os.X_OK), name)

    async def test_config(self) -> None:
        """
        With -c it runs, started from another folder, and says nothing but where it listens.
        """
        agent = self.spawn_agent("-c", "gafferd/gaffer.ini")
        [url] = await agent.listens()
        await self.both_run(self.remote(url))
        await self.ends(agent)
        [line] = said(agent.err)
        self.assertRegex(line, r"^\S+ Listening on \S+$")

    async def test_argument(self) -> None:
        """
        As the argument it wins over -c; the file's endpoint is listened on, and everything
        is found in the folder that it is started in.
        """
        self.write(DOCUMENTED.replace(":5000", ":0"))
        agent = self.spawn(
            *("/bin/sh", "-c", 'cd gafferd && exec "$@"', "sh", program("smartmob-agent")),
            *("-c", "nowhere.ini", "gaffer.ini", "-v"),
        )
        [url] = await agent.listens()
        self.assertTrue(url.startswith("http://127.0.0.1:"), url)
        await self.both_run(self.remote(url))
        self.assertTrue((self.example / ".smartmob" / "lock").exists())
        await self.ends(agent)

    async def test_programs(self) -> None:
        """
        It runs under twistd and twist as it does alone.
        """
        for command in ALL:
            agent = self.run_as(
                command,
                *("--config", "gafferd/gaffer.ini", "--bind", "127.0.0.1:0"),
                *("--state-dir", str(self.folder / command[0])),
            )
            [url] = await agent.listens()
            await self.both_run(self.remote(url))
            await self.ends(agent)

    async def test_daemon(self) -> None:
        """
        In the background it runs too: paths start where they were given, the program's
        folder is the file's, and the pidfile and the log are where they are wished for.
        """
        command = self.spawn_agent("gafferd/gaffer.ini", "--daemon", "--pidfile", "agent.pid")
        self.assertEqual(await command.exit(), 0, command.err)
        pid = int((self.folder / "agent.pid").read_text())
        [line] = said((self.state / "agent.log").read_bytes())
        remote = self.remote(line.split("Listening on ")[1])
        await self.both_run(remote)
        document = await remote.get("/process-status/default.echo.0")
        self.assertEqual(Path(f"/proc/{document['pid']}/cwd").readlink(), self.example)
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not running([pid]), "the end of the daemon")
        self.assertEqual(command.below(), [])

    async def test_echoed(self) -> None:
        """
        With -vv the lines of its programs are on standard output.
        """
        agent = self.spawn_agent("-vv", "-c", "gafferd/gaffer.ini")
        await agent.hears(lambda: b"default.dummy.0 | dummy: line 1\n" in agent.out, "a line")
        await agent.hears(lambda: b"default.echo.0 | echo: ready\n" in agent.out, "another")


class OptionTests(GafferdTestCase):
    """
    Options that concern the file.
    """

    async def test_check(self) -> None:
        """
        --check says OK, or what is wrong, under every program, and leaves nothing.
        """
        before = sorted(self.folder.rglob("*"))
        for command in ALL:
            agent = self.run_as(command, "--check", "gafferd/gaffer.ini")
            self.assertEqual(await agent.exit(), 0, agent.err)
            await agent.says_no_more()
            self.assertEqual(agent.out, b"gafferd/gaffer.ini: OK: 2 processes, 1 endpoint\n")
            self.assertEqual(agent.err, b"")
        self.assertEqual(sorted(self.folder.rglob("*")), before)
        file = self.write(DOCUMENTED + "numprocesses = 2\n[process:a:b:c]\ncmd = \n")
        for command in ALL:
            agent = self.run_as(command, "--check", "gafferd/gaffer.ini")
            self.assertEqual(await agent.exit(), 2)
            await agent.says_no_more()
            self.assertEqual(agent.out, b"")
            lines = agent.err.decode().splitlines()
            self.assertGreater(len(lines), 1)
            for line in lines:
                self.assertTrue(line.startswith(f"{file}:"), line)

    async def test_mistake(self) -> None:
        """
        A mistake in the file is a line with its place, and exit 2, before anything starts.
        """
        file = self.write(DOCUMENTED.replace("redirect_input  = true", "redirect_input = aye"))
        line = file.read_text().splitlines().index("redirect_input = aye") + 1

        async def fails(agent: AgentProcess) -> None:
            self.assertEqual(await agent.exit(), 2, agent.err)
            await agent.says_no_more()
            [said] = agent.err.decode().splitlines()
            self.assertIn(f"{file}:{line}: [process:echo] redirect_input: ", said)
            self.assertEqual(agent.out, b"")

        agents = [self.run_as(command, "-c", "gafferd/gaffer.ini") for command in ALL]
        agents.append(self.run_as(ALONE, "--daemon", "gafferd/gaffer.ini"))
        agents.append(self.run_as(("twistd", "--pidfile=", "smartmob"), "gafferd/gaffer.ini"))
        await gatherResults([Deferred.fromCoroutine(fails(agent)) for agent in agents])
        self.assertEqual(os.listdir(self.folder), ["gafferd"])

    async def test_warning(self) -> None:
        """
        What is odd in a file is logged without -v, under every program.
        """
        self.write(DOCUMENTED + "colour = red\n")
        for command in ALL:
            agent = self.run_as(
                command,
                *("gafferd/gaffer.ini", "--bind", "127.0.0.1:0"),
                *("--state-dir", str(self.folder / command[0])),
            )
            await agent.listens()
            warning, _ = said(agent.err)
            self.assertRegex(warning, r"^\S+ warn: .*gaffer\.ini:\d+: .*colour")
            await self.ends(agent)

    async def test_pidfile(self) -> None:
        """
        The file may name the pidfile; that of the command line wins.
        """
        self.write(DOCUMENTED.replace("[gaffer]", "[gaffer]\npidfile = agent.pid"))
        agent = self.spawn_agent("gafferd/gaffer.ini")
        await agent.listens()
        self.assertEqual(int((self.example / "agent.pid").read_text()), agent.pid)
        await self.ends(agent)
        self.assertFalse((self.example / "agent.pid").exists())
        agent = self.spawn_agent("gafferd/gaffer.ini", "--pidfile", "other.pid")
        await agent.listens()
        self.assertEqual(int((self.folder / "other.pid").read_text()), agent.pid)
        self.assertFalse((self.example / "agent.pid").exists())

    async def test_endpoints(self) -> None:
        """
        --bind takes the place of all endpoints of the file.
        """
        self.write(
            DOCUMENTED.replace("= public", "= public, other").replace(":5000", ":0")
            + "[endpoint:other]\nbind = unix:socket\n"
        )
        agent = self.spawn_agent("gafferd/gaffer.ini", bind=())
        urls = await agent.listens(2)
        self.assertEqual(urls[1], f"unix:{self.example}/socket")
        await self.ends(agent)
        agent = self.spawn_agent("gafferd/gaffer.ini", bind=["127.0.0.1:0"])
        await agent.listens()
        self.assertFalse((self.example / "socket").exists())
        await self.ends(agent)
        self.assertEqual(agent.err.count(b"Listening on"), 1)

    async def test_logFile(self) -> None:
        """
        The log can be a file, opened anew at SIGHUP, under every program, also inside the
        state folder.
        """
        for command in ALL:
            state = self.folder / command[0]
            log = state / "the.log"
            agent = self.run_as(
                command,
                *("gafferd/gaffer.ini", "--bind", "127.0.0.1:0"),
                *("--state-dir", str(state), "--log-file", str(log)),
            )
            await until(partial(listens, log), "a URL in the log")
            moved = log.rename(state / "the.log.1")
            os.kill(agent.pid, signal.SIGHUP)
            await until(log.exists, "a log again")
            await self.ends(agent)
            self.assertEqual(log.stat().st_mode & 0o777, 0o600)
            self.assertEqual(moved.read_text().count("Listening on"), 1)
            self.assertEqual((agent.out, agent.err), (b"", b""))

    async def test_daemonLog(self) -> None:
        """
        A daemon's log is opened anew, too: the one in the state folder, and one that a
        twistd was told.
        """
        own = self.state / "agent.log"
        named = self.folder / "the.log"
        for log, words in (
            (own, ("smartmob-agent", "--daemon", "--pidfile", "agent.pid")),
            (
                named,
                ("twistd", "--pidfile=agent.pid", "smartmob", "--log-file", "the.log"),
            ),
        ):
            command = self.run_as(
                words,
                *("gafferd/gaffer.ini", "--bind", "127.0.0.1:0"),
                *("--state-dir", str(self.state)),
            )
            self.assertEqual(await command.exit(), 0, command.err)
            await until(partial(listens, log), "a URL in the log")
            pid = int((self.folder / "agent.pid").read_text())
            log.rename(f"{log}.1")
            os.kill(pid, signal.SIGHUP)
            await until(log.exists, "a log again")
            os.kill(pid, signal.SIGTERM)
            await command.nothing_left()
            self.assertFalse((self.folder / "twistd.log").exists())

    async def test_unwritableLog(self) -> None:
        """
        A log file that can't be written is exit 1 and a line that names it.
        """
        for command in ALL:
            agent = self.run_as(
                command,
                *("--bind", "127.0.0.1:0", "--log-file", "nowhere/log"),
                *("--state-dir", str(self.folder / command[0])),
            )
            self.assertEqual(await agent.exit(), 1)
            await agent.says_no_more()
            [line] = agent.err.decode().splitlines()
            self.assertIn(str(self.folder / "nowhere" / "log"), line)

    async def test_plugins(self) -> None:
        """
        -p names a folder of plugins, which starts where the command was given.
        """
        self.write("<p>hello</p>", "plugins/hello/_site/index.html")
        agent = self.spawn_agent("-c", "gafferd/gaffer.ini", "-p", "plugins/")
        [url] = await agent.listens()
        answer = await self.remote(url).ask("GET", "/_plugin/hello/")
        self.assertEqual((answer.status, answer.body), (200, b"<p>hello</p>"))
