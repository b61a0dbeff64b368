"""
Those who read a program's bytes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smartmob.documents import State
from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import TooManyReaders
from smartmob.lines.console import Console
from smartmob.lines.readers import Ending, IReader, Subscription
from tests.support.websockets import consoles


@implementer(IReader)
class Taker:
    """
    A reader that keeps what it gets.
    """

    def __init__(self) -> None:
        self.taken = b""
        self.why: Ending | None = None
        self.over = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.taken += data

    def ending(self, why: Ending) -> None:
        """Remember it."""
        self.why = why

    def ended(self) -> None:
        """Remember it."""
        self.over = True


class Halves:
    """
    A shape that keeps the last byte back.
    """

    def __init__(self) -> None:
        self.kept = b""

    def feed(self, data: bytes) -> bytes:
        """All but the last."""
        data = self.kept + data
        self.kept = data[-1:]
        return b"".join([b"<%c>" % byte for byte in data[:-1]])

    def finish(self) -> bytes:
        """The last."""
        return b"<%b>" % self.kept


class TapsTests(SynchronousTestCase):
    """
    A console with readers of bytes.
    """

    def setUp(self) -> None:
        self.console = self.made()

    def made(self, **bounds: int) -> Console:
        """
        A console with these bounds.
        """
        self.consoles = consoles(bounds=Bounds(**bounds))
        return self.consoles.open("shop.web.0", State.RUNNING)

    def tap(self, stream: str = "stdout") -> tuple[Taker, Subscription]:
        """
        A reader that takes what comes.
        """
        taker = Taker()
        subscription = self.console.tap(taker, stream)
        subscription.resume()
        return taker, subscription

    def test_asTheyAre(self) -> None:
        """
        Bytes come as they were read: a line without an end, what is no UTF-8, CRLF.
        """
        taker, _ = self.tap()
        for chunk in (b"Name: ", b"\xff\xfe\r\n", b"\0"):
            self.console.received("stdout", chunk, 7)
        self.assertEqual(taker.taken, b"Name: \xff\xfe\r\n\0")

    def test_stream(self) -> None:
        """
        Each gets the stream it asked for, from then on.
        """
        self.console.received("stdout", b"before\n", 7)
        out, _ = self.tap()
        error, _ = self.tap("stderr")
        self.console.received("stdout", b"one\n", 7)
        self.console.received("stderr", b"two\n", 7)
        self.assertEqual((out.taken, error.taken), (b"one\n", b"two\n"))

    def test_tooSlow(self) -> None:
        """
        Who does not read gets what was queued, and no more; others get all.
        """
        self.console = self.made(queue=10)
        slow, waiting = self.tap()
        fast, _ = self.tap()
        waiting.pause()
        for _ in range(5):
            self.console.received("stdout", b"12345\n", 7)
        self.assertEqual(slow.why, Ending.TOO_SLOW)
        waiting.resume()
        self.assertEqual(slow.taken, b"12345\n")
        self.assertTrue(slow.over)
        self.assertEqual(fast.taken, b"12345\n" * 5)

    def test_places(self) -> None:
        """
        They take a place among the readers, and give it back.
        """
        self.console = self.made(readers=1)
        _, first = self.tap()
        self.assertRaises(TooManyReaders, self.tap)
        first.detach()
        self.tap()
        self.assertEqual(self.consoles.readers, 1)

    def test_run(self) -> None:
        """
        They end with the run whose bytes they are.
        """
        taker, _ = self.tap()
        self.console.received("stdout", b"bye", 7)
        self.console.finish()
        self.assertEqual((taker.taken, taker.why), (b"bye", Ending.OVER))
        self.console.received("stdout", b"again", 8)
        self.assertEqual(taker.taken, b"bye")

    def test_shaped(self) -> None:
        """
        Who wants the same shape shares it, beside those who want the bytes; what it kept
        back comes at the end, and a later run begins with another.
        """
        made: list[Halves] = []

        def shape() -> Halves:
            made.append(Halves())
            return made[-1]

        takers = [Taker(), Taker()]
        for taker in takers:
            self.console.tap(taker, "stdout", shape).resume()
            self.console.received("stdout", b"ab", 7)
        other, _ = self.tap()
        self.console.received("stderr", b"not this", 7)
        self.console.received("stdout", b"c", 7)
        self.console.finish()
        self.assertEqual(
            [taker.taken for taker in takers], [b"<a><b><a><b><c>", b"<b><a><b><c>"]
        )
        self.assertEqual((other.taken, len(made)), (b"c", 1))
        self.assertEqual({taker.why for taker in takers}, {Ending.OVER})
        self.console.tap(Taker(), "stdout", shape)
        self.assertEqual(len(made), 2)

    def test_ends(self) -> None:
        """
        They end with the process, and with the agent; who comes later ends at once.
        """
        taker, _ = self.tap()
        self.console.deleted()
        self.assertEqual((taker.why, taker.over), (Ending.DELETED, True))
        self.console = self.made()
        self.console.shut()
        taker, _ = self.tap()
        self.assertEqual((taker.why, taker.over), (Ending.SHUT, True))
