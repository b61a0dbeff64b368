"""
Tests of L{smartmob.options}.
"""

from __future__ import annotations

import os
import sys
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smartmob import __version__
from smartmob.main import AgentOptions
from smartmob.options import Options


class OptionsTests(SynchronousTestCase):
    """
    What can be said on the command line.
    """

    def parse(self, *words: str) -> Options:
        """
        Read a command line.
        """
        options = AgentOptions()
        options.parseOptions(words)
        return options

    def said(self, *words: str) -> tuple[int, str, str]:
        """
        How a command line ends the program, and what it says: code, output, errors.
        """
        out, err = StringIO(), StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        with self.assertRaises(SystemExit) as caught:
            self.parse(*words)
        code = caught.exception.code
        return int(code or 0), out.getvalue(), err.getvalue()

    def test_defaults(self) -> None:
        """Without options: loopback, and a folder where the agent was started."""
        self.patch(os, "environ", {})
        options = self.parse()
        self.assertEqual(options["bind"], ["127.0.0.1:8080"])
        self.assertEqual(options["state-dir"], Path.cwd() / ".smartmob")
        self.assertEqual(options["verbosity"], 0)

    def test_stateDirectory(self) -> None:
        """The folder that a service manager provides is used, unless one is named."""
        self.patch(os, "environ", {"STATE_DIRECTORY": "/var/lib/x"})
        self.assertEqual(self.parse()["state-dir"], Path("/var/lib/x"))
        self.assertEqual(self.parse("--state-dir", "y")["state-dir"], Path.cwd() / "y")

    def test_repeated(self) -> None:
        """Addresses may repeat, and so may -v."""
        options = self.parse("--bind", "a:1", "--bind=b:2", "-vv")
        self.assertEqual(options["bind"], ["a:1", "b:2"])
        self.assertEqual(options["verbosity"], 2)

    def test_wrong(self) -> None:
        """What is wrong is said in one line on standard error, with exit code 2."""
        for words in (
            ["--nonsense"],
            ["--backlog", "many"],
            ["--backlog", "0"],
            ["--log-format", "xml"],
            ["extra"],
            ["--bind"],
        ):
            code, out, err = self.said(*words)
            self.assertEqual((code, out), (2, ""), words)
            self.assertEqual(err.count("\n"), 1, err)
            self.assertTrue(err.startswith("smartmob: "), err)

    def test_version(self) -> None:
        """--version prints the version."""
        self.assertEqual(self.said("--version"), (0, f"smartmob {__version__}\n", ""))

    def test_help(self) -> None:
        """-h and --help print the options."""
        for word in ("-h", "--help"):
            code, out, _ = self.said(word)
            self.assertEqual(code, 0)
            for option in ("--bind", "--state-dir", "--daemon", "--pidfile", "--log-format"):
                self.assertIn(option, out)
