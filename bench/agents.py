"""
An agent of its own for each measurement, driven as any client drives one.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import IO, Any

from attrs import frozen

from bench import system
from bench.ending import wait_for
from bench.figures import Failed
from bench.running import running
from smartmob.launch import helper
from smartmob.lines import encoder

STARTS_AT_ONCE = {"attempts": 1000, "window": 1.0, "retry_in": 1.0, "max_retry": -1}
"""A flapping policy that never pauses: what ends is started again at once."""

PATIENCE = 120.0
"""Seconds for an answer."""

COMPILED, PYTHON = "smartmob", "smartmob-python"
"""An agent of which something is compiled, and one all in Python, as the table has them."""


def kinds() -> dict[str, bool]:
    """
    The agents there are to measure, by what the table calls them, and whether each is the one
    with the guardian in Python.
    """
    known = {COMPILED: False, PYTHON: True}
    return known if helper.runs() == helper.COMPILED else {PYTHON: True}


class Refused(Failed):
    """
    The agent said no.
    """


class Connection:
    """
    One connection that is kept, with as little work a request as can be: it shares the
    machine with what is measured.
    """

    def __init__(self, port: int) -> None:
        self._host = f"127.0.0.1:{port}"
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers: IO[bytes] = self._socket.makefile("rb")

    def ask(
        self, method: str, path: str, document: Mapping[str, object] | None = None
    ) -> bytes:
        """
        The body of the answer.

        @raise Refused: Its status is not of success.
        """
        body = b"" if document is None else json.dumps(document).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        status = self._answers.readline().split(b" ", 2)
        length = 0
        while (line := self._answers.readline()) not in (b"\r\n", b""):
            key, _, value = line.partition(b":")
            if key.lower() == b"content-length":
                length = int(value)
        answer = self._answers.read(length)
        if len(status) < 2 or not status[1].startswith(b"2"):
            raise Refused(f"{method} {path}: {b' '.join(status)!r} {answer[:300]!r}")
        return answer

    def close(self) -> None:
        """
        No more requests.
        """
        self._answers.close()
        self._socket.close()


@frozen
class Agent:
    """
    @ivar urls: Where it listens, in the order in which it says so.
    @ivar began: When it was executed: seconds, monotonic.
    @ivar listened: When it said that it listens.
    """

    process: subprocess.Popen[bytes]
    urls: tuple[str, ...]
    began: float
    listened: float

    @property
    def port(self) -> int:
        """
        The first of these, on 127.0.0.1.
        """
        return int(self.urls[0].rpartition(":")[2])

    @property
    def pid(self) -> int:
        """
        The agent's own.
        """
        return self.process.pid

    def ask(self, method: str, path: str, document: Mapping[str, object] | None = None) -> Any:
        """
        A request on a connection of its own: none is left when nothing is to happen.

        @return: The document of the answer.
        @raise Refused: Its status is not of success.
        """
        with closing(Connection(self.port)) as connection:
            return json.loads(connection.ask(method, path, document))

    def create(self, node: str, process_type: str, source: str, **more: object) -> str:
        """
        Have a program run.

        @return: Its slug.
        """
        request = {
            "app": "bench",
            "node": node,
            "process_type": process_type,
            "source_url": source,
            **more,
        }
        slug = self.ask("POST", "/create-process", request)["slug"]
        assert isinstance(slug, str)
        return slug

    def wait_until(self, slug: str, *states: str) -> None:
        """
        Wait for one of these states.
        """

        def reached() -> bool:
            document = self.ask("GET", f"/process-status/{slug}")
            if document["state"] == "failed" and "failed" not in states:
                raise Refused(f"{slug}: {document['reason']}")
            return document["state"] in states

        wait_for(f"{slug} to be {' or '.join(states)}", reached, PATIENCE)

    def delete(self, slug: str) -> None:
        """
        End it.
        """
        self.ask("POST", f"/delete-process/{slug}")

    def helpers(self) -> list[int]:
        """
        The guardian and its reapers: what runs below the agent and is no program.
        """
        return [
            pid for pid in system.below(self.pid) if system.name(pid).startswith("smartmob-")
        ]


@contextmanager
def agent(
    folder: Path, *words: str | Path, python: bool = False, endpoints: int = 0
) -> Iterator[Agent]:
    """
    An agent with its state below C{folder}, ended at the end.

    @param words: More for its command line.
    @param python: All in Python; else with what is compiled, where there is that.
    @param endpoints: So many are in a file that the words name, and the first of them is a port
        of 127.0.0.1; else it has one of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = Path(sys.executable).with_name("smartmob-agent")
    bind = () if endpoints else ("--bind", "127.0.0.1:0")
    own = (*bind, "--state-dir", folder / "state")
    said = folder / "agent.stderr"
    with said.open("wb") as stderr:
        began = monotonic()
        all_python = {helper.VARIABLE: helper.PYTHON, encoder.VARIABLE: encoder.PYTHON}
        more = all_python if python else {}
        with running([command, *own, *words], folder, stderr, more=more) as process:
            urls = _urls(process, said, endpoints or 1)
            yield Agent(process, urls, began, monotonic())


def _urls(process: subprocess.Popen[bytes], said: Path, count: int) -> tuple[str, ...]:
    def listens() -> bool:
        text = said.read_text()
        if process.poll() is not None:
            raise Refused(f"the agent ended with {process.returncode}: {text.strip()[-500:]}")
        return text.count("Listening on ") == count and text.endswith("\n")

    wait_for("the agent to listen", listens, 60, step=0.002)
    return tuple(
        line.rpartition("Listening on ")[2]
        for line in said.read_text().splitlines()
        if "Listening on " in line
    )
