"""
Tests of L{smartmob.as_begun}.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import cast

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

import smartmob
from smartmob.as_begun import AsBegun


class AsBegunTests(SynchronousTestCase):
    """
    A package that is exchanged while somebody uses it.
    """

    def setUp(self) -> None:
        site = tempfile.mkdtemp()
        self.addCleanup(self.forget)
        self.folder = Path(site, "exchanged")
        self.install("old")
        self.patch(sys, "path", [site, *sys.path])
        self.patch(sys, "dont_write_bytecode", False)
        self.package = import_module("exchanged")
        self.found = AsBegun()
        self.patch(sys, "meta_path", [self.found, *sys.meta_path])

    def forget(self) -> None:
        """
        Import it anew in the next test.
        """
        for name in [each for each in sys.modules if each.partition(".")[0] == "exchanged"]:
            del sys.modules[name]

    def install(self, version: str) -> None:
        """
        Put a version there.
        """
        for path in "__init__.py", "one.py", "room/__init__.py", "room/two.py":
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_text(f"VERSION = {version!r}\n")
        invalidate_caches()

    def version(self, name: str) -> str:
        """
        Which version of a module is imported.
        """
        return cast(str, import_module(f"exchanged.{name}").VERSION)

    def test_exchanged(self) -> None:
        """
        Where another version was installed, modules are those of the one that began, and it
        is said once.
        """
        self.found.read(self.package)
        self.install("another")
        with capturedLogs() as logged:
            self.assertEqual([self.version(name) for name in ("one", "room.two")], ["old"] * 2)
        [warning] = logged
        self.assertIn("installed anew", warning["log_format"])

    def test_removed(self) -> None:
        """
        So it is where they are there no more.
        """
        self.found.read(self.package)
        for name in "one.py", "room/__init__.py":
            (self.folder / name).unlink()
        self.assertEqual([self.version(name) for name in ("one", "room")], ["old"] * 2)

    def test_same(self) -> None:
        """
        What has not changed is imported as ever, with what was compiled of it.
        """
        self.found.read(self.package)
        module = import_module("exchanged.one")
        assert module.__spec__ is not None
        self.assertNotIsInstance(module.__spec__.loader, type(self.found))
        self.assertIsNotNone(module.__spec__.cached)

    def test_others(self) -> None:
        """
        Of what is imported already, and of other packages, nothing is kept.
        """
        self.version("one")
        self.found.read(self.package)
        self.assertIsNone(self.found.find_spec("exchanged.one", None))
        self.assertIsNone(self.found.find_spec("json", None))
        self.assertEqual(self.version("room.two"), "old")

    def test_whole(self) -> None:
        """
        Of smartmob itself the client is left out, whose programs are their own.
        """
        found = AsBegun()
        found.read(smartmob)
        self.assertFalse([name for name in found._texts if "client" in name.split(".")])
