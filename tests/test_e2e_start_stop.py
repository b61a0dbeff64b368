"""
How a real agent starts, where it listens, how it fails, and how it ends.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SkipTest

from tests.support.agent_process import (
    PYTHON,
    AgentProcess,
    AgentTestCase,
    application,
    program,
    running,
    until,
)

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


def listener() -> socket.socket:
    """
    A socket that listens.
    """
    return socket.create_server(("127.0.0.1", 0))


def free_port() -> int:
    """
    A port that nobody listens on.
    """
    with listener() as taken:
        port: int = taken.getsockname()[1]
        return port


class ListeningTests(AgentTestCase):
    """
    Where an agent listens, and what it says of that.
    """

    async def links_lead_back(self, url: str, base: str | None = None) -> None:
        """
        The documents' links work, and begin as the agent can be reached.
        """
        remote = self.remote(url)
        archive = self.origin.serve("/app.tar.gz", application("web: exec sleep 1000"))
        created = await remote.create(archive)
        self.assertTrue(created["details"].startswith(f"{base or url}/"), created)
        same = await remote.get(created["details"])
        self.assertEqual(same["slug"], "app.web.0")

    async def test_ipv6(self) -> None:
        """
        On C{[::1]:0} the URLs have brackets and the port that was picked.
        """
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError as error:
            raise SkipTest(f"no IPv6 here: {error}") from None
        agent = self.spawn_agent(bind=["[::1]:0"])
        [url] = await agent.listens()
        self.assertRegex(url, r"^http://\[::1\]:[1-9]\d*$")
        await self.links_lead_back(url)

    async def test_unix(self) -> None:
        """
        On a unix socket nobody but the agent's user may connect, and the URL is its path.
        """
        path = self.folder / "socket"
        agent = self.spawn_agent(bind=[f"unix:{path}"])
        [url] = await agent.listens()
        self.assertEqual(url, f"unix:{path}")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        await self.links_lead_back(url, "http://localhost")

    async def test_dead_unix_socket(self) -> None:
        """
        A unix socket that a killed agent left is replaced, one that is alive is not.
        """
        bind = [f"unix:{self.folder}/socket"]
        first = self.spawn_agent(bind=bind)
        await first.listens()
        other = self.spawn_agent("--state-dir", str(self.folder / "other"), bind=bind)
        self.assertEqual(await other.exit(), 1)
        os.kill(first.pid, signal.SIGKILL)
        await first.nothing_left()
        second = self.spawn_agent(bind=bind)
        [url] = await second.listens()
        await self.remote(url).get("/version")

    async def test_inherited(self) -> None:
        """
        On a socket that was handed down, C{fd:3}, the URL is where that listens.
        """
        with listener() as handed:
            port = handed.getsockname()[1]
            agent = self.spawn_agent(bind=["fd:3"], descriptors={3: handed.fileno()})
            [url] = await agent.listens()
        self.assertEqual(url, f"http://127.0.0.1:{port}")
        await self.links_lead_back(url)

    async def test_two(self) -> None:
        """
        Each of two endpoints has its line, and its own URLs in the documents.
        """
        agent = self.spawn_agent(bind=["127.0.0.1:0", "localhost:0"])
        one, two = await agent.listens(2)
        self.assertRegex(one, r"^http://127\.0\.0\.1:[1-9]\d*$")
        self.assertRegex(two, r"^http://localhost:[1-9]\d*$")
        await self.links_lead_back(one)
        remote = self.remote(two.replace("localhost", "127.0.0.1"))
        same = await remote.get("/process-status/app.web.0")
        self.assertTrue(same["details"].startswith(remote.url))

    async def test_quiet(self) -> None:
        """
        Without -v an agent for which all goes well says where it listens, no more.
        """
        for command in (ALONE, ON_TWISTD, ON_TWIST):
            state = self.folder / command[0]
            agent = self.spawn(
                program(command[0]),
                *command[1:],
                *("--bind", "127.0.0.1:0", "--state-dir", str(state)),
            )
            [url] = await agent.listens()
            await self.links_lead_back(url)
            os.kill(agent.pid, signal.SIGTERM)
            self.assertEqual(await agent.exit(), 0)
            await agent.says_no_more()
            self.assertRegex(agent.err, rb"^\S+ Listening on \S+\n$")
            self.assertEqual(agent.out, b"")


class FailingTests(AgentTestCase):
    """
    A start that fails says why in one line, and leaves nothing.
    """

    async def fails(self, agent: AgentProcess, code: int, *words: str) -> None:
        """
        It ends so, with one line in which these words are.
        """
        self.assertEqual(await agent.exit(), code, agent.err)
        await agent.nothing_left()
        await agent.says_no_more()
        lines = agent.err.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        for word in words:
            self.assertIn(word, lines[0])

    async def test_port_taken(self) -> None:
        """
        Where one of two endpoints is taken, the other is closed, and no helper left;
        the same under every program.
        """
        with listener() as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            for command in (ALONE, ON_TWISTD, ON_TWIST):
                other = free_port()
                agent = self.spawn(
                    program(command[0]),
                    *command[1:],
                    *("--bind", f"127.0.0.1:{other}", "--bind", address),
                    *("--state-dir", str(self.state)),
                )
                await self.fails(agent, 1, address)
                listener_again = socket.create_server(("127.0.0.1", other))
                listener_again.close()

    async def test_folder_taken(self) -> None:
        """
        A second agent on one state folder ends, and the first does not care.
        """
        first, remote = await self.start()
        for command in (ALONE, ON_TWISTD, ON_TWIST):
            second = self.spawn(
                program(command[0]),
                *command[1:],
                *("--bind", "127.0.0.1:0", "--state-dir", str(self.state)),
            )
            await self.fails(second, 1, str(self.state), str(first.pid))
        await remote.get("/version")

    async def test_wrong_options(self) -> None:
        """
        A wrong option is exit 2 and a line that names it, under every program.
        """
        rows = [
            (("--bind", "8080"), "8080"),
            (("--bind", "localhost"), "localhost"),
            (("--bind", "127.0.0.1:99999"), "99999"),
            (("--bind", "fd:77"), "fd:77"),
            (("--backlog", "none"), "none"),
            (("--backlog", "0"), "backlog"),
            (("--log-format", "xml"), "xml"),
            (("--nonsense",), "nonsense"),
            (("unexpected",), "unexpected"),
        ]
        for row, (options, word) in enumerate(rows):
            # All of them under one program, and each program with one of every kind.
            commands = (ALONE,) if row % 4 else (ALONE, ON_TWISTD, ON_TWIST)
            agents = [
                self.spawn(program(command[0]), *command[1:], *options) for command in commands
            ]
            await gatherResults(
                [Deferred.fromCoroutine(self.fails(agent, 2, word)) for agent in agents]
            )

    async def test_reachable_by_others(self) -> None:
        """
        Listening beyond this machine is refused, naming the way out.
        """
        await self.fails(self.spawn_agent(bind=["0.0.0.0:0"]), 2, "--insecure")

    async def test_state_folder_is_a_file(self) -> None:
        """
        A state folder that can't be one is exit 1 and a line that names it.
        """
        self.state.write_bytes(b"")
        await self.fails(self.spawn_agent(), 1, str(self.state))


class EndingTests(AgentTestCase):
    """
    SIGTERM and SIGINT end the agent with all it started.
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
        Either signal ends the agent with exit code 0, and its programs before it.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
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
        agent, remote = await self.start()
        await remote.create(self.origin.serve("/a", application("web: exec sleep 1000")))
        before = await remote.state("app.web.0", "running")
        os.kill(agent.pid, signal.SIGHUP)
        await agent.hears(lambda: b"no configuration" in agent.err, "a warning")
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

    async def test_foreground_pidfile(self) -> None:
        """
        In the foreground a pidfile is written where one is asked for.
        """
        agent, _ = await self.start("--pidfile", str(self.folder / "agent.pid"))
        self.assertEqual(int((self.folder / "agent.pid").read_text()), agent.pid)
        os.kill(agent.pid, signal.SIGTERM)
        await agent.exit()
        self.assertFalse((self.folder / "agent.pid").exists())

    async def test_failing_daemon(self) -> None:
        """
        A daemon that can't start fails as in the foreground, before the command ends.
        """
        with listener() as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            command = self.spawn_agent("--daemon", bind=[address])
            self.assertEqual(await command.exit(), 1)
        await command.nothing_left()
        await command.says_no_more()
        lines = command.err.decode().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(address, lines[0])

    async def test_failing_twistd(self) -> None:
        """
        A twistd that daemonises says that it failed, with exit 1, and leaves nothing.
        """
        with listener() as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            command = self.spawn(
                *(program("twistd"), "--pidfile=twistd.pid", "--logfile=log", "smartmob"),
                *("--bind", address, "--state-dir", str(self.state)),
            )
            self.assertEqual(await command.exit(), 1)
        await command.nothing_left()

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
        An agent whose standard output nobody reads any more goes on.
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
