"""
Where plugins lie: a folder in a plugins folder is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from attrs import frozen

from smartmob.plugins import trust

SITE = "_site"
"""The folder in a plugin's folder whose files are served."""

INDEX = "index.html"
"""What is shown of a folder."""

_NO_PYTHON = {SITE, "__pycache__"}


def default_folders(home: str) -> list[str]:
    """
    Where plugins are looked for if nobody says where: those that exist.
    """
    folders = (
        os.path.join(home, ".smartmob", "plugins"),
        os.path.join(home, ".gafferd", "plugins"),
    )
    return [folder for folder in folders if os.path.isdir(folder)]


@frozen
class PluginFolder:
    """
    The folder of a plugin.

    @ivar parent: The plugins folder that it was found in.
    """

    name: str
    parent: str

    @property
    def path(self) -> str:
        """
        Where it is.
        """
        return os.path.join(self.parent, self.name)

    def modules(self) -> list[str]:
        """
        The Python in it that would be run: its packages, and the modules directly in
        it, by name; first C{__init__}, where it is a package itself.
        """
        found = set()
        for entry in _entries(self.path):
            name, extension = os.path.splitext(entry.name)
            if "." in name or entry.name in _NO_PYTHON:
                continue
            init = os.path.join(entry.path, "__init__.py")
            if (
                entry.is_file()
                if extension == ".py"
                else not extension and os.path.isfile(init)
            ):
                found.add(name)
        return sorted(found, key=lambda name: (name != "__init__", name))

    def check(self) -> None:
        """
        See that nobody but the agent's user can say what its Python does.

        @raise Refused: Somebody can.
        """
        trust.check(os.stat(self.parent), self.parent)
        trust.check(os.stat(self.path), self.path)
        trust.check_place(self.path)
        for name in self.modules():
            file = os.path.join(self.path, f"{name}.py")
            if os.path.isfile(file):
                trust.check(os.stat(file), file)
            package = os.path.join(self.path, name)
            for folder, _, files in os.walk(package):
                for path in (folder, *(os.path.join(folder, file) for file in files)):
                    if path == folder or path.endswith(".py"):
                        trust.check(os.stat(path), path)

    def in_its_place(self) -> bool:
        """
        Whether it lies in the plugins folder itself, or was linked to by somebody who
        may: else whoever can write to the plugins folder could have any folder of this
        machine served.
        """
        if not os.path.islink(self.path):
            return True
        return trust.stranger(os.stat(self.parent)) is None


def plugin_folder(folders: Iterable[str], name: str) -> PluginFolder | None:
    """
    The folder of a plugin of that name: the first where there are several.
    """
    if not _is_name(name):
        return None
    for parent in folders:
        folder = PluginFolder(name, parent)
        if os.path.isdir(folder.path) and folder.in_its_place():
            return folder
    return None


def plugin_folders(folders: Iterable[str]) -> Iterator[PluginFolder]:
    """
    All of them, in order, also those of a name that there was already.
    """
    for parent in folders:
        for entry in sorted(_entries(parent), key=lambda entry: entry.name):
            folder = PluginFolder(entry.name, parent)
            if _is_name(entry.name) and entry.is_dir() and folder.in_its_place():
                yield folder


def _is_name(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False  # a folder's name can be any bytes, but no URL says it then
    return (
        bool(name) and not name.startswith((".", "__")) and "/" not in name and "\0" not in name
    )


def _entries(path: str) -> list[os.DirEntry[str]]:
    """
    What is in a folder; nothing, where that can't be read.
    """
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except OSError:
        return []
