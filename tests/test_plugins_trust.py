"""
Tests of L{smartmob.plugins.trust}: plugins that others may write to.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.plugins import trust
from smartmob.plugins.folders import plugin_folders
from tests.support.plugging import TOLD, PluggingCase, plugin


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    """What stat says of a file."""
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


class StrangerTests(SynchronousTestCase):
    """
    Who else may write.
    """

    def test_nobody(self) -> None:
        """What is the agent's user's, or root's, and they alone may write to."""
        for mode in (0o600, 0o644, 0o755, 0o4755):
            for uid in (0, os.geteuid()):
                self.assertIsNone(trust.stranger(status(mode, uid, 4711)), oct(mode))

    def test_ownGroup(self) -> None:
        """A group of one's own is nobody else."""
        for gid in (0, os.getegid()):
            self.assertIsNone(trust.stranger(status(0o664, os.geteuid(), gid)))

    def test_others(self) -> None:
        """Another owner, everybody, another group."""
        uid = os.geteuid()
        for mode, owner, gid, said in (
            (0o600, 4711, 0, "belongs to the user 4711"),
            (0o602, uid, 0, "may be written to by everybody"),
            (0o1777, uid, 0, "may be written to by everybody"),
            (0o664, uid, 4711, "may be written to by the group 4711"),
        ):
            self.assertEqual(trust.stranger(status(mode, owner, gid)), said)


class RefusedTests(PluggingCase):
    """
    Python that is not run.
    """

    def refused(self, opened: Callable[[], str]) -> None:
        """A plugin is refused once others may write to something of it."""
        self.put("it/pack/__init__.py", "from .deep.it import It\n__all__ = ['It']")
        self.put("it/pack/deep/it.py", plugin("TOLD.append(1)"))
        self.put("it/_site/index.html", "<p>")
        path = opened()
        self.load()
        report = self.reports()["it"]
        self.assertEqual(
            (report["state"], report["error"], report["site"]),
            ("refused", f"Refused: {path} may be written to by everybody", "it"),
        )
        self.assertEqual(TOLD, [])

    def opens(self, path: Path) -> str:
        """Let others write to it."""
        path.chmod(path.stat().st_mode | stat.S_IWOTH)
        return str(path)

    def test_pluginsFolder(self) -> None:
        """The plugins folder."""
        self.refused(lambda: self.opens(self.folder))

    def test_folder(self) -> None:
        """The folder of the plugin."""
        self.refused(lambda: self.opens(self.folder / "it"))

    def test_package(self) -> None:
        """The package."""
        self.refused(lambda: self.opens(self.folder / "it" / "pack"))

    def test_packageWithin(self) -> None:
        """A package within the package."""
        self.refused(lambda: self.opens(self.folder / "it" / "pack" / "deep"))

    def test_file(self) -> None:
        """A module."""
        self.refused(lambda: self.opens(self.folder / "it" / "pack" / "deep" / "it.py"))

    def test_target(self) -> None:
        """What a link leads to."""
        target = self.folder / "target.py"
        target.write_text("")

        def linked() -> str:
            os.symlink(target, self.folder / "it" / "pack" / "more.py")
            self.opens(target)
            return str(self.folder / "it" / "pack" / "more.py")

        self.refused(linked)

    def test_data(self) -> None:
        """Anything else in it is no Python."""
        self.put("it/it.py", plugin())
        self.opens(self.put("it/notes.txt"))
        self.opens(self.put("it/_site/index.html"))
        self.load()
        self.assertEqual(self.states(), {"it": "loaded"})

    def test_later(self) -> None:
        """What is imported later is looked at then."""
        self.put("it/it.py", plugin())
        late = self.put("it/late.py")
        self.load()
        self.opens(late)
        self.put("it/later.py").chmod(0o666)
        name = "smartmob_plugins.it"
        for module in ("late", "later"):
            namespace: dict[str, object] = {"__package__": name, "__name__": name}
            again = f"import importlib\nfrom . import {module}\nimportlib.reload({module})"
            self.assertRaises(trust.Refused, exec, again, namespace)

    def test_exchanged(self) -> None:
        """What counts is what is read, not what was found there before."""
        file = self.put("it/it.py", plugin())
        self.load()
        loader: Any = sys.modules["smartmob_plugins.it.it"].__loader__
        self.assertTrue(loader.get_data(str(file)))
        self.opens(file)
        self.assertRaises(trust.Refused, loader.get_data, str(file))

    def test_harmless(self) -> None:
        """A plugin beside it is loaded."""
        self.put("good/it.py", plugin(name="good"))
        self.opens(self.put("bad/it.py", plugin(name="bad")))
        self.load()
        self.assertEqual(self.states(), {"good": "loaded", "bad": "refused"})

    def test_owner(self) -> None:
        """What belongs to another user."""
        if os.geteuid() != 0:
            raise SkipTest("only root gives files away")
        os.chown(self.put("it/it.py", plugin()), 4711, 0)
        self.load()
        self.assertIn("belongs to the user 4711", self.reports()["it"]["error"])

    def above(self, mode: int) -> str | None:
        """The error of a plugin where the folder above the plugins folder has a mode."""
        self.put("it/it.py", plugin())
        self.folder.parent.chmod(mode)
        self.load()
        error: str | None = self.reports()["it"]["error"]
        return error

    def test_above(self) -> None:
        """Who may write to a folder above can put another plugins folder in its place."""
        path, above = self.folder / "it", self.folder.parent
        said = f"Refused: {above}, which {path} lies in, may be written to by everybody"
        self.assertEqual(self.above(0o777), said)

    def test_aboveSticky(self) -> None:
        """But not where only its owner may rename it."""
        self.assertIsNone(self.above(0o1777))

    def test_aboveStickyOwner(self) -> None:
        """The owner of the folder above may, sticky or not."""
        if os.geteuid() != 0:
            raise SkipTest("only root gives files away")
        os.chown(self.folder.parent, 4711, 0)
        self.assertIn(f"{self.folder.parent}, which", self.above(0o1777) or "")

    def test_aboveTarget(self) -> None:
        """What a plugin's folder is a link to has such a place, too."""
        elsewhere = self.folder.parent / "elsewhere"
        elsewhere.mkdir()
        self.put("../elsewhere/it/it.py", plugin())
        os.symlink(elsewhere / "it", self.folder / "linked")
        self.opens(elsewhere)
        self.load()
        self.assertIn(f"{elsewhere}, which", self.reports()["linked"]["error"])

    def test_aboveModule(self) -> None:
        """And what a module is a link to."""
        elsewhere = self.folder.parent / "elsewhere"
        elsewhere.mkdir()
        self.put("../elsewhere/it.py", plugin())
        (self.folder / "it").mkdir()
        os.symlink(elsewhere / "it.py", self.folder / "it" / "it.py")
        self.opens(elsewhere)
        self.load()
        self.assertIn(f"{elsewhere}, which", self.reports()["it"]["error"])

    def test_links(self) -> None:
        """In a plugins folder that others may write to a link is no plugin's folder."""
        elsewhere = Path(self.mktemp()).absolute()
        elsewhere.mkdir()
        (elsewhere / "index.html").write_text("secret")
        os.symlink(elsewhere, self.folder / "linked")
        self.assertEqual([each.name for each in plugin_folders([str(self.folder)])], ["linked"])
        self.opens(self.folder)
        self.assertEqual(list(plugin_folders([str(self.folder)])), [])
        self.load()
        self.assertIsNone(self.plugins.site("linked"))
