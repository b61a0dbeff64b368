"""
Real agents that ask who somebody is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from smartmob.tokens import hashed
from tests.support.agent_process import AgentProcess, AgentTestCase, program
from tests.support.applications import PYTHON, application
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.console_client import PATIENCE
from tests.support.remote import Remote
from tests.support.users import another_user

reactor: Any = installed_reactor

ADA, BOB, EVE = (f"{name}-token-of-good-length" for name in ("ada", "bob", "eve"))

LISTENS = re.compile(rb'Listening on ([^\s"]+)["\s]')
"""In a log of any format."""

TELLER = """
import json, os, sys
print(json.dumps(dict(os.environ)), flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
"""
"""A program that tells its environment, and then what it is told."""

POSTER = """
import os, urllib.error, urllib.request
for method, path in (
    ("GET", "/ping"),
    ("GET", "/list-processes"),
    ("POST", "/start-process/app.web.0"),
):
    request = urllib.request.Request(os.environ["AGENT"] + path, method=method)
    try:
        print(method, urllib.request.urlopen(request, timeout=60).status)
    except urllib.error.HTTPError as error:
        print(method, error.code)
"""
"""A program that asks the agent that it runs under."""


@implementer(IPullProducer)
class Raw(Protocol):
    """
    A connection on which bytes are written by hand.

    @ivar data: What came.
    @ivar answered: Fires with the first of it.
    @ivar flooded: Bytes that were sent for the sake of their number.
    """

    def __init__(self) -> None:
        self.data = b""
        self.flooded = 0
        self.answered: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        More of it.
        """
        self.data += data
        if not self.answered.called:
            self.answered.callback(None)

    def flood(self) -> None:
        """
        Send for as long as the other end takes it.
        """
        cast(Any, self.transport).registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        What was sent has been taken.
        """
        self.flooded += 1 << 16
        cast(Any, self.transport).write(b"x" * (1 << 16))

    def stopProducing(self) -> None:
        """
        It is over.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        self.lost.callback(None)

    def write(self, text: str) -> None:
        """
        Send it.
        """
        cast(Any, self.transport).write(text.encode())

    def hang_up(self) -> Deferred[None] | None:
        """
        End it.
        """
        if self.lost.called:
            return None
        cast(Any, self.transport).abortConnection()
        return self.lost


class TokensCase(ConfiguredTestCase):
    """
    An agent with a file of tokens.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tokens = self.folder / "tokens"

    def allow(self, *lines: str, mode: int = 0o600) -> None:
        """
        Have the file of tokens say this.
        """
        self.tokens.write_text("".join(f"{line}\n" for line in lines))
        self.tokens.chmod(mode)

    async def asking(self, *more: str, **options: Any) -> tuple[AgentProcess, str]:
        """
        An agent that asks for tokens, and its URL.
        """
        words = ("--token-file", str(self.tokens), *more)
        process = self.spawn_agent("-v", *words, **options)
        await process.hears(lambda: LISTENS.search(process.err), "Listening on")
        found = LISTENS.search(process.err)
        assert found is not None
        return process, found[1].decode()

    async def reloaded(self, agent: AgentProcess, said: bytes = b" reloaded: ") -> None:
        """
        Have the files read again, and wait until it says what came of that.
        """
        before = agent.err.count(said)
        os.kill(agent.pid, signal.SIGHUP)
        await agent.hears(lambda: agent.err.count(said) > before, repr(said))

    async def teller(self, remote: Remote, node: str = "web.0", **more: object) -> None:
        """
        Have a program run that tells what it is told.
        """
        content = application(f"web: {PYTHON} main.py\n", main=TELLER)
        url = self.origin.serve(f"/{node}.tar.gz", content)
        await remote.create(url, node, redirect_input=True, **more)
        console = await remote.attach(f"app.{node}", tail=1)
        await console.line("{")  # it runs, and has told its environment
        await console.leave()

    async def raw(self, url: str, head: str) -> Raw:
        """
        A connection on which a request was begun.
        """
        host, _, port = urlsplit(url).netloc.rpartition(":")
        endpoint = TCP4ClientEndpoint(reactor, host, int(port))
        raw: Raw = await connectProtocol(endpoint, Raw())
        self.addCleanup(raw.hang_up)
        raw.write(head.replace("\n", "\r\n"))
        return raw

    async def status(
        self, remote: Remote, path: str = "/list-processes", **headers: str
    ) -> int:
        """
        The status of an answer.
        """
        return (await remote.ask("GET", path, None, headers)).status


class StartTests(AgentTestCase):
    """
    An agent that is started with a file of tokens.
    """

    def setUp(self) -> None:
        super().setUp()
        self.tokens = self.folder / "tokens"

    async def refused(self, *options: str, **more: Any) -> str:
        """
        The one line that an agent says which does not start.
        """
        agent = self.spawn_agent(*options, **more)
        self.assertEqual(await agent.exit(), 2, agent.err)
        await agent.says_no_more()
        self.assertEqual((agent.out, agent.err.count(b"\n")), (b"", 1), agent.err)
        return agent.err.decode()

    async def test_new(self) -> None:
        """What the client makes is what the agent takes, from where it was started."""
        made = self.spawn(program("smartmob"), "token", "new", "--to", "tokens", "--hashed")
        self.assertEqual(await made.exit(), 0)
        await made.says_no_more()
        token = made.out.decode().strip()
        _, remote = await self.start("--token-file", "tokens")
        self.assertEqual((await remote.ask("GET", "/")).status, 401)
        remote.token = token
        self.assertEqual((await remote.ask("GET", "/plugins")).status, 200)

    async def test_bad(self) -> None:
        """A file that can't be used keeps the agent from starting, in one line."""
        for text, mode, said in (
            (None, 0, "can't be read: No such file or directory"),
            (ADA, 0o640, "can be read by others"),
            (ADA, 0o604, "can be read by others"),
            (ADA, 0o620, "can be written by others"),
            (f"{ADA} reed\nshort\n", 0o600, "(and 1 more: --check shows all)"),
        ):
            if text is not None:
                self.tokens.write_text(text)
                self.tokens.chmod(mode)
            error = await self.refused("--token-file", str(self.tokens))
            self.assertIn(str(self.tokens), error)
            self.assertIn(said, error)
            self.assertNotIn(ADA, error)
            self.assertFalse(self.state.exists())

    async def test_check(self) -> None:
        """--check shows all that is wrong with it, and no token."""
        self.tokens.write_text(f"{ADA} reed\n\nshort\n{BOB} read a/b\n")
        self.tokens.chmod(0o600)
        agent = self.spawn_agent("--token-file", "tokens", "--check")
        self.assertEqual(await agent.exit(), 2)
        await agent.says_no_more()
        places = re.findall(r"^(\S+): has ", agent.err.decode(), re.MULTILINE)
        self.assertEqual(places, [f"{self.tokens}:{line}" for line in (1, 3, 4)], agent.err)
        for word in (ADA, BOB, "reed", "short\n"):
            self.assertNotIn(word.encode(), agent.err)

    async def test_beyond(self) -> None:
        """Beyond loopback it listens with tokens, and else says what would be needed."""
        bind = ["0.0.0.0:0"]
        for more in ((), ("--check",)):
            error = await self.refused(*more, bind=bind)
            self.assertIn("--token-file", error)
            self.assertIn("--insecure", error)
        self.tokens.write_text(f"{ADA}\n")
        self.tokens.chmod(0o600)
        checked = self.spawn_agent("--token-file", "tokens", "--check", bind=bind)
        self.assertEqual(await checked.exit(), 0, checked.err)
        agent = self.spawn_agent("--token-file", "tokens", bind=bind)
        [url] = await agent.listens()
        port = urlsplit(url).port
        remote = self.remote(f"http://127.0.0.1:{port}", ADA)
        self.assertEqual((await remote.ask("GET", "/")).status, 200)

    async def test_localUsers(self) -> None:
        """With tokens nobody is warned that local users may act."""
        self.tokens.write_text(f"{ADA}\n")
        self.tokens.chmod(0o600)
        agent, _ = await self.start("--token-file", "tokens")
        self.assertNotIn(b"every local user", agent.err)
        if os.geteuid() == 0:
            other = self.spawn_agent("--state-dir", str(self.folder / "other"))
            await other.hears(lambda: b"every local user can act" in other.err, "warning")

    async def test_empty(self) -> None:
        """A file without tokens is odd, and lets nobody in."""
        self.tokens.write_text("# nobody yet\n")
        self.tokens.chmod(0o600)
        agent, remote = await self.start("--token-file", "tokens")
        self.assertIn(b"has no token, so nobody can use the agent", agent.err)
        self.assertEqual((await remote.ask("GET", "/")).status, 401)

    async def test_credential(self) -> None:
        """
        Below $CREDENTIALS_DIRECTORY the service manager sees to it who can read it.
        """
        self.tokens.write_text(f"{ADA}\n")
        self.tokens.chmod(0o444)
        directory = {"CREDENTIALS_DIRECTORY": str(self.folder)}
        _, remote = await self.start("--token-file", str(self.tokens), env=directory)
        remote.token = ADA
        self.assertEqual((await remote.ask("GET", "/")).status, 200)

    async def test_users(self) -> None:
        """On a unix socket a user of unix_users needs no token, and anybody else does."""
        self.tokens.write_text(f"{ADA}\n")
        self.tokens.chmod(0o600)
        another = "root" if os.geteuid() else "nobody"
        for users, status in ((f"{os.geteuid()}", 200), (another, 401)):
            file = self.folder / "agent.ini"
            file.write_text(f"[smartmob]\ntoken_file = tokens\nunix_users = {users}\n")
            where = f"unix:{self.folder}/{users}.socket"
            self.state = self.folder / f"state-{users}"
            _, remote = await self.start("-c", str(file), bind=[where])
            self.assertEqual((await remote.ask("GET", "/plugins")).status, status)

    async def test_anotherUser(self) -> None:
        """Who connected is who counts, on a socket that everybody may connect to."""
        nobody = another_user()
        self.tokens.write_text(f"{ADA}\n")
        self.tokens.chmod(0o600)
        self.folder.chmod(0o755)
        (self.folder / "agent.ini").write_text(
            f"[smartmob]\ntoken_file = tokens\nunix_users = {nobody.name}\n"
        )
        await self.start("-c", "agent.ini", bind=[f"unix:{self.folder}/socket:mode=666"])
        remote = self.remote(f"unix:{self.folder}/socket")
        self.assertEqual((await remote.ask("GET", "/plugins")).status, 401)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            os.seteuid(nobody.uid)
            try:
                client.connect(f"{self.folder}/socket")
            finally:
                os.seteuid(0)
            client.sendall(b"GET /plugins HTTP/1.0\r\nHost: any\r\n\r\n")
            self.assertRegex(client.recv(100), rb"\AHTTP/1\.[01] 200 ")


class TakenTests(TokensCase):
    """
    Tokens that are taken from the file.
    """

    async def test_open(self) -> None:
        """
        What is open to one that is gone ends: WebSockets with 1008, streams and uploads are
        cut; the next request of a connection is refused, and cookies and tickets count no
        more.  All that is open to another one goes on.
        """
        self.allow(f"{ADA} admin * ada", f"{hashed(BOB)} admin * bob")
        agent, url = await self.asking()
        ada, bob = self.remote(url, ADA), self.remote(url, BOB)
        await self.teller(bob)
        path = "/process-logs/app.web.0?follow=1"
        sockets, streams, uploads, cookies, tickets = {}, {}, {}, {}, {}
        for remote in (ada, bob):
            sockets[remote] = [
                await remote.attach(stdin=1),
                await remote.attach_app(),
                await remote.events(),
            ]
            streams[remote] = [await remote.follow("/events"), await remote.follow(path)]
            uploads[remote] = await self.raw(
                url,
                f"PUT /archives HTTP/1.1\nHost: {urlsplit(url).netloc}\n"
                f"Authorization: Bearer {remote.token}\nContent-Length: 1000\n\npart",
            )
            signed = await remote.ask(
                "POST",
                "/sign-in",
                json.dumps({"token": remote.token}).encode(),
                {"Content-Type": "application/json"},
            )
            cookies[remote] = signed.headers["set-cookie"].partition(";")[0]
            tickets[remote] = (await remote.post("/tickets", {"path": "/events"}, 201))[
                "ticket"
            ]
        stranger = self.remote(url)
        followed = [
            await stranger.follow(f"/events?ticket={tickets.pop(remote)}")
            for remote in (ada, bob)
        ]
        for remote in (ada, bob):
            tickets[remote] = (await remote.post("/tickets", {"path": "/ping"}, 201))["ticket"]
        for remote in (ada, bob):
            self.assertEqual(await self.status(stranger, Cookie=cookies[remote]), 200)
        self.allow(f"{hashed(BOB)} admin * bob")
        await self.reloaded(agent)
        for console in sockets[ada]:
            code, _ = await console.closed
            self.assertEqual(code, 1008)
        for stream in (*streams[ada], followed[0]):
            await stream.end()
        await uploads[ada].lost
        self.assertNotIn(b"HTTP/1.1 2", uploads[ada].data)
        self.assertEqual(await self.status(ada), 401)
        self.assertEqual(await self.status(stranger, Cookie=cookies[ada]), 401)
        for console in sockets[bob]:
            self.assertTrue(console.let_in)
        sockets[bob][0].send("still here\n")
        await sockets[bob][0].line("still here")
        await sockets[bob][1].line("web.0 | still here")
        await streams[bob][1].has(b"still here")
        await bob.post("/stop-process/app.web.0")
        await sockets[bob][2].line('{"id"')
        for stream in (streams[bob][0], followed[1]):
            await stream.has(b'"stop"')
        self.assertFalse(uploads[bob].lost.called)
        self.assertEqual(await self.status(stranger, Cookie=cookies[bob]), 200)

    async def test_ownReload(self) -> None:
        """
        Who has the files read again with a token that is gone is told what came of it, and
        nothing more.
        """
        self.allow(ADA, BOB)
        _, url = await self.asking()
        ada, bob = self.remote(url, ADA), self.remote(url, BOB)
        for remote, others in ((ada, BOB), (bob, EVE)):
            self.allow(others)
            answer = await remote.ask("POST", "/reload", b"{}")
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(await self.status(remote), 401)
        self.assertEqual(await self.status(self.remote(url, EVE)), 200)

    async def test_scope(self) -> None:
        """One that may do other things now has to come again."""
        self.allow(f"{ADA} admin")
        agent, url = await self.asking()
        remote = self.remote(url, ADA)
        await self.teller(remote)
        console = await remote.attach(stdin=1)
        self.allow(f"{ADA} read")
        await self.reloaded(agent)
        code, _ = await console.closed
        self.assertEqual(code, 1008)
        self.assertEqual(await self.status(remote), 200)
        await remote.post("/stop-process/app.web.0", status=403)

    async def test_turnedOn(self) -> None:
        """Who came when nobody was asked has to go when somebody is."""
        agent, remote = await self.configured()
        await self.teller(remote)
        console, stream = await remote.attach(), await remote.follow("/events")
        ticket = (await remote.post("/tickets", {"path": "/list-processes"}, 201))["ticket"]
        self.allow(ADA)
        text = self.file.read_text().replace("[gaffer]\n", "[gaffer]\ntoken_file = tokens\n")
        self.file.write_text(text)
        await self.reloaded(agent)
        code, _ = await console.closed
        self.assertEqual(code, 1008)
        await stream.end()
        for path in ("/list-processes", f"/list-processes?ticket={ticket}"):
            self.assertEqual(await self.status(remote, path), 401)
        remote.token = ADA
        self.assertEqual((await remote.state("app.web.0", "running"))["state"], "running")

    async def test_refused(self) -> None:
        """A file that can't be used refuses the reload, and the tokens before go on."""
        self.allow(ADA)
        agent, url = await self.asking()
        remote = self.remote(url, ADA)
        events = await remote.events()
        for mode, lines in ((0o644, (BOB,)), (0o600, (f"{BOB} reed",)), (0o600, ("short",))):
            self.allow(*lines, mode=mode)
            await self.reloaded(agent, b" not reloaded: ")
            answer = await remote.ask("POST", "/reload", b"{}")
            self.assertEqual(answer.status, 400)
            self.assertIn(str(self.tokens), answer.body.decode())
            self.assertEqual(await self.status(self.remote(url, BOB)), 401)
        self.tokens.unlink()
        await self.reloaded(agent, b" not reloaded: ")
        self.assertTrue(events.let_in)
        self.assertEqual(await self.status(remote), 200)
        self.assertNotIn(BOB.encode(), agent.err)

    async def test_beyond(self) -> None:
        """A file that is not named any more refuses the reload where others could come in."""
        self.allow(ADA)
        beyond = (
            "[gaffer]\nhttp_endpoints = a\ntoken_file = tokens\n"
            "[endpoint:a]\nbind = 0.0.0.0:0\n" + section("one")
        )
        self.file.write_text(beyond)
        agent = self.spawn_agent("-v", "-c", str(self.file), bind=())
        [url] = await agent.listens()
        remote = self.remote(f"http://127.0.0.1:{urlsplit(url).port}", ADA)
        changed = beyond.replace("token_file = tokens\n", "") + section("two")
        self.file.write_text(changed)
        await self.reloaded(agent, b" not reloaded: ")
        self.assertIn(b"can be reached from other machines", agent.err)
        self.assertEqual(await self.status(self.remote(remote.base)), 401)
        slugs = [each["slug"] for each in (await remote.get("/list-processes"))["processes"]]
        self.assertEqual(slugs, ["default.one.0"])


class StrangerTests(TokensCase):
    """
    Those who show nothing.
    """

    async def test_flood(self) -> None:
        """
        Who sends a GiB is answered at the end of the head, and then cut; nothing is kept.
        """
        self.allow(ADA)
        _, url = await self.asking()
        head = (
            f"/archives HTTP/1.1\nHost: {urlsplit(url).netloc}\nContent-Length: {1 << 30}\n\n"
        )
        raw = await self.raw(url, f"PUT {head}")
        await raw.answered.addTimeout(PATIENCE, reactor)
        self.assertTrue(raw.data.startswith(b"HTTP/1.1 401 "), raw.data)
        raw.flood()
        await raw.lost
        # Most of that waited in buffers of the kernel, where it has gone.
        self.assertLess(raw.flooded, 32 << 20)
        self.assertEqual(self.files(), [])


class SecretTests(TokensCase):
    """
    Where tokens are not to be found.
    """

    async def test_text(self) -> None:
        """
        No command line, environment, log, event, document or file of the agent's has one, nor
        has what it gave instead of one.
        """
        await self.nowhere("text")

    async def test_json(self) -> None:
        """Nor is one in a log of JSON documents."""
        await self.nowhere("json")

    async def nowhere(self, form: str) -> None:
        """
        Have the agent see secrets in every way, and look for them.

        @param form: Of its log.
        """
        self.allow(f"{ADA} admin * ada", f"{BOB} read")
        agent, url = await self.asking("-vv", "--log-format", form, "--log-level", "debug")
        remote = self.remote(url, ADA)
        await self.teller(remote)
        events = await remote.events(after=0)
        body = json.dumps({"token": ADA}).encode()
        kind = {"Content-Type": "application/json"}
        stranger = self.remote(url)
        signed = await stranger.ask("POST", "/sign-in", body, kind)
        cookie = signed.headers["set-cookie"].partition(";")[0].partition("=")[2]
        ticket = (await remote.post("/tickets", {"path": "/openapi.json"}, 201))["ticket"]
        statuses = [
            await self.status(stranger, f"/openapi.json?ticket={ticket}"),
            await self.status(stranger, f"/openapi.json?ticket={ticket}"),
            await self.status(stranger, f"/openapi.json?token={ADA}"),
            await self.status(stranger, Authorization=f"Bearer {EVE}"),
            await self.status(stranger, Authorization=f"Basic {ADA}"),
            (await stranger.ask("POST", "/sign-in", body.replace(b"ada", b"eve"), kind)).status,
            (await stranger.ask("POST", "/sign-in", b'["' + EVE.encode(), kind)).status,
        ]
        self.assertEqual(statuses, [200, 401, 401, 401, 401, 401, 400])
        odd = await self.raw(url, f"GET {ADA} {EVE}\n\n")
        await odd.lost
        secrets = [
            *(form for token in (ADA, BOB, EVE) for form in (token, digest(token))),
            cookie,
            digest(cookie),
            ticket,
            digest(ticket),
        ]
        texts = {
            path: (await remote.ask("GET", path)).body
            for path in (
                "/",
                "/list-processes",
                "/process-status/app.web.0",
                "/process-logs/app.web.0",
                "/plugins",
                "/webhooks",
                "/openapi.json",
            )
        }
        documents = texts.values()
        self.assertTrue(all(documents))
        for pid in (agent.pid, *agent.below()):
            for name in ("cmdline", "environ"):
                texts[f"/proc/{pid}/{name}"] = Path(f"/proc/{pid}/{name}").read_bytes()
        await remote.post("/delete-process/app.web.0")
        while "delete" not in (text := await events.next()):
            texts[f"event {len(texts)}"] = text.encode()
        for file in self.state.rglob("*"):
            if file.is_file():
                texts[str(file)] = file.read_bytes()
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        await agent.says_no_more()
        texts |= {"the log": agent.err, "what it printed": agent.out}
        self.assertIn(b"as ada", agent.err)
        for secret in secrets:
            found = [where for where, text in texts.items() if secret.encode() in text]
            self.assertEqual(found, [], secret)

    async def test_environment(self) -> None:
        """Programs are not told where the agent's own secrets are."""
        self.allow(ADA)
        own = {
            "CREDENTIALS_DIRECTORY": str(self.folder),
            "SMARTMOB_TOKEN": BOB,
            "SMARTMOB_ANYTHING": "1",
            "OTHER": "2",
        }
        _, url = await self.asking(env=own)
        remote = self.remote(url, ADA)
        await self.teller(remote)
        console = await remote.attach(tail=10)
        told = json.loads(await console.next())
        self.assertEqual(told["OTHER"], "2")
        self.assertNotIn("CREDENTIALS_DIRECTORY", told)
        smartmob = {name for name in told if name.startswith("SMARTMOB_")}
        self.assertEqual(smartmob, {"SMARTMOB_APP", "SMARTMOB_NODE", "SMARTMOB_SLUG"})

    async def asked_by_program(self, remote: Remote) -> list[str]:
        """
        What a program is answered by the agent that it runs under.
        """
        content = application(f"web: {PYTHON} main.py\n", main=POSTER)
        url = self.origin.serve("/poster.tar.gz", content)
        await remote.create(url, env={"AGENT": remote.url}, restart="never")
        await remote.state("app.web.0", "stopped", "failed")
        answer = await remote.ask("GET", "/process-logs/app.web.0")
        return answer.body.decode().splitlines()

    async def test_program(self) -> None:
        """A program that asks its agent for something has no token, and gets nothing."""
        self.allow(ADA)
        _, url = await self.asking()
        said = await self.asked_by_program(self.remote(url, ADA))
        self.assertEqual(said, ["GET 200", "GET 401", "POST 401"])

    async def test_programWithout(self) -> None:
        """Where nobody is asked, a program may do what everybody may."""
        _, remote = await self.start()
        said = await self.asked_by_program(remote)
        self.assertEqual(said, ["GET 200", "GET 200", "POST 200"])


def digest(secret: str) -> str:
    """
    What is kept instead of a secret, as it would be written.
    """
    return sha256(secret.encode()).hexdigest()
