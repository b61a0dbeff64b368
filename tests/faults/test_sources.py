"""
Where sources come from fails.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.internet.defer import gatherResults

from tests.support.applications import application
from tests.support.faulting import FaultTestCase
from tests.support.http_origin import Exchange, Script
from tests.support.names import Names
from tests.support.namespaces import Place


def torn(data: bytes) -> Script:
    """
    Announces all and sends half.
    """

    def script(exchange: Exchange) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n"
        exchange.send(head.encode(), data[: len(data) // 2])
        exchange.reset()

    return script


class ServerTests(FaultTestCase):
    """
    The server of sources.
    """

    async def test_fails(self) -> None:
        """
        Refused, reset before and in the middle of an answer, busy, or saying 500: the process
        waits, says why, and comes up by itself once the server is well again; others run on.
        """
        data = application("web: echo up; exec sleep 1000")
        agent, remote = await self.start()
        await remote.create(self.app(), env=self.ledger.env)
        neighbour = await remote.state("app.web.0", "running")
        faults: dict[str, tuple[Script, str]] = {
            "busy": (lambda ex: ex.answer(b"", "Retry-After: 1", code=503), "answered 503"),
            "broken": (lambda ex: ex.answer(b"", code=500), "answered 500"),
            "cut": (lambda ex: ex.reset(), "broke off before it answered"),
            "torn": (torn(data), "broke off"),
        }
        for name, (script, _) in faults.items():
            await remote.create(self.origin.script(f"/{name}", script), name)
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))  # nobody listens, and nobody else will
            port = held.getsockname()[1]
            await remote.create(f"http://127.0.0.1:{port}/refused", "refused")
            for name, said in [
                *((n, s) for n, (_, s) in faults.items()),
                ("refused", "refused"),
            ]:
                document = await remote.state(f"app.{name}", "backoff")
                self.assertIn(said, document["reason"])
                self.assertEqual((document["pid"], document["restarts"]), (None, 0))
        for name in faults:
            self.origin.serve(f"/{name}", data)
        for name in faults:
            document = await remote.state(f"app.{name}", "running")
            self.assertEqual(document["restarts"], 0, name)
        document = await remote.post("/stop-process/app.refused")
        self.assertEqual(document["state"], "stopped")
        self.assertEqual(await remote.get("/process-status/app.web.0"), neighbour)
        await remote.post("/delete-app/app")
        self.assertEqual(self.files(), [])
        await self.end(agent)

    async def test_hangs(self) -> None:
        """
        A server that does not answer, or stops in the middle, keeps nobody else waiting, and
        who waits for it can be stopped and deleted at once.
        """
        data = application("web: exec sleep 1000")
        agent, remote = await self.start()
        half = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:50]
        scripts: list[Callable[[Exchange], object]] = [
            lambda exchange: None,
            lambda exchange: exchange.send(half),
        ]
        asked = []
        for number, script in enumerate(scripts):
            for _ in range(3):
                asked.append(self.origin.next_request())
                path = f"/{number}-{len(asked)}"
                await remote.create(self.origin.script(path, script), f"slow.{len(asked)}")
        await gatherResults(asked)
        await remote.create(self.app(), env=self.ledger.env)
        await remote.state("app.web.0", "running")
        document = await remote.post("/stop-process/app.slow.1")
        self.assertEqual(document["state"], "stopped")
        await remote.post("/delete-app/app")
        self.assertEqual(self.files(), [])
        await self.end(agent)

    async def test_changes(self) -> None:
        """
        What is found at a URL changes: processes go on with what they have, through restarts
        of theirs too; the next create gets the other.
        """
        old = self.app("web: echo old; exec sleep 1000", "/changing")
        agent, remote = await self.start()
        await remote.create(old, "web.0")
        await remote.state("app.web.0", "running")
        new = self.app("web: echo new; exec sleep 1000", "/changing")
        self.assertEqual(old, new)
        await remote.create(new, "web.1")
        await remote.state("app.web.1", "running")
        self.origin.scripts.clear()  # and then it is gone
        for node, text in ("web.0", "old"), ("web.1", "new"):
            console = await remote.attach(f"app.{node}", tail=1)
            await console.line(text)
            await remote.post(f"/restart-process/app.{node}")
            await console.line(text)
        await remote.create(new, "web.2")
        document = await remote.state("app.web.2", "failed")
        self.assertIn("answered 404", document["reason"])
        self.assertEqual(len(self.origin.requests), 3)
        await self.end(agent)


class NameTests(FaultTestCase):
    """
    The server of names.
    """

    async def test_names(self) -> None:
        """
        It refuses, or does not answer: who needs a name waits and says so; others do not
        wait for them, and once names are found the processes come up by themselves.
        """
        place = Place(self, "NAMES THAT CAN'T BE FOUND ARE")
        names = Names(self, place, self.folder)
        self.within = place.within
        agent, remote = await self.start()
        path = self.app("web: exec sleep 1000", "/named").rpartition("/")[2]
        urls = [
            f"http://{name}.test:{self.origin.port}/{path}" for name in ("refused", "silent")
        ]
        for number, url in enumerate(urls):
            for each in range(5):
                await remote.create(url, f"named.{number}.{each}")
        await names.asked("silent.test")
        await remote.create(self.app(), env=self.ledger.env)
        await remote.state("app.web.0", "running")
        for number in range(len(urls)):
            for each in range(5):
                document = await remote.state(f"app.named.{number}.{each}", "backoff")
                self.assertIn("not found", document["reason"])
        names.answer("127.0.0.1")
        for number in range(len(urls)):
            for each in range(5):
                await remote.state(f"app.named.{number}.{each}", "running")
        await self.end(agent)
