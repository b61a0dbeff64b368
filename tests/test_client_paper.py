"""
L{smartmob.client.paper}.
"""

from __future__ import annotations

import io
import os

from twisted.trial.unittest import SynchronousTestCase

from smartmob.client.paper import Paper, wants_colour


class Terminal(io.StringIO):
    """
    Text that is written to a terminal.
    """

    def isatty(self) -> bool:
        """
        It is one.
        """
        return True


class WantsColourTests(SynchronousTestCase):
    """
    L{wants_colour}.
    """

    def test_terminal(self) -> None:
        """
        A terminal gets colours.
        """
        self.assertTrue(wants_colour(Terminal(), {"TERM": "xterm"}))

    def test_file(self) -> None:
        """
        A file or a pipe gets none.
        """
        self.assertFalse(wants_colour(io.StringIO(), {"TERM": "xterm"}))

    def test_asked(self) -> None:
        """
        NO_COLOR with any value, though not an empty one, and TERM=dumb forbid them.
        """
        self.assertFalse(wants_colour(Terminal(), {"NO_COLOR": "1"}))
        self.assertFalse(wants_colour(Terminal(), {"TERM": "dumb"}))
        self.assertTrue(wants_colour(Terminal(), {"NO_COLOR": ""}))


class PaperTests(SynchronousTestCase):
    """
    L{Paper}.
    """

    def test_column(self) -> None:
        """
        Lines of names of different length start in the same column.
        """
        out = io.StringIO()
        paper = Paper(out, False)
        paper.name("web.0", "clock.0")
        paper.line("web.0", "one")
        paper.line("clock.0", "two")
        self.assertEqual(out.getvalue(), "web.0   | one\nclock.0 | two\n")

    def test_colour(self) -> None:
        """
        Each name has a colour of its own; the line itself has none.
        """
        out = io.StringIO()
        paper = Paper(out, True)
        paper.name("a", "b")
        paper.line("a", "one")
        paper.line("b", "two")
        self.assertEqual(out.getvalue(), "\033[36ma |\033[0m one\n\033[33mb |\033[0m two\n")

    def test_gone(self) -> None:
        """
        When nobody reads any more, that is noted, and nothing fails, then or at the end.
        """
        read, write = os.pipe()
        os.close(read)
        with open(write, "w") as out:
            paper = Paper(out, False)
            self.assertFalse(paper.gone)
            paper.say("one")
            self.assertTrue(paper.gone)
            paper.say("two")
