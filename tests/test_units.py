"""
Tests of L{smartmob.units}, and of C{--print-unit}.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.options import Options
from smartmob.standalone import AgentOptions
from smartmob.units import NAMES, NoSuchUnit, installed, unit
from tests.support.agent_process import program
from tests.support.papers import TREE, first_cells, section

TITLE = "What programs may not do"


def said(*words: str, options: type[Options] = Options) -> tuple[int, str, str]:
    """
    What comes of a command line that runs nothing.

    @return: The exit code, and what was written to standard output and error.
    """
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            options().parseOptions(words)
        except SystemExit as ended:
            return int(str(ended.code)), out.getvalue(), err.getvalue()
    raise AssertionError("it would run")


class UnitsTests(SynchronousTestCase):
    """
    The units as texts.
    """

    def setUp(self) -> None:
        """
        A folder for them.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_command(self) -> None:
        """
        What is started is a twistd by its full path, in the foreground, without a pidfile.
        """
        for name in ("smartmob.service", "smartmob@.service"):
            [line] = re.findall("^ExecStart=.*", unit(name, "/opt/x/twistd"), re.MULTILINE)
            self.assertTrue(line.startswith("ExecStart=/opt/x/twistd -n --pidfile= smartmob "))

    def test_installed(self) -> None:
        """
        Unless one is named it is the one beside this agent.
        """
        self.assertEqual(os.path.basename(installed()), "twistd")
        self.assertTrue(os.access(installed(), os.X_OK))
        self.assertIn(f"ExecStart={installed()} ", unit(NAMES[0]))

    def test_oddPath(self) -> None:
        """
        A path with what means something in a unit is still one path.
        """
        found = unit(NAMES[0], '/o p/100%/"x"/twistd')
        self.assertIn('ExecStart="/o p/100%%/\\"x\\"/twistd" -n ', found)

    def test_unknown(self) -> None:
        """
        Of another name there is none.
        """
        for name in ("", "smartmob", "../__init__.py", "smartmob@x.service"):
            self.assertRaises(NoSuchUnit, unit, name)

    def test_files(self) -> None:
        """
        They are all files that are there.
        """
        folder = Path(sys.modules["smartmob.units"].__file__ or "").parent
        there = {path.name for path in folder.iterdir() if path.name.startswith("smartmob")}
        self.assertEqual(there, set(NAMES))

    def test_alike(self) -> None:
        """
        The template differs from the other only where its instances have to.
        """
        one, template = (unit(name, "twistd").splitlines() for name in (NAMES[0], NAMES[2]))
        differing = {
            line.partition("=")[0].lstrip("#")
            for line in set(one) ^ set(template)
            if not line.startswith("# ")
        }
        self.assertEqual(
            differing,
            {
                "Description",
                "EnvironmentFile",
                "ExecStart",
                "LoadCredential",
                "StateDirectory",
                "RuntimeDirectory",
                "WorkingDirectory",
            },
        )

    def test_explained(self) -> None:
        """
        What it keeps programs from is explained, line by line.
        """
        restrictions = unit(NAMES[0]).partition("# This is for its programs")[2]
        lines = re.findall("^[A-Z][A-Za-z]+=", restrictions, re.MULTILINE)
        explained = " ".join(first_cells(section(TREE / "docs" / "systemd.rst", TITLE)))
        self.assertEqual([line for line in lines[:-1] if line not in explained], [])
        self.assertEqual(lines[-1], "WantedBy=")

    def test_verified(self) -> None:
        """
        systemd finds nothing odd in them.
        """
        verifier = shutil.which("systemd-analyze")
        if verifier is None:
            raise SkipTest("no systemd-analyze on this machine")
        for name in NAMES:
            (self.folder / name).write_text(unit(name, "/bin/true"))
        named = [name.replace("@", "@some") for name in NAMES]
        done = subprocess.run(
            [verifier, "verify", *(self.folder / name for name in named)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        # It looks at all that units refer to, and this machine's own may be odd.
        own = [line for line in done.stderr.splitlines() if "smartmob" in line]
        self.assertEqual(own, [])


class PrintUnitTests(SynchronousTestCase):
    """
    The option.
    """

    def test_named(self) -> None:
        """
        It shows the unit that is named, however that is said, or smartmob.service.
        """
        for options in (Options, AgentOptions):
            for name in NAMES:
                for words in (["--print-unit", name], [f"--print-unit={name}"]):
                    self.assertEqual(said(*words, options=options), (0, unit(name), ""))
            self.assertEqual(said("--print-unit", options=options), (0, unit(NAMES[0]), ""))

    def test_unknown(self) -> None:
        """
        Another name is a mistake, which is answered by those there are.
        """
        for words in (["--print-unit", "x"], ["--print-unit=x"], ["--print-unit", "a", "b"]):
            code, out, err = said(*words)
            self.assertEqual((code, out), (2, ""))
            self.assertEqual(err.count("\n"), 1)
        self.assertIn(", ".join(NAMES), said("--print-unit=x")[2])

    def test_ways(self) -> None:
        """
        It is the same under each of the programs that run an agent.
        """
        shown = unit(NAMES[1])
        for words in (["smartmob-agent"], ["twistd", "smartmob"], ["twist", "smartmob"]):
            done = subprocess.run(
                [program(words[0]), *words[1:], "--print-unit", NAMES[1]],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, shown, ""))
