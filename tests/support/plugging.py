"""
Plugins as operators write them, on disk.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path
from textwrap import dedent
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.plugins.plugins import Plugins
from tests.support.agents import FakeAgent

TOLD: list[Any] = []
"""What plugins of tests say; they import it."""


def plugin(body: str = "return None", name: str = "it", **more: object) -> str:
    """
    A module with a plugin.

    @param body: Of its method C{app}.
    @param more: Further attributes.
    """
    attributes = "\n".join(f"    {key} = {value!r}" for key, value in more.items())
    return (
        "from smartmob import Plugin\n"
        "from tests.support.plugging import TOLD\n"
        "__all__ = ['It']\n"
        "class It(Plugin):\n"
        f"    name = {name!r}\n{attributes}\n"
        f"    def app(self, cfg):\n        {body}\n"
    )


def app(methods: str, name: str = "it", **more: object) -> str:
    """
    A module with a plugin whose application has these methods.
    """
    indented = "\n".join(f"    {line}" for line in dedent(methods).strip().splitlines())
    return f"{plugin('return App()', name, **more)}\nclass App:\n{indented}\n"


class PluggingCase(SynchronousTestCase):
    """
    A plugins folder, and an agent whose processes do nothing.
    """

    def setUp(self) -> None:
        TOLD.clear()
        self.clock = Clock()
        self.agent = FakeAgent()
        # Not where tests are run: that may be a folder which others may write to.
        place = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.addCleanup(shutil.rmtree, place)
        self.folder = place / "plugins"
        self.folder.mkdir()
        self.parser = RawConfigParser()
        self.plugins = Plugins(self.agent.real, self.clock, lambda: ())
        before = dict(sys.modules)
        self.addCleanup(self.forget, before)

    def forget(self, before: Mapping[str, object]) -> None:
        """Modules of plugins are gone after a test."""
        for name in set(sys.modules) - set(before):
            if name.startswith("smartmob_plugins"):
                del sys.modules[name]

    def put(self, path: str, text: str | bytes = b"") -> Path:
        """Write a file of a plugin."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def load(self, *folders: str | Path) -> None:
        """Load what there is."""
        self.plugins.load([os.fspath(each) for each in folders or (self.folder,)], self.parser)

    def reload(self) -> None:
        """Load what there is now."""
        loading = self.plugins.prepare([str(self.folder)], self.parser)
        self.successResultOf(loading.commit())

    def reports(self) -> dict[str, dict[str, Any]]:
        """The reports, by names."""
        return {report["name"]: report for report in self.plugins.report()}

    def states(self) -> dict[str, str]:
        """The states that they say."""
        return {name: report["state"] for name, report in self.reports().items()}

    def start(self) -> None:
        """Load what there is, and start it."""
        self.load()
        self.plugins.startService()

    def stop(self) -> None:
        """Stop all, which is soon over."""
        stopped = self.plugins.stopService()
        self.clock.pump([0.5] * 5)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
