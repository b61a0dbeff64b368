"""
What is encoded, and how often.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.lines import ring
from smartmob.lines.app import AppWanted
from smartmob.lines.app_encodings import APP_FRAMES, AppEncoding
from smartmob.lines.console import Wanted
from smartmob.lines.encodings import JSON_FRAMES, NDJSON, PLAIN_FRAMES, SSE, Encoding
from smartmob.lines.readers import Subscription
from smartmob.lines.ring import Chunk
from tests.support.recording import Recorder
from tests.support.websockets import consoles


@define(eq=False)
class Counted:
    """
    A format that knows what it was asked for.
    """

    real: Encoding
    chunks: list[bytes] = field(factory=list)
    happened: list[object] = field(factory=list)

    @property
    def told(self) -> bool:
        return self.real.told

    @property
    def events(self) -> bool:
        return self.real.events

    def lines(self, chunk: Chunk) -> bytes:
        self.chunks.append(chunk.data)
        return self.real.lines(chunk)

    def event(self, document: Mapping[str, object]) -> bytes:
        self.happened.append(document["event"])
        return self.real.event(document)


@define(eq=False)
class AppCounted:
    """
    The same for the lines of an app.
    """

    real: AppEncoding
    chunks: list[tuple[bytes, str]] = field(factory=list)
    happened: list[object] = field(factory=list)

    @property
    def told(self) -> bool:
        return self.real.told

    @property
    def events(self) -> bool:
        return self.real.events

    def lines(self, chunk: Chunk, node: str) -> bytes:
        self.chunks.append((chunk.data, node))
        return self.real.lines(chunk, node)

    def event(self, document: Mapping[str, object]) -> bytes:
        self.happened.append(document["event"])
        return self.real.event(document)


class OnceTests(SynchronousTestCase):
    """
    A chunk is encoded once for all readers of a format, and only where one wants it.
    """

    def setUp(self) -> None:
        self.consoles = consoles()
        self.console = self.consoles.open("shop.web.0", State.RUNNING)
        self.split: list[bytes] = []
        real = ring.split

        def split(data: bytes) -> list[bytes]:
            self.split.append(data)
            return real(data)

        self.patch(ring, "split", split)

    def attach(self, encoding: Encoding, *streams: str) -> Subscription:
        """
        A reader of the process.
        """
        wanted = Wanted(streams=frozenset(streams))
        subscription = self.console.attach(Recorder(), wanted, encoding)
        subscription.resume()
        return subscription

    def attach_app(
        self, encoding: AppEncoding, *streams: str, nodes: str = "*"
    ) -> Subscription:
        """
        A reader of the app.
        """
        wanted = AppWanted(streams=frozenset(streams), nodes=(nodes,))
        subscription = self.consoles.app("shop").attach(Recorder(), wanted, encoding)
        subscription.resume()
        return subscription

    def test_nobody(self) -> None:
        """
        Where nobody reads, nothing is split; nor where the last reader has left.
        """
        self.console.received("stdout", b"a\n", 1)
        plain = Counted(PLAIN_FRAMES)
        self.attach(plain).detach()
        self.console.received("stdout", b"b\nc\n", 1)
        self.assertEqual((self.split, plain.chunks, self.console.next), ([], [], 4))

    def test_once(self) -> None:
        """
        Ten readers of each of four formats: four encodings, and one split.
        """
        formats = [Counted(each) for each in (PLAIN_FRAMES, JSON_FRAMES, NDJSON, SSE)]
        for _ in range(10):
            for each in formats:
                self.attach(each)
        self.console.received("stdout", b"a\nb\n", 1)
        self.assertEqual([each.chunks for each in formats], [[b"a\nb\n"]] * 4)
        self.assertEqual(self.split, [b"a\nb\n"])

    def test_streams(self) -> None:
        """
        Those who want all streams share with those who want one.
        """
        plain = Counted(PLAIN_FRAMES)
        for streams in ((), ("stdout",), ("stdout", "stderr"), ("stderr",)):
            self.attach(plain, *streams)
        self.console.received("stdout", b"a\n", 1)
        self.console.received("stderr", b"b\n", 1)
        self.assertEqual(plain.chunks, [b"a\n", b"b\n"])

    def test_otherStream(self) -> None:
        """
        Who reads stderr alone costs no encoding of stdout, and no splitting.
        """
        plain, told = Counted(PLAIN_FRAMES), AppCounted(APP_FRAMES["json"])
        self.attach(plain, "stderr")
        self.attach_app(told, "stderr")
        self.console.received("stdout", b"a\nb\n", 1)
        self.assertEqual((plain.chunks, told.chunks, self.split), ([], [], []))
        self.console.received("stderr", b"c\n", 1)
        self.assertEqual((plain.chunks, told.chunks), ([b"c\n"], [(b"c\n", "web.0")]))
        self.assertEqual(self.split, [b"c\n"])
        self.assertEqual(self.console.next, 4)

    def test_app(self) -> None:
        """
        Readers of the app share, whatever processes and streams they want; those of
        another process cost nothing.
        """
        plain = AppCounted(APP_FRAMES["plain"])
        for streams in ((), ("stdout",)):
            for nodes in ("*", "web.*", "*.0"):
                self.attach_app(plain, *streams, nodes=nodes)
        other = AppCounted(APP_FRAMES["plain"])
        self.attach_app(other, nodes="worker.*")
        self.console.received("stdout", b"a\n", 1)
        self.assertEqual(plain.chunks, [(b"a\n", "web.0")])
        self.assertEqual(other.chunks, [])

    def test_events(self) -> None:
        """
        What happens is encoded once, for those who are told.
        """
        plain, told = Counted(PLAIN_FRAMES), Counted(JSON_FRAMES)
        ours = AppCounted(APP_FRAMES["json"])
        for _ in range(3):
            self.attach(plain)
            self.attach(told)
            self.attach_app(ours)
        told.happened.clear()
        ours.happened.clear()
        self.console.started(7)
        self.assertEqual(
            (plain.happened, told.happened, ours.happened), ([], ["started"], ["started"])
        )
