"""
Tests of L{smartmob.plugins.plugins} and what it loads with: what is a plugin, and what
becomes of those that are broken.
"""

from __future__ import annotations

import io
import os
import py_compile
import sys
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

import smartmob
from smartmob.plugins.folders import default_folders
from smartmob.plugins.installed import ENTRY_POINTS, installed, may_be_installed
from smartmob.plugins.plugin import Plugin
from smartmob.plugins.plugins import MissingPlugin
from tests.support.papers import TREE
from tests.support.plugging import TOLD, PluggingCase, app, plugin

EXAMPLES = TREE / "examples" / "plugins"


class InstalledPlugin(Plugin):
    """
    What an entry point of these tests leads to.
    """

    name = "installed"


class DocumentedTests(PluggingCase):
    """
    The plugin of gafferd's documentation.
    """

    def test_life(self) -> None:
        """It is started and stopped, and has no restart that could be called."""
        said = io.StringIO()
        with redirect_stdout(said):
            self.load(EXAMPLES)
            self.plugins.startService()
            loading = self.plugins.prepare([str(EXAMPLES)], self.parser)
            self.successResultOf(loading.commit())
            self.stop()
        self.assertEqual(said.getvalue().splitlines(), ["start dummy app", "stop dummy"])

    def test_report(self) -> None:
        """It is reported as it describes itself."""
        self.load(EXAMPLES)
        self.assertEqual(
            self.reports()["dummy"],
            {
                "name": "dummy",
                "version": "1.0",
                "description": "test",
                "mandatory": [],
                "folder": "dummy",
                "module": None,
                "state": "loaded",
                "error": None,
                "site": None,
            },
        )
        self.assertEqual(self.states(), {"dummy": "loaded", "hello": "site"})

    def test_nothingWritten(self) -> None:
        """Nothing is written into its folder, and sys.path is as it was."""
        self.patch(sys, "dont_write_bytecode", False)
        path = list(sys.path)
        self.load(EXAMPLES)
        self.assertEqual(list(EXAMPLES.rglob("*.pyc")), [])
        self.assertEqual(sys.path, path)


class GafferTests(PluggingCase):
    """
    The name C{gaffer}.
    """

    def test_afterwards(self) -> None:
        """It can be imported only while plugins load."""
        self.put("it/it.py", f"import gaffer\n{plugin()}\nTOLD.append(gaffer.Plugin)")
        self.load()
        self.assertEqual(TOLD, [smartmob.Plugin])
        self.assertNotIn("gaffer", sys.modules)

    def test_afterFailure(self) -> None:
        """It is gone after a plugin that failed, too."""
        self.put("it/it.py", "import gaffer\nimport gaffer.nothing")
        self.load()
        self.flushLoggedErrors(ImportError)
        self.assertNotIn("gaffer", sys.modules)

    def test_real(self) -> None:
        """A real one is left alone."""
        real = ModuleType("gaffer")
        self.patch(sys, "modules", {**sys.modules, "gaffer": real})
        self.put("it/it.py", f"{plugin()}\nimport gaffer\nTOLD.append(gaffer)")
        self.load()
        self.assertEqual(TOLD, [real])
        self.assertIs(sys.modules["gaffer"], real)

    def test_folderOfThatName(self) -> None:
        """A folder of that name where the agent was started is no real one."""
        place = Path(self.mktemp()).absolute()
        (place / "gaffer").mkdir(parents=True)
        self.patch(sys, "path", [str(place), *sys.path])
        self.put("it/it.py", f"import gaffer\n{plugin()}\nTOLD.append(gaffer.Plugin)")
        self.load()
        self.assertEqual(TOLD, [smartmob.Plugin])


