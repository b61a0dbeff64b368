"""
What somebody can do to an agent with HTTP, or before there is any.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, product, repeat
from pathlib import Path
from select import POLLIN, POLLOUT, poll
from string import ascii_lowercase, digits
from threading import RLock
from time import monotonic
from typing import IO

from attrs import frozen

from bench.agents import Agent
from bench.crowd import ADDRESSES, Crowd, Stream
from bench.figures import Failed

MIB = 1 << 20

PATIENCE = 30.0


@frozen(kw_only=True)
class Victim:
    """
    An agent, and what it is attacked with.

    @ivar port: Of HTTP.
    @ivar secure: Of HTTP with TLS.
    @ivar slug: A process that takes input.
    @ivar state: Where it keeps what it keeps.
    @ivar built: Programs in C.
    @ivar count: Of connections, where there are many.
    @ivar seconds: How long what does not end by itself goes on.
    @ivar hold: For how long a client waits until the agent lets it go.
    @ivar storm: Held by who needs the machine for itself for a moment.
    """

    made: Agent
    port: int
    secure: int
    slug: str
    state: Path
    built: dict[str, Path]
    count: int
    seconds: float
    hold: float
    storm: RLock


@frozen(kw_only=True)
class Attack:
    """
    @ivar run: Does it, and returns what the agent did.
    @ivar waits: It takes long, and the machine has little to do with it.
    @ivar tokens: The agent has some, and the attacker has none.
    @ivar processes: So many there are besides.
    """

    name: str
    run: Callable[[Victim], str]
    waits: bool = False
    tokens: bool = False
    processes: int = 0

    @property
    def key(self) -> str:
        """
        Its name, as that of a folder: a short one, since a socket lies in it.
        """
        return "".join(word[0] for word in re.findall(r"\w+", self.name))


def crowd(victim: Victim, count: int, first: bytes, *, secure: bool = False) -> Crowd:
    """
    Connections that have all said this.
    """
    with victim.storm:
        return Crowd.gather(victim.secure if secure else victim.port, count, first)


def dripping(first: bytes, drip: Sequence[bytes]) -> Callable[[Victim], str]:
    """
    Connections that begin a request at once, and go on a byte now and then.
    """

    def run(victim: Victim) -> str:
        members = crowd(victim, victim.count // 10, first)
        return str(members.outlast(victim.hold, drip=drip))

    return run


def idle(victim: Victim) -> str:
    """
    Connections that say nothing.
    """
    return str(crowd(victim, victim.count, b"").outlast(victim.hold))


def half_closed(victim: Victim) -> str:
    """
    Connections that say nothing, and that nothing more will be said on.
    """
    members = crowd(victim, victim.count, b"")
    for member in members.members:
        try:
            member.shutdown(socket.SHUT_WR)
        except OSError:  # it is over already
            continue
    return str(members.outlast(victim.hold))


def slow_reading(victim: Victim) -> str:
    """
    The listing of many processes, a byte a second.
    """
    request = b"GET /list-processes HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with victim.storm:
        members = Crowd.gather(victim.port, victim.count // 20, request, small=True)
    return str(members.outlast(victim.hold, every=1.0, read=1))


def pouring(head: str, parts: Callable[[], Iterator[bytes]]) -> Callable[[Victim], str]:
    """
    A body that is sent as fast as it is taken.
    """

    def run(victim: Victim) -> str:
        before = _bytes_below(victim.state)
        first = f"{head}\r\nHost: localhost\r\n\r\n".encode()
        poured = Stream(victim.port).pour(chain([first], parts()), PATIENCE)
        kept = _bytes_below(victim.state) - before
        return (
            f"{poured.status} after {poured.answered * 1000:.0f} ms, closed after "
            f"{poured.ended:.1f} s, {poured.taken / MIB:.2f} MiB read, "
            f"{'nothing' if kept <= 0 else f'{kept} bytes'} on disk"
        )

    return run


def plain(size: int) -> Callable[[], Iterator[bytes]]:
    """
    A body of so many bytes.
    """
    return lambda: repeat(bytes(1 << 16), size >> 16)


def chunked(size: int) -> Callable[[], Iterator[bytes]]:
    """
    A body of as many, in chunks.
    """
    part = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    return lambda: repeat(part, size >> 16)


def asking(bodies: Callable[[], Sequence[bytes]]) -> Callable[[Victim], str]:
    """
    Documents, one after the other, for a while.
    """

    def run(victim: Victim) -> str:
        made = bodies()
        statuses: Counter[str] = Counter()
        longest = 0.0
        end = monotonic() + victim.seconds
        with socket.create_connection(("127.0.0.1", victim.port), PATIENCE) as connection:
            answers = connection.makefile("rb")
            while monotonic() < end:
                for body in made:
                    head = (
                        "POST /create-process HTTP/1.1\r\nHost: localhost\r\n"
                        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                    )
                    began = monotonic()
                    connection.sendall(head.encode() + body)
                    status, code = _answer(answers)
                    longest = max(longest, monotonic() - began)
                    statuses[f"{status} {code}"] += 1
        said = ", ".join(f"{count:,} x {what}" for what, count in statuses.items())
        return f"{said}, within {longest * 1000:.0f} ms"

    return run


def _answer(answers: IO[bytes]) -> tuple[str, str]:
    status = answers.readline().split()[1].decode()
    length = 0
    while line := answers.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, json.loads(answers.read(length)).get("code", "")


def deep() -> list[bytes]:
    """
    Documents as deep as they can be.
    """
    half = (MIB - 64) // 2
    return [
        b"[" * (2 * half),
        b"[" * half + b"]" * half,
        b'{"a":' * (MIB // 6 - 9),
        b'{"app":' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"env":' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
        b'{"port":1' + b"0" * (MIB - 64) + b"}",
    ]


def labels() -> list[bytes]:
    """
    A document with 100,000 labels, as short as they can be.
    """
    names = map("".join, product(digits + ascii_lowercase, repeat=4))
    many = dict.fromkeys(islice(names, 100_000), "")
    document = {"app": "a", "node": "n", "process_type": "t", "source_url": "http://localhost/"}
    said = json.dumps({**document, "labels": many}, separators=(",", ":")).encode()
    if len(said) > MIB:
        raise Failed("the document with labels is larger than a body may be")
    return [said]


def connecting(victim: Victim) -> str:
    """
    Connections, as many as there can be.
    """
    seconds = victim.seconds * 10 / 3
    done = subprocess.run(
        [victim.built["connect"], str(victim.port), str(seconds), ADDRESSES[0]],
        capture_output=True,
        text=True,
        timeout=seconds + PATIENCE,
        check=False,
    )
    if done.returncode:
        raise Failed(f"connect: {done.stderr.strip()}")
    asked, there = (int(word) / seconds for word in done.stdout.split())
    return f"{asked:,.0f} asked for a second, {there:,.0f} made"


def pipelining(victim: Victim) -> str:
    """
    Requests, all at once and without an end.
    """
    requests = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000
    end = monotonic() + victim.seconds
    count = 0
    with socket.create_connection(("127.0.0.1", victim.port), PATIENCE) as connection:
        connection.setblocking(False)
        turn = poll()
        turn.register(connection, POLLIN | POLLOUT)
        waits = b""
        while monotonic() < end:
            waits = waits or requests
            [(_, found)] = turn.poll()
            if found & POLLOUT:
                waits = waits[connection.send(waits) :]
            if found & POLLIN:
                count += connection.recv(1 << 18).count(b"HTTP/1.1 200 ")
    return f"{count / victim.seconds:,.0f} answered a second"


def _bytes_below(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


OF_HTTP = (
    Attack(
        name="a request line, a byte at a time",
        run=dripping(b"GET ", (b"/",)),
        waits=True,
    ),
    Attack(
        name="a header, a byte at a time",
        run=dripping(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", (b"a",)),
        waits=True,
    ),
    Attack(
        name="headers without an end, a byte at a time",
        run=dripping(
            b"GET / HTTP/1.1\r\nHost: localhost\r\n", (b"A", b":", b"b", b"\r", b"\n")
        ),
        waits=True,
    ),
    Attack(
        name="a body, a byte at a time",
        run=dripping(
            b"POST /create-process HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
            (b" ",),
        ),
        waits=True,
    ),
    Attack(name="1,000 idle connections", run=idle, waits=True),
    Attack(
        name="a listing of 1,000 processes, read at a byte a second, by 50",
        run=slow_reading,
        waits=True,
        processes=1000,
    ),
    Attack(name="1,000 connections, half closed", run=half_closed),
    Attack(
        name="a body of 200 MB, with its length",
        run=pouring(
            "POST /create-process HTTP/1.1\r\nContent-Length: 200000000", plain(200_000_000)
        ),
    ),
    Attack(
        name="a body of 200 MB, without a length",
        run=pouring(
            "POST /create-process HTTP/1.1\r\nTransfer-Encoding: chunked", chunked(200_000_000)
        ),
    ),
    Attack(
        name="an archive of 1 GiB, without a token",
        run=pouring(f"PUT /archives HTTP/1.1\r\nContent-Length: {1 << 30}", plain(1 << 30)),
        tokens=True,
    ),
    Attack(name="deep JSON", run=asking(deep)),
    Attack(name="100,000 labels", run=asking(labels)),
    Attack(name="requests without waiting for answers", run=pipelining),
    Attack(name="connections, as fast as they go", run=connecting),
)
