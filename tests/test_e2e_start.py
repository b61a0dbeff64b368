"""
Where a real agent listens, what it says of that, and how a start fails.
"""

from __future__ import annotations

import os
import signal
import socket

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SkipTest

from tests.support.agent_process import AgentProcess, AgentTestCase, program
from tests.support.applications import application
from tests.support.told_to_root import beside_local_users

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
            self.assertRegex(beside_local_users(agent.err), rb"^\S+ Listening on \S+\n$")
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

    async def test_nothing_open(self) -> None:
        """
        Where standard input, output and error are closed, a start fails as it does
        where they are open, and nothing else gets their places.
        """
        closed = 'exec "$@" <&- >&- 2>&-'
        for options, code in ((("--bind", "8080"), 2), (("--version",), 0)):
            agent = self.spawn("/bin/sh", "-c", closed, "sh", program(ALONE[0]), *options)
            self.assertEqual(await agent.exit(), code)
            await agent.nothing_left()

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

    async def test_unwritable(self) -> None:
        """
        A pidfile or a log that can't be written is exit 1 and a line that names it, and
        the first agent's pidfile is its own.
        """
        nowhere = str(self.folder / "nowhere" / "pid")
        await self.fails(self.spawn_agent("--pidfile", nowhere), 1, nowhere)
        await self.fails(self.spawn_agent("--pidfile", nowhere, "--daemon"), 1, nowhere)
        (self.state / "agent.log").unlink()
        (self.state / "agent.log").mkdir()
        await self.fails(self.spawn_agent("--daemon"), 1, "agent.log")
        first, _ = await self.start("--pidfile", "pid")
        await self.fails(self.spawn_agent("--pidfile", "pid"), 1, str(first.pid))
        self.assertEqual(int((self.folder / "pid").read_text()), first.pid)

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
