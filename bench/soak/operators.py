"""
Those who create, change, ask and end, over REST.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from random import Random
from threading import local
from time import sleep
from typing import Any
from urllib.request import Request, urlopen

from attrs import define, field

from bench.agents import Agent, Connection, Refused
from bench.ending import TookTooLong, wait_for
from bench.soak.crew import Tally
from bench.soak.population import APP, Population
from bench.soak.visitors import Wrong, somewhere
from bench.websockets import SlowClient

PATIENCE = 60.0
"""Seconds for a process to reach a state."""

HALF = b"POST /create-process HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{"
"""Of a request."""

REFUSALS: tuple[tuple[str, str, dict[str, object] | None, int], ...] = (
    ("GET", "/process-status/nobody.web.0", None, 404),
    ("GET", "/nothing-here/{n}", None, 404),
    ("DELETE", "/list-processes", None, 405),
    ("POST", "/create-process", {"app": "../..", "node": 1}, 400),
    ("GET", "/attach-console/nobody.{n}", None, 404),
    ("GET", "/attach-console/default.talk.0", None, 426),
    ("GET", "/process-logs/default.talk.0?tail=x{n}", None, 400),
    ("POST", "/signal-process/nobody.{n}", {"signal": "HUP"}, 404),
    ("POST", "/scale-app/nobody{n}", {"web": 1}, 404),
    ("POST", "/write-stdin/default.talk.0", {"data": "x"}, 409),
)


@define(eq=False)
class Operators:
    """
    @ivar source: URL of the archive that everything created by REST is of.
    """

    made: Agent
    population: Population
    source: str
    tally: Tally
    random: Random
    _turns: Iterator[int] = field(factory=lambda: count(1))
    _own: local = field(factory=local)

    def ask(self, method: str, path: str, document: dict[str, object] | None = None) -> bytes:
        """
        On the connection of this thread.

        @raise Refused: The status of the answer is not of success.
        """
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = Connection(self.made.port)
        try:
            return connection.ask(method, path, document)
        except Refused as error:
            if "b''" in str(error):  # it had been idle for too long
                self._own.connection = None
                connection.close()
                if method == "GET":
                    return self.ask(method, path, document)
            raise
        except OSError:
            self._own.connection = None
            connection.close()
            raise

    def settle(self) -> None:
        """
        Create those by REST that stay.
        """
        for node in self.population.operated:
            self._create(APP, node, "talk")
        self._create(APP, "web.0", "web")
        self.ask("POST", f"/scale-app/{APP}", {"web": self.population.scaled})

    def churn(self) -> None:
        """
        A process of an app that there never was, from its source to its end.
        """
        turn = next(self._turns)
        app = f"churn{turn}"
        source = self._upload(turn) if turn % 5 == 0 else f"{self.source}?{turn}"
        slug = self._create(app, "web.0", "brief" if turn % 3 else "talk", source)
        self._await(slug, "running", "backoff")
        if turn % 2:
            client = SlowClient(
                self.made.port,
                f"/attach-console/{slug}?format=json&tail=10",
                somewhere(self.random),
            )
            with closing(client):
                next(client.read(PATIENCE))
        if turn % 4 == 1:
            self.ask("POST", f"/scale-app/{app}", {"web": 2})
            self.ask("POST", f"/delete-app/{app}")
        else:
            self.ask("POST", f"/delete-process/{slug}")
        self.tally.did("created and deleted")

    def scale(self) -> None:
        """
        More of them, or fewer.
        """
        usual = self.population.scaled
        wanted: object = max(1, usual + self.random.randint(-usual // 2, usual // 2))
        self.ask("POST", f"/scale-app/{APP}", {"web": wanted})
        self.tally.did("scaled")

    def operate(self) -> None:
        """
        A verb for one of those that are there for it.
        """
        slug = f"{APP}.{self.random.choice(self.population.operated)}"
        verb = self.random.choice(("restart", "stop", "start", "signal"))
        if verb == "signal":
            with suppress(Refused):  # it may be stopped
                self.ask("POST", f"/signal-process/{slug}", {"signal": "CONT"})
        else:
            self.ask("POST", f"/{verb}-process/{slug}")
        if verb == "stop":
            self.ask("POST", f"/start-process/{slug}")
        self.tally.did(f"verbs: {verb}")

    def write(self) -> None:
        """
        To one that has an input, which says it again.
        """
        slug = self.random.choice(self.population.hearing)
        self.ask("POST", f"/write-stdin/{slug}", {"data": "a line that is heard\n" * 20})
        self.tally.did("written to standard inputs")

    def reload(self) -> None:
        """
        Another configuration, told in one of two ways.
        """
        self.population.write(next(self._turns))
        if self.random.random() < 0.5:
            self.ask("POST", "/reload")
        else:
            os.kill(self.made.pid, signal.SIGHUP)
        self.tally.did("reloads")

    def look(self) -> None:
        """
        Whatever can be looked at.
        """
        slug = self.random.choice(self.population.talking)
        paths = (
            "/",
            "/list-processes",
            "/list-processes?app=soak&state=running",
            "/list-processes?node=talk.*",
            f"/process-status/{slug}",
            f"/process-logs/{slug}?tail=100",
            f"/process-logs/{slug}?format=json",
            "/app-logs/soak?tail=20",
            f"/process-stats/{slug}",
            "/webhooks",
            "/plugins",
            "/openapi.json",
            "/version",
        )
        self.ask("GET", self.random.choice(paths))
        self.tally.did("looked at")

    def scrape(self) -> None:
        """
        What Prometheus asks for.
        """
        self.ask("GET", "/metrics")
        self.tally.did("scrapes of /metrics")

    def look_over_tls(self, certificate: Path) -> None:
        """
        On a connection of its own, with TLS.
        """
        url = next(url for url in self.made.urls if url.startswith("https:"))
        port = int(url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            secure.sendall(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if not secure.recv(4096).startswith(b"HTTP/1.1 200 "):
                raise Wrong("no answer over TLS")
        self.tally.did("asked over TLS")

    def be_refused(self) -> None:
        """
        What has to be refused, on a connection of its own: some refusals end it.
        """
        method, path, document, status = self.random.choice(REFUSALS)
        path = path.format(n=next(self._turns))
        try:
            self.made.ask(method, path, document)
        except Refused as error:
            if f"HTTP/1.1 {status} " not in str(error):
                raise
        else:
            raise Wrong(f"{method} {path} was not refused")
        self.tally.did("refused, as it has to be")

    def hang_up(self) -> None:
        """
        In the middle of a request, from an address of its own.
        """
        with socket.socket() as client:
            client.bind((somewhere(self.random), 0))
            client.connect(("127.0.0.1", self.made.port))
            client.sendall(HALF[: self.random.randint(0, len(HALF))])
            sleep(0.01)
        self.tally.did("hung up")

    def _upload(self, turn: int) -> str:
        """
        An archive that nobody sent before.
        """
        archive = self.population.archive(**{f"unused{turn}": "true"})
        request = Request(f"{self.made.urls[0]}/archives", archive, method="PUT")
        request.add_header("Content-Type", "application/octet-stream")
        with urlopen(request, timeout=PATIENCE) as answer:
            document: dict[str, Any] = json.load(answer)
        self.tally.did("archives sent")
        return str(document["source_url"])

    def _create(self, app: str, node: str, process_type: str, source: str | None = None) -> str:
        document: dict[str, object] = {
            "app": app,
            "node": node,
            "process_type": process_type,
            "source_url": source or self.source,
        }
        return str(json.loads(self.ask("POST", "/create-process", document))["slug"])

    def _await(self, slug: str, *states: str) -> None:
        """
        @raise TookTooLong: It reaches none of them.
        """

        def reached() -> bool:
            document = json.loads(self.ask("GET", f"/process-status/{slug}"))
            if document["state"] == "failed":
                raise Wrong(f"{slug} failed: {document['reason']}")
            return document["state"] in states

        try:
            wait_for(slug, reached, PATIENCE, step=0.05)
        except TookTooLong as error:
            raise Wrong(f"{error}: {self.ask('GET', f'/process-status/{slug}')!r}") from None
