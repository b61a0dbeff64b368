"""
The import of plugins: each folder is a package of its own below C{smartmob_plugins},
so that what two plugins call the same are two modules, and relative imports work.

Nothing is added to C{sys.path}.  What is added to C{sys.meta_path} once finds modules
below that package only, and keeps three promises that Python's own would not: no file
is run that others may write to, judged by what was opened; nothing is written into a
plugin's folder; and nothing is run but source and extension modules, so no left-over
of a compilation that nobody sees.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import CodeType, ModuleType

from smartmob.plugins import trust
from smartmob.plugins.folders import PluginFolder
from smartmob.plugins.plugin import Plugin

PACKAGE = "smartmob_plugins"
"""What all of them are below."""


class _Loader(SourceFileLoader):
    """
    Runs source.
    """

    def get_code(self, fullname: str) -> CodeType:
        """
        Compile it, each time: nothing is kept.
        """
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    def get_data(self, path: str) -> bytes:
        """
        Read a file.

        @raise Refused: Others may write to it.
        """
        with open(path, "rb") as file:
            trust.check(os.fstat(file.fileno()), path)
            return file.read()


class _Finder(MetaPathFinder):
    """
    Finds modules of plugins.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        Where a module is.

        @raise ModuleNotFoundError: There is none of that name in the plugin.
        @raise Refused: Others may write to it, or put another in its place.
        """
        if not fullname.startswith(f"{PACKAGE}."):
            return None
        for entry in path or ():
            kinds = ((_Loader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES))
            spec = FileFinder(entry, *kinds).find_spec(fullname)
            if spec is not None:
                for found in (spec.origin, *(spec.submodule_search_locations or ())):
                    if found is not None:
                        trust.check(os.stat(found), found)
                        trust.check_place(found)
                return spec
        raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


_finder = _Finder()


class Imports:
    """
    The modules of one plugin's folder.

    @ivar name: What they are below.
    """

    def __init__(self, folder: PluginFolder) -> None:
        """
        Make room for them.
        """
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        if PACKAGE not in sys.modules:
            sys.modules[PACKAGE] = _namespace(PACKAGE, [])
        self._forgotten = False
        self._path = os.path.realpath(folder.path)
        self.name = f"{PACKAGE}.{re.sub('[^A-Za-z0-9_]', '_', folder.name)}"
        while self.name in sys.modules:
            self.name += "_"
        sys.modules[self.name] = _namespace(self.name, [self._path])

    def load(self, module: str) -> ModuleType:
        """
        Import a module of the folder.

        @raise BaseException: It can't be; there is no end to why.
        """
        if module == "__init__":
            return self._load_package()
        return importlib.import_module(f"{self.name}.{module}")

    def forget(self) -> None:
        """
        They are not needed any more.  May be repeated.
        """
        if self._forgotten:
            return  # another may have the name now
        self._forgotten = True
        for name in list(sys.modules):
            if name == self.name or name.startswith(f"{self.name}."):
                del sys.modules[name]

    def _load_package(self) -> ModuleType:
        """
        The folder is a package itself.
        """
        path = os.path.join(self._path, "__init__.py")
        spec = spec_from_file_location(
            self.name,
            path,
            loader=_Loader(self.name, path),
            submodule_search_locations=[self._path],
        )
        assert spec is not None
        assert spec.loader is not None
        package = module_from_spec(spec)
        before = sys.modules[self.name]
        sys.modules[self.name] = package
        try:
            spec.loader.exec_module(package)
        except BaseException:
            sys.modules[self.name] = before
            raise
        return package


@contextmanager
def importable_as_gaffer() -> Iterator[None]:
    """
    Meanwhile C{gaffer} can be imported, for plugins that were written for it, where
    there is no real one.
    """
    if "gaffer" in sys.modules or _is_installed("gaffer"):
        yield
        return
    stand_in = ModuleType("gaffer", "What plugins of gafferd import.")
    stand_in.__dict__.update(Plugin=Plugin, __all__=["Plugin"])
    sys.modules["gaffer"] = stand_in
    try:
        yield
    finally:
        if sys.modules.get("gaffer") is stand_in:
            del sys.modules["gaffer"]


def _is_installed(name: str) -> bool:
    """
    Whether there is such a package.  A folder of that name without C{__init__.py}, as
    may lie where the agent was started, is none.
    """
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


def _namespace(name: str, path: list[str]) -> ModuleType:
    package = ModuleType(name)
    package.__path__ = path
    return package
