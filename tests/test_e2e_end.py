"""
Signals, daemons, and what an agent says of what it does.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from tests.support.agent_process import AgentProcess, AgentTestCase, program
from tests.support.applications import PYTHON, application, archive
from tests.support.living import running, until

DEAF = """
import os, signal
for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
print("deaf", os.getpid())
while True:
    signal.pause()
"""

ON_TWISTD = ("twistd", "-n", "--pidfile=", "smartmob")
ON_TWIST = ("twist", "smartmob")
ALONE = ("smartmob-agent",)


class EndingTests(AgentTestCase):
    """
    SIGTERM, SIGINT and SIGQUIT end the agent with all it started.
    """

    async def deaf(
        self, *options: str, number: int = 1, grace: float
    ) -> tuple[AgentProcess, list[int]]:
        """
        An agent with programs that ignore TERM.
        """
        agent, remote = await self.start(*options)
        url = self.origin.serve("/a", application(f"web: {PYTHON} main.py", main=DEAF))
        pids = []
        for each in range(number):
            await remote.create(url, f"web.{each}", graceful_timeout=grace)
        for each in range(number):
            console = await remote.attach(f"app.web.{each}", tail=10)
            pids.append(int((await console.line("deaf ")).split()[1]))
        return agent, pids

    async def test_signals(self) -> None:
        """
        Any of the signals ends the agent with exit code 0, and its programs before it.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            for command in (ALONE, ON_TWISTD, ON_TWIST):
                state = self.folder / f"{command[0]}{number}"
                agent = self.spawn(
                    program(command[0]),
                    *command[1:],
                    *("--bind", "127.0.0.1:0", "--state-dir", str(state)),
                )
                [url] = await agent.listens()
                remote = self.remote(url)
                source = self.origin.serve("/a", application("web: echo up; sleep 1000"))
                await remote.create(source)
                console = await remote.attach(tail=1)
                await console.line("up")
                os.kill(agent.pid, number)
                self.assertEqual((await console.closed)[0], 1001)
                self.assertEqual(await agent.exit(), 0, agent.err)
                self.assertEqual(agent.below(), [])
                await remote.close()

    async def test_second_signal(self) -> None:
        """
        A second signal kills what still uses its grace, exit 0 too.
        """
        agent, [pid] = await self.deaf("-v", grace=3000)
        os.kill(agent.pid, signal.SIGTERM)
        await agent.hears(lambda: b"app.web.0 stopping" in agent.err, "stopping")
        self.assertEqual(running([pid]), [pid])
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertEqual(agent.below(), [])

    async def test_one_grace_for_all(self) -> None:
        """
        Twenty programs that ignore TERM use one grace together, not one each.
        """
        agent, pids = await self.deaf(number=20, grace=2)
        start = time.monotonic()
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        took = time.monotonic() - start
        self.assertEqual(running(pids), [])
        self.assertEqual(agent.below(), [])
        self.assertGreaterEqual(took, 2)
        self.assertLess(took, 20)

    async def test_sources_under_way(self) -> None:
        """
        What is being downloaded or unpacked is abandoned, and leaves nothing but a record.
        """
        agent, remote = await self.start()
        drips = self.origin.script(
            "/drips",
            lambda exchange: exchange.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x" * 1000
            ),
        )
        many = self.origin.serve("/many", archive({str(n): "" for n in range(20_000)}))
        await remote.create(drips, "drips")
        await remote.create(many, "many")
        await remote.state("app.drips", "downloading")
        await until(lambda: len(self.files()) > 100, "some files")
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0, agent.err)
        self.assertEqual(agent.below(), [])
        self.assertEqual(self.files(), ["processes/app.drips.json", "processes/app.many.json"])

    async def test_no_new_work(self) -> None:
        """
        While it ends, an agent takes no connection.
        """
        agent, _ = await self.deaf("-v", grace=3000)
        [url] = await agent.listens()
        os.kill(agent.pid, signal.SIGTERM)
        await agent.hears(lambda: b"app.web.0 stopping" in agent.err, "stopping")
        port = int(url.rpartition(":")[2])
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        os.kill(agent.pid, signal.SIGTERM)
        await agent.exit()


