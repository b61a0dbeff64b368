"""
Modules as they were when the agent began.

An agent imports some of its modules when somebody first asks for what they do.  By then
another version of smartmob may have been installed in the place of the one that runs, and
half of one does not go with half of another.  So the text of what is not imported yet is
kept, and is what counts where the file has changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType

from attrs import define, field, frozen
from twisted.logger import Logger

_log = Logger()

NOT_OURS = ("client", "hello", "launch", "source/unpack", "units")
"""Folders with nothing in them that an agent imports which has begun."""

_Looks = tuple[int, int, int] | None


@frozen(eq=False, repr=False)
class Text(SourceLoader):
    """
    The text of a module, to load it from.

    @ivar path: Where it was.
    @ivar looks: What tells its file from another one there.
    """

    path: str
    data: bytes
    looks: _Looks

    def get_filename(self, fullname: str) -> str:
        """
        See L{importlib.abc.ExecutionLoader}.
        """
        return self.path

    def get_data(self, path: str) -> bytes:
        """
        See L{importlib.abc.ResourceLoader}.

        @raise OSError: Something else was asked for: what was compiled of it, too, may be of
            another version.
        """
        if path != self.path:
            raise FileNotFoundError(path)
        return self.data


@define(eq=False, repr=False)
class AsBegun(MetaPathFinder):
    """
    Finds modules of a package that have changed since it was made.
    """

    _texts: dict[str, Text] = field(factory=dict)
    _said: bool = False

    def read(self, package: ModuleType) -> None:
        """
        Remember all of a package that is not imported yet.

        @raise OSError: It can't be read.
        """
        for folder in package.__path__:
            self._read(folder, package.__name__)

    def _read(self, folder: str, package: str, below: str = "") -> None:
        for entry in os.scandir(folder):
            stem, dot, kind = entry.name.rpartition(".")
            if dot and kind == "py":
                name = package if stem == "__init__" else f"{package}.{stem}"
                if name not in sys.modules:
                    with open(entry.path, "rb") as file:
                        self._texts[name] = Text(entry.path, file.read(), _looks(entry.path))
            elif below + entry.name in NOT_OURS or entry.name == "__pycache__":
                continue
            elif entry.is_dir():
                self._read(entry.path, f"{package}.{entry.name}", f"{below}{entry.name}/")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """
        See L{MetaPathFinder}.
        """
        text = self._texts.pop(fullname, None)
        if text is None or text.looks == _looks(text.path):
            return None
        if not self._said:
            self._said = True
            _log.warn(
                "smartmob was installed anew since the agent began, which goes on as the "
                "version that it is: start it again to have the other"
            )
        within = [os.path.dirname(text.path)] if text.path.endswith("__init__.py") else None
        return spec_from_file_location(
            fullname, text.path, loader=text, submodule_search_locations=within
        )


def keep(package: ModuleType) -> None:
    """
    Go on with a package as it is now, whatever is installed in its place.  What can't be read
    now is found where it is then.  To say it once more changes nothing.
    """
    if any(isinstance(each, AsBegun) for each in sys.meta_path):
        return
    found = AsBegun()
    try:
        found.read(package)
    except OSError as error:
        _log.info("modules are not kept: {why}", why=str(error))
    else:
        sys.meta_path.insert(0, found)


def _looks(path: str) -> _Looks:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
