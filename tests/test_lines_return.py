"""
A reader that stalls, goes and comes back with C{after} and C{epoch}: what it got, and what it
was told it missed, is together what was written.
"""

from __future__ import annotations

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.lines.bounds import Bounds
from smartmob.lines.console import Console, Wanted
from smartmob.lines.consoles import Consoles
from smartmob.lines.encodings import JSON_FRAMES
from tests.support.recording import Recorder

BOUNDS = Bounds(
    kept_lines=12, kept_bytes=400, kept_in_all=20_000, queue=3_000, queues_in_all=4_000
)
"""So small that all of them are reached."""

STREAMS = ("stdout", "stderr")


@define
class Client:
    """
    One that does as docs/console.rst says: it remembers the last number and the epoch.

    @ivar streams: What it reads; empty: all.
    @ivar seen: The last number it got.
    @ivar epoch: To which that belongs.
    @ivar got: The numbers of the lines that it got, by epoch.
    @ivar missed: How many it was told it missed since then.
    @ivar returned: It came back since then having seen something, and what was no longer kept
        by then is among them, perhaps some of another stream.
    """

    streams: frozenset[str]
    seen: int = 0
    epoch: str | None = None
    missed: int = 0
    returned: bool = False
    reader: Recorder | None = None
    read: int = 0
    got: dict[str, list[int]] = field(factory=dict)


class Machine(RuleBasedStateMachine):
    """
    A process that writes, clients of it, and an agent that is started again.
    """

    @initialize()
    def begin(self) -> None:
        """Three clients: of everything, and of one stream each."""
        self.runs = 0
        self.clients = [Client(frozenset(wanted)) for wanted in ((), *zip(STREAMS))]
        self.start()

    def start(self) -> None:
        """An agent."""
        self.runs += 1
        self.epoch = f"epoch {self.runs}"
        self.consoles = Consoles(epoch=self.epoch, now=lambda: 1.5, bounds=BOUNDS)
        self.console: Console = self.consoles.open("shop.web.0", State.RUNNING)
        self.other = self.consoles.open("shop.other.0", State.RUNNING)
        self.written: list[str] = []  # the stream of each line, from number 1

    @rule(stream=st.sampled_from(STREAMS), lines=st.integers(1, 9), size=st.integers(0, 99))
    def write(self, stream: str, lines: int, size: int) -> None:
        """So many lines, read at once."""
        self.console.received(stream, (b"x" * size + b"\n") * lines, 7)
        self.written += [stream] * lines

    @rule(stream=st.sampled_from(STREAMS), chunks=st.integers(1, 6))
    def flood(self, stream: str, chunks: int) -> None:
        """More than may wait for a reader."""
        for _ in range(chunks):
            self.write(stream, 9, 99)

    @rule()
    def happens(self) -> None:
        """Something that is told to readers."""
        self.console.started(7)

    @rule()
    def others(self) -> None:
        """Another process keeps so much that this one has to give."""
        self.other.received("stdout", b"x" * 19_900 + b"\n", 7)

    @rule(which=st.integers(0, 2), room=st.sampled_from([0, 1, 500, 2000]), tail=st.booleans())
    def attach(self, which: int, room: int, tail: bool) -> None:
        """A client comes, back or for the first time."""
        client = self.clients[which]
        if client.reader is not None:
            self.detach(which)
        wanted = Wanted(
            after=client.seen,
            epoch=client.epoch,
            streams=client.streams,
            tail=5 if tail else None,
        )
        client.reader = reader = Recorder()
        client.read = client.missed = 0
        client.returned = client.seen > 0 and client.epoch == self.epoch
        reader.room = room
        reader.subscription = self.console.attach(reader, wanted, JSON_FRAMES)
        if room:
            reader.subscription.resume()
        self.take_note(client)

    @rule(which=st.integers(0, 2), room=st.integers(1, 4000))
    def take(self, which: int, room: int) -> None:
        """A client reads on, so much."""
        reader = self.clients[which].reader
        if reader is not None:
            reader.take(room)

    @rule(which=st.integers(0, 2))
    def detach(self, which: int) -> None:
        """A client is gone, with what it got and without what was queued."""
        client = self.clients[which]
        if client.reader is not None:
            assert client.reader.subscription is not None
            self.take_note(client)
            client.reader.subscription.detach()
            client.reader = None

    @rule()
    def restart(self) -> None:
        """The agent is gone, and with it all connections and lines; there is another."""
        for which in range(len(self.clients)):
            self.detach(which)
        self.start()

    @invariant()
    def told(self) -> None:
        """Each line came, or was told to be missing, where it is missing."""
        for client in self.clients:
            self.take_note(client)
        assert 0 <= self.consoles.queued <= BOUNDS.queues_in_all + 2_000

    def take_note(self, client: Client) -> None:
        """A client looks at what came."""
        if client.reader is None:
            return
        documents = client.reader.documents()
        new, client.read = documents[client.read :], len(documents)
        for document in new:
            if document.get("event") == "attached":
                if document["epoch"] != client.epoch:
                    client.epoch, client.seen = document["epoch"], 0
            elif document.get("event") == "dropped":
                assert document["missed"] > 0
                client.missed += document["missed"]
            elif "seq" in document:
                number = document["seq"]
                assert document["stream"] == self.written[number - 1]
                self.check(client, number)
                client.got.setdefault(self.epoch, []).append(number)
                client.seen, client.missed, client.returned = number, 0, False

    def check(self, client: Client, number: int) -> None:
        """It got this one: what lies between it and the last one was missed."""
        assert number > client.seen
        between = self.written[client.seen : number - 1]
        own = [stream for stream in between if not client.streams or stream in client.streams]
        if client.returned:
            # Of what is no longer kept nobody knows any more of which stream which line was,
            # but how many there were.
            ever = self.written[: number - 1]
            most = [stream for stream in ever if not client.streams or stream in client.streams]
            assert len(own) <= client.missed <= min(len(between), len(most)), (client, number)
        else:
            assert client.missed == len(own), (client, number)

    def teardown(self) -> None:
        """Who reads to the end got everything, or knows how much it did not get."""
        if not hasattr(self, "clients"):
            return
        for client in self.clients:
            if client.reader is not None:
                client.reader.take()
                self.console.received("stdout", b"last\n", 7)
                self.console.received("stderr", b"last\n", 7)
                self.written += STREAMS
                self.take_note(client)
                wanted = [
                    number
                    for number, stream in enumerate(self.written, 1)
                    if not client.streams or stream in client.streams
                ]
                assert client.got[self.epoch][-1] == wanted[-1]
            for numbers in client.got.values():
                assert numbers == sorted(set(numbers))
        for which in range(len(self.clients)):
            self.detach(which)
        assert self.consoles.queued == 0
        assert self.consoles.readers == 0


class ReturnTests(SynchronousTestCase):
    """
    Lines and C{missed} together.
    """

    def test_anyOrder(self) -> None:
        """
        However clients stall, go and come back, and an agent is started again: each line was
        got once, or counted as missed where it is missing.
        """
        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=300, stateful_step_count=40, deadline=None),
        )
