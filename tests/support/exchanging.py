"""
The package, exchanged under those who run it, as an installer does that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import smartmob

ANOTHER = """
import sys
if "smartmob.lifecycle" in sys.modules:
    raise ImportError(f"{__name__} is of another version")
"""
"""What makes a module one that can't be used by an agent which began with another version."""


class Installation:
    """
    A copy of the package that may be exchanged.

    @ivar env: What an agent's environment needs, that it runs this one.
    """

    def __init__(self, folder: Path) -> None:
        self._site = folder / "site"
        self._package = self._site / "smartmob"
        self._copy()
        others = os.environ.get("PYTHONPATH")
        path = [str(self._site), *([others] if others else [])]
        self.env: Mapping[str, str] = {"PYTHONPATH": os.pathsep.join(path)}

    def exchange(self) -> None:
        """
        Put another version in its place, of whose modules none goes with those of the version
        before.
        """
        old = self._package.rename(self._site / "~smartmob")
        self._copy()
        for path in self._package.rglob("*.py"):
            path.write_text(path.read_text() + ANOTHER)
        shutil.rmtree(old)

    def restore(self) -> None:
        """
        Install a version that works.
        """
        shutil.rmtree(self._package)
        self._copy()

    def _copy(self) -> None:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.dirname(smartmob.__file__), self._package, ignore=ignore)
