"""
What is wrong is said clearly, and leaves nothing half made on disk or running.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.support import archives
from tests.support.agent_process import AgentTestCase
from tests.support.applications import PYTHON, application, archive
from tests.support.archives import Entry
from tests.support.remote import Remote

GOOD = application("web: exec sleep 1000")
MOST = 1 << 20
"""Bytes that a body may have."""


class BadSourceTests(AgentTestCase):
    """
    Sources that can't be run.
    """

    async def leaves_nothing(self, remote: Remote) -> None:
        """
        After a delete nothing is there.
        """
        await remote.post("/delete-process/app.web.0")
        self.assertEqual(self.files(), [])
        self.assertEqual(await remote.get("/list-processes"), {"processes": []})

    async def test_never(self) -> None:
        """
        What will never run is C{failed}, with a reason that the console and the logs
        say too; a delete leaves no file.
        """
        whole = gzip.compress(GOOD * 1000, 1)
        procfiles = {
            "web: sleep 1\nweb: sleep 2\n": "line 2",
            "no colon here\n": "line 1",
            "worker: sleep 1\n": "'web'",
        }
        rows: list[tuple[str, bytes, dict[str, object], str]] = [
            ("text", b"this is no archive", {}, "archive"),
            ("nothing", b"", {}, "archive"),
            ("html", b"<!DOCTYPE html><html><body>404</body></html>", {}, "HTML"),
            ("truncated", GOOD[: len(GOOD) // 2], {}, ""),
            ("damaged", whole[:-40] + b"\0" * 40, {}, ""),
            ("sha256", GOOD, {"source_sha256": "0" * 64}, "sha256"),
            ("no Procfile", archive({"README": "hello"}), {}, "Procfile"),
            ("empty archive", archive({}), {}, "empty"),
            ("outside", archive({"Procfile": "web: x\n", "../evil": "x"}), {}, "evil"),
            ("absolute", archive({"Procfile": "web: x\n", "/evil": "x"}), {}, "evil"),
            (
                "link outside",
                archives.tar(archives.APP, archives.symlink("way", "../../..")),
                {},
                "way",
            ),
            (
                "absolute link",
                archives.tar(archives.APP, archives.symlink("way", "/etc")),
                {},
                "way",
            ),
            ("bad .env", archive({"Procfile": "web: x\n", ".env": "???\n"}), {}, ".env"),
            *(
                ("Procfile", archive({"Procfile": p}), {}, word)
                for p, word in procfiles.items()
            ),
        ]
        agent, remote = await self.start()
        wrong = []
        for name, body, more, word in rows:
            url = self.origin.serve("/source", body)
            await remote.create(url, **more)  # type: ignore[arg-type]  # fields of any type
            document = await remote.state("app.web.0", "failed", "running", "backoff")
            reason = str(document["reason"])
            if document["state"] != "failed" or word not in reason:
                wrong.append((name, document["state"], reason))
            logs = await remote.ask("GET", "/process-logs/app.web.0")
            self.assertEqual(logs.body.decode(), f"smartmob: {reason}\n")
            console = await remote.attach(tail=1)
            self.assertEqual(await console.next(), f"smartmob: {reason}")
            await self.leaves_nothing(remote)
        self.assertEqual(wrong, [])
        await remote.create("http://...")  # as the walk-through has it
        await remote.state("app.web.0", "failed")
        await self.leaves_nothing(remote)
        await agent.alone()

    async def test_later(self) -> None:
        """
        A source that may be had later is waited for in C{backoff}, with its reason,
        and runs once it is there.
        """
        with socket.create_server(("127.0.0.1", 0)) as closed:
            refused = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        rows: list[tuple[str, Callable[[Any], object] | None]] = [
            ("503", lambda exchange: exchange.answer(b"", code=503)),
            ("408", lambda exchange: exchange.answer(b"", code=408)),
            ("429", lambda exchange: exchange.answer(b"", "Retry-After: 1", code=429)),
            ("cut", lambda exchange: exchange.reset()),
            (
                "short",
                lambda exchange: (
                    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", GOOD),
                    exchange.close(),
                ),
            ),
            ("refused", None),
        ]
        _, remote = await self.start()
        for name, script in rows:
            url = refused if script is None else self.origin.script(f"/{name}", script)
            await remote.create(url)
            document = await remote.state("app.web.0", "backoff", "failed", "running")
            self.assertEqual(document["state"], "backoff", (name, document["reason"]))
            self.assertTrue(document["reason"])
            if script is not None:
                self.origin.serve(f"/{name}", GOOD)
                await remote.post("/start-process/app.web.0")
                await remote.state("app.web.0", "running")
            await self.leaves_nothing(remote)

    async def test_not_executed(self) -> None:
        """
        A program or a C{cwd} that is not there is an end of the run with code 127 or
        126, and a reason.
        """
        rows: list[tuple[str, str, dict[str, object], int, str]] = [
            ("missing program", "web: ./missing\n", {}, 127, "missing"),
            ("missing in PATH", "web: no-such-program-anywhere\n", {}, 127, "no-such"),
            ("no program", "web: ./data\n", {}, 126, "data"),
            ("missing cwd", "web: sleep 1000\n", {"cwd": "no/where"}, 126, "no/where"),
            ("cwd is a file", "web: sleep 1000\n", {"cwd": "data"}, 126, "data"),
        ]
        _, remote = await self.start()
        for name, procfile, more, code, word in rows:
            url = self.origin.serve("/source", archive({"Procfile": procfile, "data": "x"}))
            await remote.create(url, restart="never", **more)  # type: ignore[arg-type]  # any
            document = await remote.state("app.web.0", "failed", "running", "stopped")
            self.assertEqual(document["state"], "failed", name)
            self.assertEqual(document["last_exit"]["code"], code, (name, document))
            self.assertIn(word, document["reason"], name)
            logs = await remote.ask("GET", "/process-logs/app.web.0")
            self.assertIn(word, logs.body.decode(), name)
            await self.leaves_nothing(remote)

    async def test_cwd_outside(self) -> None:
        """
        A C{cwd} that leads outside of the release, by a link that a program of the app
        made, is refused.
        """
        _, remote = await self.start()
        url = self.origin.serve(
            "/source", application("maker: ln -s / out; echo made; exec sleep 1000\nweb: pwd\n")
        )
        await remote.create(url, "maker", process_type="maker")
        console = await remote.attach("app.maker", tail=1)
        await console.line("made")
        await remote.create(url, cwd="out/etc", restart="never")
        document = await remote.state("app.web.0", "failed", "stopped")
        self.assertEqual(document["state"], "failed")
        logs = await remote.ask("GET", "/process-logs/app.web.0?stream=stdout")
        self.assertEqual(logs.body, b"")

    async def test_dangerous_archives(self) -> None:
        """
        Devices, FIFOs and names below a link are refused, naming the entry.
        """
        _, remote = await self.start()
        rows = [
            Entry("evil", "c"),
            Entry("evil", "b"),
            Entry("evil", "p"),
            Entry("evil", "h", b"../../outside"),
        ]
        for entry in rows:
            url = self.origin.serve("/source", archives.tar(archives.APP, entry))
            await remote.create(url)
            document = await remote.state("app.web.0", "failed", "running", "backoff")
            self.assertEqual(document["state"], "failed", entry)
            self.assertIn("evil", document["reason"])
            await self.leaves_nothing(remote)


class BadRequestTests(AgentTestCase):
    """
    Requests that are refused.
    """

    async def test_bodies(self) -> None:
        """
        A body that can't be one is refused with a problem document, and nothing is
        made of it.
        """
        agent, remote = await self.start()
        deep = b'{"a": ' * 5000 + b"1" + b"}" * 5000
        rows: list[tuple[bytes, str, int, str]] = [
            (b"hello", "application/json", 400, "bad-json"),
            (b'{"app": ', "application/json", 400, "bad-json"),
            (b"\xff\xfe{}", "application/json", 400, "bad-json"),
            (b"[" * 100_000, "application/json", 400, "invalid-document"),
            (deep, "application/json", 400, "invalid-document"),
            (b"[]", "application/json", 400, "invalid-document"),
            (b"null", "application/json", 400, "invalid-document"),
            (b'"text"', "application/json", 400, "invalid-document"),
            (b"", "application/json", 400, "invalid-document"),
            (b'{"x": "' + b"x" * MOST + b'"}', "application/json", 413, "body-too-large"),
            (b"{}", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
            (b"{}", "text/html", 415, "unsupported-media-type"),
        ]
        for body, kind, status, code in rows:
            answer = await remote.ask("POST", "/create-process", body, {"Content-Type": kind})
            found = (answer.status, answer.document["code"])
            self.assertEqual(found, (status, code), body[:50])
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(await remote.get("/list-processes"), {"processes": []})
        self.assertEqual(self.files(), [])
        await agent.alone()

    async def test_fields(self) -> None:
        """
        Every wrong field is named, all of a request at once.
        """
        agent, remote = await self.start()
        good: dict[str, object] = {
            "app": "app",
            "node": "web.0",
            "process_type": "web",
            "source_url": self.origin.serve("/source", GOOD),
        }
        rows: list[dict[str, object]] = [
            {"app": "../../etc"},
            {"app": ".."},
            {"app": "a.b"},
            {"app": "a/b"},
            {"app": ""},
            {"app": "a" * 101},
            {"app": "a\0"},
            {"app": "a\n"},
            {"app": 3},
            {"app": None},
            {"node": "../web"},
            {"node": ".."},
            {"node": "-x"},
            {"node": "web/0"},
            {"node": "w\u00e9b"},
            {"process_type": "../web"},
            {"process_type": ["web"]},
            {"source_url": "file:///etc/passwd"},
            {"source_url": "ftp://127.0.0.1/"},
            {"source_url": "http://user:secret@127.0.0.1/"},
            {"source_url": ""},
            {"source_url": {"url": "x"}},
            {"env": {"A": "nul \0"}},
            {"env": {"A=B": "x"}},
            {"env": {"": "x"}},
            {"env": {"A": 1}},
            {"env": ["A=1"]},
            {"env": {"A": "x" * (128 << 10)}},
            {"env": {f"A{number}": "x" for number in range(1001)}},
            {"source_sha256": "abc"},
            {"cwd": "../outside"},
            {"cwd": "/etc"},
            {"cwd": "a/../../b"},
            {"stop_signal": "NOSUCH"},
            {"stop_signal": 0},
            {"graceful_timeout": -1},
            {"graceful_timeout": 3601},
            {"graceful_timeout": "10"},
            {"graceful_timeout": True},
            {"flapping": "3, 1., 1.5, 2"},
            {"restart": "sometimes"},
            {"output": "queue"},
            {"umask": "777x"},
            {"nice": 100},
            {"redirect_input": "yes"},
            {"no_new_privileges": 1},
            {"labels": {"a": "x" * 257}},
            {"uid": "root"},
            {"shell": True},
            {"detach": True},
        ]
        for row in rows:
            body = json.dumps({**good, **row}).encode()
            answer = await remote.ask("POST", "/create-process", body)
            self.assertEqual(answer.status, 400, (row, answer.body))
            self.assertEqual(answer.document["code"], "invalid-document")
            named = {re.split(r"[.\[]", each["field"])[0] for each in answer.document["errors"]}
            self.assertEqual(named, set(row), answer.body)
        everything = {"app": 3, "node": "..", "env": {"A": 1, "B": "\0"}, "surprise": 1}
        answer = await remote.ask("POST", "/create-process", json.dumps(everything).encode())
        named = {each["field"] for each in answer.document["errors"]}
        for name in ("app", "node", "process_type", "source_url", "surprise"):
            self.assertIn(name, named)
        self.assertEqual(len([name for name in named if name.startswith("env")]), 2, named)
        self.assertEqual(await remote.get("/list-processes"), {"processes": []})
        self.assertEqual(self.files(), [])
        self.assertEqual(self.origin.requests, [])
        await agent.alone()

    async def test_same_slug_at_once(self) -> None:
        """
        Of creates of one slug at the same moment one is 201, all others are 409.
        """
        agent, remote = await self.start()
        url = self.origin.serve("/source", application(f"web: {PYTHON} -c 'input()'"))
        body = json.dumps(
            {"app": "app", "node": "web.0", "process_type": "web", "source_url": url}
        ).encode()
        answers = await gatherResults(
            [
                Deferred.fromCoroutine(remote.ask("POST", "/create-process", body))
                for _ in range(20)
            ]
        )
        self.assertEqual(sorted(answer.status for answer in answers), [201] + [409] * 19)
        self.assertEqual(
            {answer.document["code"] for answer in answers if answer.status == 409},
            {"slug-in-use"},
        )
        listing = await remote.get("/list-processes")
        self.assertEqual([each["slug"] for each in listing["processes"]], ["app.web.0"])
        await remote.post("/delete-process/app.web.0")
        self.assertEqual(self.files(), [])
        await agent.alone()

    async def test_unknown_paths(self) -> None:
        """
        Slugs that are none are 404, whatever is in them.
        """
        _, remote = await self.start()
        rows = ["no.such", "..%2f..%2fetc%2fpasswd", "%00", "app.web.0/", "a%2eb", "%ff", "."]
        for row in rows:
            for route in ("process-status", "stop-process", "delete-process", "process-logs"):
                method = "POST" if route in ("stop-process", "delete-process") else "GET"
                answer = await remote.ask(method, f"/{route}/{row}", None)
                self.assertEqual(answer.status, 404, (route, row, answer.body))
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
