"""
Tests of L{smartmob.lines.last_words}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.lines.consoles import Consoles
from smartmob.lines.last_words import MOST, MOST_BYTES, last_words


class LastWordsTests(SynchronousTestCase):
    """
    What was said last.
    """

    def setUp(self) -> None:
        """
        There is a process.
        """
        self.console = Consoles(epoch="test", now=lambda: 0.0).open("app.web.0", State.RUNNING)

    def said(self, pid: int | None) -> tuple[str, ...]:
        """
        By a run.
        """
        return last_words(self.console.newest(), pid)

    def test_last(self) -> None:
        """The last lines of a run are told in their order, however they were read."""
        self.console.received("stdout", b"".join(b"%d\n" % n for n in range(30)), 7)
        self.console.received("stderr", b"a\nb", 7)
        self.console.finish()
        numbers = [str(n) for n in range(30)]
        self.assertEqual(self.said(7), (*numbers[2 - MOST :], "a", "b"))

    def test_ofThisRun(self) -> None:
        """Lines of an earlier run are none of it, and what the agent says is nobody's."""
        self.console.received("stdout", b"before\n", 6)
        self.console.say("the agent")
        self.console.received("stdout", b"after\n", 7)
        self.console.say("the agent")
        self.assertEqual(self.said(7), ("after",))
        self.assertEqual(self.said(8), ())
        self.assertEqual(self.said(None), ())

    def test_long(self) -> None:
        """Long lines are cut, be it in the midst of a character."""
        self.console.received("stdout", "ä".encode() * MOST_BYTES + b"\n", 7)
        self.console.received("stdout", b"x" + "ä".encode() * MOST_BYTES + b"\n", 7)
        self.assertEqual(
            self.said(7),
            (
                "ä" * (MOST_BYTES // 2),
                "x" + "ä" * (MOST_BYTES // 2 - 1) + "\N{REPLACEMENT CHARACTER}",
            ),
        )
