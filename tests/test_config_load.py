"""
Tests of L{smartmob.config.load}.
"""

from __future__ import annotations

import os
from configparser import RawConfigParser

from attrs import evolve

from smartmob.config.configuration import Endpoint, Hooks, Settings
from smartmob.config.load import default, load
from smartmob.config.overrides import Overrides
from tests.support.configuring import DOCUMENTED, NOTHING, ConfigurationTestCase


class DocumentedTests(ConfigurationTestCase):
    """
    The file that gafferd's documentation shows.
    """

    def test_wordForWord(self) -> None:
        """
        It loads as it is, without a warning.
        """
        loaded = self.load(DOCUMENTED)
        self.assertEqual(loaded.warnings, ())
        self.assertEqual(loaded.path, os.fspath(self.file))
        self.assertEqual(loaded.endpoints, (Endpoint(name="public", bind=("127.0.0.1:5000",)),))
        self.assertEqual((loaded.hooks, loaded.settings), (Hooks(), Settings()))
        dummy, echo = loaded.templates
        self.assertEqual((dummy.name, echo.name), ("default.dummy", "default.echo"))
        for template, redirected in ((dummy, False), (echo, True)):
            model = template.model
            self.assertEqual((template.numprocesses, template.start), (1, True))
            self.assertEqual(model.cmd, f"./{model.process_type}.py")
            self.assertEqual(model.cwd, os.fspath(self.folder))
            self.assertEqual(model.streams, ("stdout", "stderr"))
            self.assertEqual(model.redirect_input, redirected)
            self.assertEqual(model.graceful_timeout, 30.0)

    def test_indented(self) -> None:
        """
        As its page shows it, with white space before each line, it is the same.
        """
        indented = "".join(f"    {line}\n" for line in DOCUMENTED.splitlines())
        self.assertEqual(self.load(indented).templates, self.load(DOCUMENTED).templates)

    def test_uncommented(self) -> None:
        """
        With all that is commented out in it taken in, it loads too.
        """
        lines = [
            line.lstrip("; ") if "=" in line and "format" not in line else line
            for line in DOCUMENTED.splitlines()
        ]
        loaded = self.load("\n".join(lines))
        self.assertEqual(len(loaded.hooks.hooks), 2)
        self.assertEqual(loaded.endpoints[0].certfile, None)
        model = loaded.templates[0].model
        assert model.flapping is not None
        self.assertEqual(model.flapping.retry_in, 7.0)
        self.assertTrue(model.redirect_input)
        self.assertIsNone(model.identity)


class LoadTests(ConfigurationTestCase):
    """
    Tests of L{load} and L{default}.
    """

    def test_empty(self) -> None:
        """
        A file may be empty.
        """
        loaded = self.load("")
        self.assertEqual(loaded.templates, ())
        self.assertEqual(loaded.endpoints, default(NOTHING).endpoints)

    def test_relative(self) -> None:
        """
        The path of the file may be relative; what it is made of is not.
        """
        self.write("agent.ini", "[process:a]\ncmd = x\n")
        loaded = load(os.path.relpath(self.file), NOTHING)
        self.assertEqual(loaded.path, os.fspath(self.file))
        self.assertEqual(loaded.templates[0].model.cwd, os.fspath(self.folder))

    def test_again(self) -> None:
        """
        The same file is loaded to equal values, by which a reload tells what changed.
        """
        first, second = (self.load(DOCUMENTED) for _ in range(2))
        self.assertEqual(first.templates, second.templates)
        self.assertEqual(first.endpoints, second.endpoints)
        self.assertEqual(first.settings, second.settings)

    def test_overrides(self) -> None:
        """
        The command line wins over the file, and says as much without one.
        """
        (self.folder / "a").mkdir()
        text = "[gaffer]\nplugins_dir = a\npidfile = a/p\nstate_dir = a/s\nstop_timeout = 1\n"
        of_file = self.load(text).settings
        for overrides, changed in (
            (Overrides(plugins_dir="/p"), {"plugins_dirs": ("/p",)}),
            (Overrides(pidfile="/p"), {"pidfile": "/p"}),
            (Overrides(state_dir="/p"), {"state_dir": "/p"}),
        ):
            self.assertEqual(
                self.load(text, overrides).settings,
                evolve(of_file, **changed),
            )
            self.assertEqual(
                default(overrides).settings,
                evolve(Settings(), **changed),
            )

    def test_default(self) -> None:
        """
        Without a file there is the default endpoint, and nothing else.
        """
        found = default(NOTHING)
        self.assertEqual(found.endpoints, (Endpoint(name=None, bind=("127.0.0.1:8080",)),))
        self.assertEqual((found.path, found.templates, found.warnings), (None, (), ()))
        self.assertEqual(found.parser.sections(), [])

    def test_parser(self) -> None:
        """
        Plugins get the merged file, as it was written, with the case of its keys.
        """
        self.write("b.ini", "[plug]\nB = 2\n[DEFAULT]\nx = y\n[only]\n")
        parser = self.load(
            "[gaffer]\ninclude = b.ini\n[plug]\na = 100% %(x)s\nB = 1\nc =\n"
        ).parser
        self.assertIsInstance(parser, RawConfigParser)
        self.assertEqual(parser.sections(), ["gaffer", "plug", "DEFAULT", "only"])
        self.assertEqual(dict(parser.items("plug")), {"a": "100% %(x)s", "B": "2"})
        self.assertEqual(parser.get("gaffer", "include"), "b.ini")
        self.assertFalse(parser.has_option("plug", "b"))
        self.assertFalse(parser.has_option("plug", "x"))
        self.assertEqual(parser.getint("plug", "B"), 2)

    def test_unknown(self) -> None:
        """
        An unknown section is a warning with the nearest that is known; plugins may use it.
        """
        self.assertEqual(
            self.warnings(
                "[gafer]\n[proces:web]\ncmd = x\n[endpoints:b]\n[webhook]\n[process]\n"
                "[DEFAULT]\n[mine]\n[job:x]\n[Gaffer]\n"
            ),
            [
                "agent.ini:1: [gafer] is not known; did you mean gaffer?",
                "agent.ini:2: [proces:web] is not known; did you mean process:web?",
                "agent.ini:4: [endpoints:b] is not known; did you mean endpoint:b?",
                "agent.ini:5: [webhook] is not known; did you mean webhooks?",
                "agent.ini:6: [process] is not known; did you mean process:NAME?",
                "agent.ini:7: [DEFAULT] is not known",
                "agent.ini:8: [mine] is not known",
                "agent.ini:9: [job:x] is not known",
                "agent.ini:10: [Gaffer] is not known; did you mean gaffer?",
            ],
        )

    def test_order(self) -> None:
        """
        What is wrong is said in the order of the files and their lines.
        """
        self.write("b.ini", "[process:b]\ncmd = x\nnice = x\n[gaffer]\nuid = zed\n")
        self.assertEqual(
            [
                mistake.partition(":")[0] + mistake.partition(":")[2].partition(" ")[0]
                for mistake in self.mistakes(
                    "[webhooks]\ncreate = x\n[process:a]\n[process:b]\numask = x\n"
                    "[endpoint:a]\n[gaffer]\ninclude = b.ini\nhttp_endpoints = z\n",
                    Overrides(keyfile=os.fspath(self.write("k"))),
                )
            ],
            [
                "command line",
                *(f"agent.ini{line}:" for line in (2, 3, 5, 6, 9)),
                *(f"b.ini{line}:" for line in (3, 5)),
            ],
        )