class FoundTests(PluggingCase):
    """
    What is a plugin.
    """

    def test_anyPlace(self) -> None:
        """A package of any name, a module, and a folder that is a package itself."""
        self.put("a/pack/__init__.py", "from .inner import It\n__all__ = ['It']")
        self.put("a/pack/inner.py", plugin(name="package"))
        self.put("b/module.py", plugin(name="module"))
        self.put("c/__init__.py", "from .inner import It\n__all__ = ['It']")
        self.put("c/inner.py", plugin(name="folder"))
        self.load()
        self.assertEqual(
            self.states(), {"package": "loaded", "module": "loaded", "folder": "loaded"}
        )

    def test_sameNames(self) -> None:
        """Packages of two plugins may be called the same."""
        for name in ("a", "b"):
            self.put(f"{name}/plugin/__init__.py", "from .inner import It\n__all__ = ['It']")
            self.put(f"{name}/plugin/inner.py", plugin(name=name))
        self.load()
        self.assertEqual(self.states(), {"a": "loaded", "b": "loaded"})

    def test_similarFolders(self) -> None:
        """So may folders, as far as a module can be called like them."""
        self.put("a.b/it.py", plugin(name="one"))
        self.put("a-b/it.py", plugin(name="two"))
        self.put("a b/it.py", plugin(name="three"))
        self.load()
        self.assertEqual(set(self.states()), {"one", "two", "three"})

    def test_lateImport(self) -> None:
        """A plugin may import of its own when it is running, and then, too, nothing is
        written."""
        self.patch(sys, "dont_write_bytecode", False)
        self.put("it/pack/__init__.py", app("def start(self, *_):\n    from . import late"))
        self.put(
            "it/pack/late.py", "from tests.support.plugging import TOLD\nTOLD.append('late')"
        )
        self.start()
        self.assertEqual(TOLD, ["late"])
        self.assertEqual(list(self.folder.rglob("*.pyc")), [])
        self.stop()

    def test_configuration(self) -> None:
        """app() gets the configuration."""
        self.parser.read_string("[it]\nkey = 5%")
        self.put("it/it.py", plugin("TOLD.append(cfg.get('it', 'key'))"))
        self.load()
        self.assertEqual(TOLD, ["5%"])

    def test_nameOfFolder(self) -> None:
        """A plugin without a name is called as its folder."""
        self.put("watch/it.py", plugin(name=""))
        self.load()
        self.assertEqual(self.states(), {"watch": "loaded"})

    def test_oncePerClass(self) -> None:
        """A class that several modules name is one plugin, and the base class is none."""
        self.put("it/a.py", plugin("TOLD.append(1)"))
        self.put("it/b.py", "from .a import It, Plugin\n__all__ = ['It', 'Plugin']")
        self.load()
        self.assertEqual((self.states(), TOLD), ({"it": "loaded"}, [1]))

    def test_notLooked(self) -> None:
        """Hidden folders, files, and Python of a site are none."""
        self.put(".hidden/it.py", "1/0")
        self.put("__pycache__/it.py", "1/0")
        self.put("file.py", "1/0")
        self.put("it/_site/it.py", "1/0")
        self.put("it/.it.py", "1/0")
        self.load()
        self.assertEqual(self.states(), {"it": "site"})

    def test_leftovers(self) -> None:
        """What was compiled and has no source is not run."""
        source = self.put("elsewhere", plugin("1 / 0"))
        self.put("it/it.py", "from .gone import It\n__all__ = ['It']")
        py_compile.compile(str(source), str(self.folder / "it" / "gone.pyc"))
        self.load()
        self.assertEqual(len(self.flushLoggedErrors(ModuleNotFoundError)), 1)

    def test_linkedFolder(self) -> None:
        """An operator may link to where a plugin is."""
        elsewhere = Path(self.mktemp()).absolute()
        elsewhere.mkdir()
        (elsewhere / "it.py").write_text(plugin())
        os.symlink(elsewhere, self.folder / "linked")
        self.load()
        self.assertEqual(self.states(), {"it": "loaded"})

    def test_entryPoint(self) -> None:
        """A plugin that pip installed is one."""
        self.plugins.installed = lambda: [
            EntryPoint("a", f"{__name__}:InstalledPlugin", ENTRY_POINTS),
            EntryPoint("b", f"{__name__}:TOLD", ENTRY_POINTS),
            EntryPoint("c", "no_such_module:It", ENTRY_POINTS),
        ]
        self.load()
        self.flushLoggedErrors(ImportError)
        reports = self.reports()
        self.assertEqual(self.states(), {"installed": "loaded", "b": "failed", "c": "failed"})
        self.assertIsNone(reports["installed"]["folder"])
        self.assertIn("NoPlugin: ", reports["b"]["error"])
        self.assertIn("ModuleNotFoundError: ", reports["c"]["error"])

    def packages(self, group: str, name: str = "it-1.dist-info") -> str:
        """A folder of the module path with a package that has something of a group."""
        folder = Path(self.mktemp()).absolute()
        (folder / name).mkdir(parents=True)
        (folder / name / "METADATA").write_text("Name: it\nVersion: 1\n")
        (folder / name / "entry_points.txt").write_text(f"[{group}]\nit = it:It\n")
        return str(folder)

    def test_installed(self) -> None:
        """What pip installed is found by its group, and nothing else is."""
        found = self.packages(ENTRY_POINTS)
        others = self.packages("console_scripts", "other-1.dist-info")
        self.patch(sys, "path", [others, found])
        self.assertEqual([(each.name, each.value) for each in installed()], [("it", "it:It")])
        self.patch(sys, "path", [others])
        self.assertEqual(list(installed()), [])

    def test_egg(self) -> None:
        """An egg that is a folder, and is on the path by itself, is looked into, too."""
        egg = self.packages(ENTRY_POINTS, "it-1.egg/EGG-INFO") + "/it-1.egg"
        self.patch(sys, "path", [egg])
        self.assertEqual([(each.name, each.value) for each in installed()], [("it", "it:It")])

    def test_mayBeInstalled(self) -> None:
        """Wherever there could be some, it is asked for them; else nobody is."""
        none = Path(self.mktemp()).absolute()
        none.mkdir()
        (none / "bare-1.dist-info").mkdir()
        (none / "old-1.egg-info").write_text("Name: old\n")
        archive = none / "archive.zip"
        archive.touch()
        for path, may in (
            ([], False),
            (["/nowhere", str(none), self.packages("console_scripts")], False),
            ([str(none), self.packages(ENTRY_POINTS)], True),
            ([self.packages(ENTRY_POINTS, "it.egg-info")], True),
            ([self.packages("any", "it-1.egg")], True),
            ([str(archive)], True),
        ):
            self.assertEqual(may_be_installed(path), may, path)

    def test_otherFinders(self) -> None:
        """Who else finds packages may find some."""

        class Other:
            find_distributions = None

        self.patch(sys, "meta_path", [*sys.meta_path, Other()])
        self.assertTrue(may_be_installed([]))


