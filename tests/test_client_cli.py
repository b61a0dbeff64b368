"""
L{smartmob.client.cli}.
"""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from smartmob import __version__
from smartmob.client.cli import main


class CommandLineTests(SynchronousTestCase):
    """
    L{main}, where it does not get to do anything.
    """

    def smartmob(self, *words: str) -> tuple[int, str, str]:
        """
        The exit code of a command line, and what it wrote.
        """
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = self.assertRaises(SystemExit, main, words).code
        assert isinstance(code, int)
        return code, out.getvalue(), err.getvalue()

    def test_version(self) -> None:
        """
        C{--version} says which it is.
        """
        self.assertEqual(self.smartmob("--version"), (0, f"smartmob {__version__}\n", ""))

    def test_help(self) -> None:
        """
        C{--help} names every verb.
        """
        code, out, _ = self.smartmob("--help")
        self.assertEqual(code, 0)
        self.assertIn("demo", out)

    def test_verbHelp(self) -> None:
        """
        Each verb explains itself.
        """
        code, out, _ = self.smartmob("demo", "--help")
        self.assertEqual(code, 0)
        self.assertIn("--port", out)
        self.assertIn("--seconds", out)

    def test_usage(self) -> None:
        """
        What is not understood is a usage error that names the word.
        """
        for words, named in [
            ((), "VERB"),
            (("dance",), "dance"),
            (("demo", "now"), "now"),
            (("demo", "--port", "http"), "'http'"),
            (("demo", "--port", "65536"), "'65536'"),
            (("demo", "--port", "-1"), "--port"),
            (("demo", "--seconds", "soon"), "'soon'"),
            (("demo", "--seconds", "nan"), "'nan'"),
            (("demo", "--sec", "1"), "--sec"),
        ]:
            code, out, err = self.smartmob(*words)
            self.assertEqual((code, out), (2, ""), words)
            self.assertIn(named, err.splitlines()[-1], words)