class SignalTests(AgentTestCase):
    """
    Other signals.
    """

    async def test_hup(self) -> None:
        """
        SIGHUP does no harm to an agent without a configuration.
        """
        agent, remote = await self.start("-v")
        await remote.create(self.origin.serve("/a", application("web: exec sleep 1000")))
        before = await remote.state("app.web.0", "running")
        os.kill(agent.pid, signal.SIGHUP)
        await agent.hears(lambda: b"reloaded: 0 started" in agent.err, "reloaded")
        self.assertEqual(await remote.get("/process-status/app.web.0"), before)

    async def test_group_interrupted(self) -> None:
        """
        Ctrl-C, which a terminal sends to all of the agent's group, stops programs with
        their own signal.
        """
        agent = self.spawn(
            *("setsid", program("smartmob-agent"), "--bind", "127.0.0.1:0"),
            *("--state-dir", str(self.state)),
        )
        [url] = await agent.listens()
        remote = self.remote(url)
        script = "web: trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done"
        await remote.create(self.origin.serve("/a", application(script)))
        console = await remote.attach(format="json", tail=1)
        await console.logged("up")
        os.killpg(agent.pid, signal.SIGINT)
        await console.logged("asked")
        exited = await console.event("exited")
        self.assertEqual((exited["code"], exited["signal"]), (0, None))
        self.assertEqual(await agent.exit(), 0)
        self.assertEqual(agent.below(), [])


class DaemonTests(AgentTestCase):
    """
    C{--daemon} and C{--pidfile}.
    """

    async def test_daemon(self) -> None:
        """
        The command ends with 0 when the daemon listens; its pidfile says who it is,
        and is gone with it.
        """
        pidfile = self.folder / "agent.pid"
        command = self.spawn_agent("--daemon", "--pidfile", "agent.pid")
        self.assertEqual(await command.exit(), 0, command.err)
        await command.says_no_more()
        pid = int(pidfile.read_text())
        self.assertIn(pid, command.below())
        self.assertEqual(Path(f"/proc/{pid}/cwd").readlink(), Path("/"))
        for path, mode in ((".", 0o700), ("agent.log", 0o600), ("lock", 0o600)):
            self.assertEqual((self.state / path).stat().st_mode & 0o777, mode)
        [url] = await self.logged_urls(self.state / "agent.log")
        archive = self.origin.serve("/a", application("web: echo up; sleep 1000"))
        remote = self.remote(url)
        await remote.create(archive)
        console = await remote.attach(tail=1)
        await console.line("up")
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not running([pid]), "end of the daemon")
        self.assertEqual(command.below(), [])
        self.assertFalse(pidfile.exists())

    async def test_relative_paths(self) -> None:
        """
        Relative paths start where the command was given, though a daemon leaves there.
        """
        command = self.spawn(
            *(program("smartmob-agent"), "--daemon", "--pidfile", "agent.pid"),
            *("--bind", "unix:socket", "--state-dir", "here"),
        )
        self.assertEqual(await command.exit(), 0, command.err)
        self.assertIn(int((self.folder / "agent.pid").read_text()), command.below())
        self.assertTrue((self.folder / "here").is_dir())
        await self.remote(f"unix:{self.folder}/socket").get("/version")

    async def test_twistd(self) -> None:
        """
        A twistd that has gone to the background ends at SIGTERM with all it started, and
        its pidfile with it.
        """
        pidfile = self.folder / "twistd.pid"
        command = self.spawn(
            *(program("twistd"), "--pidfile=twistd.pid", "--logfile=log", "smartmob"),
            *("--bind", "unix:socket", "--state-dir", "here"),
        )
        self.assertEqual(await command.exit(), 0, command.err)
        await self.logged_urls(self.folder / "log")
        remote = self.remote(f"unix:{self.folder}/socket")
        await remote.create(self.origin.serve("/a", application("web: exec sleep 1000")))
        await remote.state("app.web.0", "running")
        pid = int(pidfile.read_text())
        os.kill(pid, signal.SIGTERM)
        await until(lambda: not running([pid]), "end of the daemon")
        self.assertEqual(command.below(), [])
        self.assertFalse(pidfile.exists())

    async def test_pidfile_taken(self) -> None:
        """
        The pidfile of an agent that runs is no other's; one that was left behind is.
        """
        pidfile = self.folder / "agent.pid"
        pidfile.write_text("1\n")
        agent, _ = await self.start("--pidfile", str(pidfile))
        second = self.spawn(
            *(program("smartmob-agent"), "--bind", "127.0.0.1:0"),
            *("--pidfile", str(pidfile), "--state-dir", str(self.folder / "other")),
        )
        self.assertEqual(await second.exit(), 1)
        self.assertIn(f"pid {agent.pid}", second.err.decode())
        self.assertEqual(int(pidfile.read_text()), agent.pid)

    async def test_foreground_pidfile(self) -> None:
        """
        In the foreground a pidfile is written where one is asked for.
        """
        agent, _ = await self.start("--pidfile", str(self.folder / "agent.pid"))
        self.assertEqual(int((self.folder / "agent.pid").read_text()), agent.pid)
        os.kill(agent.pid, signal.SIGTERM)
        await agent.exit()
        self.assertFalse((self.folder / "agent.pid").exists())

    async def logged_urls(self, log: Path) -> list[str]:
        """
        Where a daemon listens.
        """
        await until(lambda: log.exists() and "Listening on" in log.read_text(), "a URL")
        return [
            line.split("Listening on ")[1]
            for line in log.read_text().splitlines()
            if "Listening on " in line
        ]