class BrokenTests(PluggingCase):
    """
    Plugins that fail to load.
    """

    def broken(self, text: str, *errors: type[BaseException]) -> str:
        """Load a broken plugin beside one that works; what is said of it."""
        self.put("broken/plugin/__init__.py", text)
        self.put("works/plugin/__init__.py", plugin(name="works"))
        self.start()
        self.assertEqual(self.states(), {"broken": "failed", "works": "loaded"})
        self.assertEqual(len(self.flushLoggedErrors(*errors)), 1 if errors else 0)
        self.assertFalse(
            [name for name in sys.modules if name.startswith("smartmob_plugins.b")]
        )
        self.stop()
        return str(self.reports()["broken"]["error"])

    def test_syntax(self) -> None:
        """That is no Python."""
        said = self.broken("def (", SyntaxError)
        self.assertEqual(said, "SyntaxError: invalid syntax (__init__.py, line 1)")

    def test_import(self) -> None:
        """What it needs is not there."""
        said = self.broken("import no_such_module", ImportError)
        self.assertEqual(said, "ModuleNotFoundError: No module named 'no_such_module'")

    def test_raises(self) -> None:
        """It raises anything."""
        said = self.broken("raise ValueError('one\\ntwo')", ValueError)
        self.assertEqual(said, "ValueError: one two")

    def test_exits(self) -> None:
        """It wants to end the agent."""
        self.assertEqual(self.broken("import sys; sys.exit(3)", SystemExit), "SystemExit: 3")

    def test_baseException(self) -> None:
        """It raises what is no Exception."""
        self.assertEqual(self.broken("raise BaseException", BaseException), "BaseException")

    def test_interrupted(self) -> None:
        """Who interrupts the start interrupts it."""
        self.put("it/it.py", "raise KeyboardInterrupt")
        self.assertRaises(KeyboardInterrupt, self.load)

    def test_app(self) -> None:
        """app() raises."""
        said = self.broken(plugin("1 / 0", name="broken"), ZeroDivisionError)
        self.assertEqual(said, "ZeroDivisionError: division by zero")

    def test_all(self) -> None:
        """__all__ names what is not there, or is nothing of the kind."""
        self.assertIn("AttributeError: ", self.broken("__all__ = ['It']", AttributeError))

    def test_notPlugin(self) -> None:
        """No module has a plugin."""
        said = self.broken("class It: pass\n__all__ = ['It']")
        self.assertIn("NoPlugin: ", said)

    def test_longMessage(self) -> None:
        """A message is not of any length."""
        self.assertLess(len(self.broken("raise ValueError('x' * 10**4)", ValueError)), 1000)

    def test_untold(self) -> None:
        """It raises what can't even say what it is."""
        said = self.broken(
            "class It(Exception):\n    def __str__(self):\n        1 / 0\nraise It", Exception
        )
        self.assertEqual(said, "It: it can't be told")

    def test_folderPackage(self) -> None:
        """A folder that is a package, and fails, is no harm to its modules."""
        self.put("it/__init__.py", "from . import inner; 1 / 0")
        self.put("it/inner.py", plugin())
        self.load()
        self.flushLoggedErrors(ZeroDivisionError)
        found = [(r["name"], r["module"], r["state"]) for r in self.plugins.report()]
        self.assertEqual(found, [("it", None, "loaded"), ("it", "__init__", "failed")])

    def test_otherModule(self) -> None:
        """A module that fails is no harm to a plugin beside it."""
        self.put("it/it.py", plugin())
        self.put("it/setup.py", "raise SystemExit('no commands supplied')")
        self.load()
        self.flushLoggedErrors(SystemExit)
        found = [(r["module"], r["state"], r["error"]) for r in self.plugins.report()]
        self.assertEqual(
            found,
            [(None, "loaded", None), ("setup", "failed", "SystemExit: no commands supplied")],
        )

    def test_empty(self) -> None:
        """A folder that has neither Python nor a site is said to be none."""
        (self.folder / "empty").mkdir()
        self.load()
        self.assertEqual(self.states(), {"empty": "failed"})


