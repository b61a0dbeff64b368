"""
Those who read: consoles of processes and of apps, fast and slow, events, and streams over HTTP.
Each looks at every line it gets.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from random import Random
from threading import Event
from time import monotonic
from typing import Any

from attrs import define, field

from bench.figures import Failed
from bench.soak.crew import Tally
from bench.websockets import CLOSE, PING, TEXT, SlowClient

IDLE = 1.0
"""Seconds without a frame after which a reader looks whether it is time to go."""

SLOW_BUFFER = 65536
"""Bytes that the system of a slow reader takes for it."""

SLOW_FRAMES, SLOW_PAUSE = 16, 0.25
"""A slow reader takes so many frames, then pauses for so many seconds ..."""

SLOW_SHARE = 0.7
"""... for such a share of its time: then it reads what there is, and so what it missed."""

TOO_SLOW = 1013


class Wrong(Failed):
    """
    What came is not what had to come.
    """


def somewhere(random: Random) -> str:
    """
    An address of loopback that hardly anybody had before.
    """
    return f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"


@define
class Lines:
    """
    Lines of C{programs/life.c}, which have to come one after the other.

    @ivar last: Of each stream of lines that is followed, by its name: the pid and the number.
    """

    last: dict[str, tuple[int, int]] = field(factory=dict)

    def check(self, name: str, line: str, missed: bool = False) -> None:
        """
        One more.

        @param missed: Some before it were missed, as was said.
        @raise Wrong: It is not the next.
        """
        pid, number, *_ = line.split(" ", 2)
        here = int(pid), int(number)
        before = self.last.get(name, (0, 0))
        if not missed and before[0] == here[0] and here[1] != before[1] + 1:
            raise Wrong(f"line {here[1]} of {name} came after {before[1]}")
        self.last[name] = here


@define
class Numbers:
    """
    Numbers of lines, or events, that have to come without gaps but for those that are told.
    """

    last: dict[str, int] = field(factory=dict)
    missed: dict[str, int] = field(factory=dict)
    missed_in_all: int = 0

    def miss(self, name: str, count: int) -> None:
        """
        So many were.
        """
        self.missed[name] = self.missed.get(name, 0) + count
        self.missed_in_all += count

    def check(self, name: str, number: int) -> bool:
        """
        One more.

        @return: Whether some were missed before it.
        @raise Wrong: It is not the next.
        """
        missed = self.missed.pop(name, 0)
        before = self.last.get(name)
        if before is not None and number != before + missed + 1:
            raise Wrong(f"{number} of {name} came after {before}, {missed} were missed")
        self.last[name] = number
        return missed > 0


@define(eq=False)
class Visitors:
    """
    @ivar over: Set when it is time to go.
    @ivar stay: Seconds that each reads, at most.
    """

    port: int
    tally: Tally
    over: Event
    random: Random
    stay: float
    _last_event: int = 0

    def read_plain(self, slugs: list[str]) -> None:
        """
        A console's bare lines, as fast as they come.
        """
        lines = Lines()
        slug = self.random.choice(slugs)
        for opcode, payload in self._frames(f"/attach-console/{slug}?tail=50"):
            if opcode != TEXT:
                raise Wrong(f"a frame {opcode} from {slug}")
            lines.check(slug, payload.decode())
            self.tally.did("lines read, plain")
        self.tally.did("consoles read, plain")

    def read_json(self, slugs: list[str]) -> None:
        """
        A console's documents, as fast as they come: none may be missed.
        """
        slug = self.random.choice(slugs)
        numbers = self._documents(f"/attach-console/{slug}?format=json&tail=50", {})
        if numbers.missed_in_all:
            raise Wrong(f"a reader that is fast enough missed {numbers.missed_in_all} lines")
        self.tally.did("consoles read, JSON")

    def read_app(self) -> None:
        """
        All that talk, in one stream.
        """
        numbers = self._documents("/attach-app/default?format=json&node=talk.*&tail=50", {})
        if numbers.missed_in_all:
            raise Wrong(f"a reader of an app missed {numbers.missed_in_all} lines")
        self.tally.did("consoles read, of an app")

    def read_slowly(self, slugs: list[str]) -> None:
        """
        A console's documents, slower than they come: what is missed is told.
        """
        slug = self.random.choice(slugs)
        numbers = self._documents(
            f"/attach-console/{slug}?format=json", {"slow": True, "buffer": SLOW_BUFFER}
        )
        self.tally.did("consoles read, slowly")
        self.tally.did("lines missed by slow readers, as they were told", numbers.missed_in_all)

    def read_too_slowly(self, slugs: list[str]) -> None:
        """
        A console's bare lines, slower than they come, until that ends it.
        """
        lines = Lines()
        slug = self.random.choice(slugs)
        path = f"/attach-console/{slug}"
        for opcode, payload in self._frames(path, slow=True, buffer=SLOW_BUFFER):
            if opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                if code != TOO_SLOW:
                    raise Wrong(f"a slow reader was sent away with {code}")
                self.tally.did("slow readers sent away")
                break
            lines.check(slug, payload.decode())
        self.tally.did("consoles read, slowly")

    def hear_events(self) -> None:
        """
        All events, from the last one that was heard.
        """
        after = f"?after={self._last_event}" if self._last_event else ""
        numbers = Numbers({"events": self._last_event} if self._last_event else {})
        for opcode, payload in self._frames(f"/events{after}"):
            if opcode != TEXT:
                raise Wrong(f"a frame {opcode} among events")
            event = json.loads(payload)
            if event["event"] == "dropped":
                numbers.miss("events", event["missed"])
                continue
            numbers.check("events", event["id"])
            self._last_event = event["id"]
            self.tally.did("events heard")
        if numbers.missed_in_all:
            raise Wrong(f"{numbers.missed_in_all} events were missed")
        self.tally.did("subscriptions to events")

    def stream(self, paths: list[str]) -> None:
        """
        An HTTP answer without an end, left in its midst.
        """
        path = self.random.choice(paths)
        with closing(socket.create_connection(("127.0.0.1", self.port), 30)) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Accept: text/event-stream\r\n\r\n".encode()
            )
            head = connection.recv(1 << 16)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise Wrong(f"{path}: {head[:100]!r}")
            end = monotonic() + self._how_long()
            while monotonic() < end and not self.over.is_set():
                connection.settimeout(IDLE)
                try:
                    if not connection.recv(1 << 16):
                        raise Wrong(f"{path} ended")
                except TimeoutError:
                    continue
        self.tally.did("streams over HTTP")

    def _documents(self, path: str, how: dict[str, Any]) -> Numbers:
        """
        Read JSON, and see whether lines come one after the other.
        """
        numbers, lines = Numbers(), Lines()
        for opcode, payload in self._frames(path, **how):
            if opcode != TEXT:
                raise Wrong(f"a frame {opcode} from {path}")
            document = json.loads(payload)
            name = document.get("node", path)
            if document.get("event") == "dropped":
                numbers.miss(name, document["missed"])
            elif "seq" in document and document["stream"] == "stdout":
                missed = numbers.check(name, document["seq"])
                lines.check(name, document["line"], missed)
                self.tally.did("lines read, JSON")
        return numbers

    def _how_long(self) -> float:
        return self.stay * self.random.uniform(0.25, 1.0)

    def _frames(
        self, path: str, slow: bool = False, buffer: int = 0
    ) -> Iterator[tuple[int, bytes]]:
        """
        What comes for a while; then the reader leaves, in one of the ways there are.
        """
        client = SlowClient(self.port, path, somewhere(self.random), buffer)
        try:
            stay = self._how_long()
            end = monotonic() + stay
            faster = end - stay * (1 - SLOW_SHARE)
            count = 0
            while monotonic() < end and not self.over.is_set():
                for opcode, payload in client.read(IDLE):
                    if opcode == PING:
                        client.answer(payload)
                        continue
                    yield opcode, payload
                    if opcode == CLOSE:
                        return
                    count += 1
                    if slow and count % SLOW_FRAMES == 0 and monotonic() < faster:
                        self.over.wait(SLOW_PAUSE)
                    if monotonic() >= end or self.over.is_set():
                        break
            if not slow and self.random.random() < 0.5:
                client.leave()
        finally:
            client.close()