class EchoTests(AgentTestCase):
    """
    -v and -vv.
    """

    async def test_lines_on_stdout(self) -> None:
        """
        With -vv the lines of all programs are on standard output, with their slugs.
        """
        agent, remote = await self.start("-vv")
        url = self.origin.serve("/a", application("web: echo one; echo two >&2; sleep 1000"))
        await remote.create(url, "web.0")
        await remote.create(url, "web.1")
        expected = {f"app.web.{n} | {word}" for n in (0, 1) for word in ("one", "two")}
        await agent.hears(
            lambda: expected <= set(agent.out.decode().splitlines()), "lines of programs"
        )

    async def test_nobody_reads_stdout(self) -> None:
        """
        An agent whose standard output nobody reads any more goes on, and ends well.
        """
        agent, remote = await self.start("-vv")
        source = application("web: echo one; read x; echo two; exec sleep 1000")
        await remote.create(self.origin.serve("/a", source), redirect_input=True)
        await agent.hears(lambda: b"app.web.0 | one" in agent.out, "a line")
        agent.stop_hearing(1)
        console = await remote.attach()
        await remote.post("/write-stdin/app.web.0", {"data": "go\n"})
        await console.line("two")
        await remote.post("/restart-process/app.web.0")
        await console.line("one")
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)

    async def test_nobody_reads_stderr(self) -> None:
        """
        An agent whose log nobody reads any more goes on, and ends well.
        """
        agent, remote = await self.start("-v")
        agent.stop_hearing(2)
        source = application("web: echo one; exec sleep 1000")
        await remote.create(self.origin.serve("/a", source))
        console = await remote.attach(tail=1)
        await console.line("one")
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)

    async def test_news_on_stderr(self) -> None:
        """
        With -v what happens to processes is told, and their lines are not.
        """
        agent, remote = await self.start("-v")
        url = self.origin.serve("/a", application("web: echo one; sleep 1000"))
        await remote.create(url)
        console = await remote.attach(tail=1)
        await console.line("one")
        await remote.post("/delete-process/app.web.0")
        await agent.hears(lambda: b"app.web.0 stopping" in agent.err, "stopping")
        self.assertIn(b"app.web.0 running", agent.err)
        self.assertEqual(agent.out, b"")