class NameTests(PluggingCase):
    """
    Names that there are twice.
    """

    def test_folders(self) -> None:
        """Of two folders of a name the first is loaded, the other reported."""
        second = Path(self.mktemp()).absolute()
        (second / "it").mkdir(parents=True)
        (second / "it" / "it.py").write_text("1 / 0")
        self.put("it/it.py", plugin())
        self.put("it/_site/index.html")
        self.load(self.folder, second)
        found = [(r["state"], r["error"], r["site"]) for r in self.plugins.report()]
        taken = f"NameTaken: {self.folder / 'it'} was found first"
        self.assertEqual(found, [("loaded", None, "it"), ("failed", taken, None)])

    def test_plugins(self) -> None:
        """Of two plugins of a name the first is loaded, the other not even made."""
        self.put("a/it.py", plugin("TOLD.append('a')"))
        self.put("b/it.py", plugin("TOLD.append('b')"))
        self.load()
        self.assertEqual(TOLD, ["a"])
        self.assertEqual(self.states(), {"it": "loaded", "b": "failed"})
        self.assertIn("NameTaken: ", self.reports()["b"]["error"])


class MandatoryTests(PluggingCase):
    """
    Plugins that others need.
    """

    def missing(self) -> str:
        """What is said when something is missing."""
        with self.assertRaises(MissingPlugin) as caught:
            self.load()
        self.assertEqual(self.plugins.report(), [])
        self.assertFalse([name for name in sys.modules if name.startswith("smartmob_plugins.")])
        return str(caught.exception)

    def test_missing(self) -> None:
        """What is missing is said, and who needs it."""
        self.put("a/it.py", plugin(name="a", mandatory=["somedep"]))
        self.assertEqual(
            self.missing(), "plugin 'a' needs the plugin 'somedep', which is missing"
        )

    def test_broken(self) -> None:
        """Why it could not be loaded is said, too."""
        self.put("a/it.py", plugin(name="a", mandatory=["b"]))
        self.put("b/it.py", "1 / 0")
        said = self.missing()
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(
            said,
            "plugin 'a' needs the plugin 'b', which is not loaded "
            "(ZeroDivisionError: division by zero)",
        )

    def test_all(self) -> None:
        """Everything that is missing is said, on one line."""
        self.put("a/it.py", plugin(name="a", mandatory=["b", "c"]))
        self.assertIn("; plugin 'a' needs the plugin 'c'", self.missing())

    def test_there(self) -> None:
        """What is there may come later, be named by its folder, or be a site."""
        self.put("a/it.py", plugin(name="a", mandatory=["z", "folder", "site"]))
        self.put("folder/it.py", plugin(name="other"))
        self.put("z/it.py", plugin(name="z", mandatory="a"))
        self.put("site/_site/index.html")
        self.load()
        self.assertEqual(self.reports()["z"]["mandatory"], ["a"])

    def test_brokenSite(self) -> None:
        """A plugin whose Python is broken is not there, though it has a site."""
        self.put("a/it.py", plugin(name="a", mandatory=["b"]))
        self.put("b/_site/index.html")
        self.put("b/it.py", "1 / 0")
        self.assertIn("ZeroDivisionError", self.missing())
        self.flushLoggedErrors(ZeroDivisionError)


class FolderTests(SynchronousTestCase):
    """
    Plugins folders.
    """

    def test_default(self) -> None:
        """Smartmob's comes first, then gafferd's, if they are there."""
        home = self.mktemp()
        gafferd = os.path.join(home, ".gafferd", "plugins")
        os.makedirs(gafferd)
        self.assertEqual(default_folders(home), [gafferd])
        ours = os.path.join(home, ".smartmob", "plugins")
        os.makedirs(ours)
        self.assertEqual(default_folders(home), [ours, gafferd])


class NoFolderTests(PluggingCase):
    """
    A plugins folder that is not there.
    """

    def test_warning(self) -> None:
        """Is warned of, and nothing else."""
        loading = self.plugins.prepare([str(self.folder), "/no/such"], self.parser)
        self.assertEqual(loading.warnings, ["there is no plugins folder /no/such"])
