"""
The site of a plugin: files that are given to browsers, and never any other file.

A request names a file; what is opened must lie in the site, also when links change
meanwhile.  So a path is resolved first, which lets links within the site work, and
then opened part by part below a descriptor of the site's folder, no part of it being a
link: what does not lie there, or no longer, is not found.  (openat2(2) would do that in
one call, but Python has no such function, and containers forbid what they don't know.)
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from attrs import frozen

from smartmob.plugins import trust
from smartmob.plugins.folders import INDEX, SITE, PluginFolder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@frozen
class SiteFile:
    """
    A regular file, open.

    @ivar trusted: Nobody but the agent's user says what is in it.
    """

    descriptor: int
    status: os.stat_result
    trusted: bool

    def close(self) -> None:
        """
        It is not needed any more.
        """
        os.close(self.descriptor)


@frozen
class PluginSite:
    """
    A folder whose files are served.

    @ivar below: What of the plugin's folder that is; empty: all of it.
    """

    folder: PluginFolder
    below: str

    def open(self, parts: Sequence[str]) -> SiteFile:
        """
        Open a file of it.

        @param parts: Names of folders, then that of the file.
        @raise OSError: There is none that may be served.
        @raise ValueError: A name is none that a file can have.
        """
        parent = os.path.realpath(self.folder.parent)
        trusted = trust.stranger(os.stat(parent)) is None
        root = os.path.join(parent, self.folder.name)
        if trusted:  # else it is no link, see PluginFolder.in_its_place, and none now either
            root = os.path.realpath(root)
        here = os.open(root, _FOLDER)
        try:
            site = os.path.join(root, self.below) if self.below else root
            inside = _resolved(site, parts)
            for name in ([self.below] if self.below else []) + inside[:-1]:
                trusted = trusted and trust.stranger(os.fstat(here)) is None
                below = os.open(name, _FOLDER, dir_fd=here)
                os.close(here)
                here = below
            trusted = trusted and trust.stranger(os.fstat(here)) is None
            return _open(here, inside[-1], trusted)
        finally:
            os.close(here)


def site_of(folder: PluginFolder) -> PluginSite | None:
    """
    What a plugin's folder has to show: its C{_site}, or all of it where it has an index
    and no Python.
    """
    try:
        if stat.S_ISDIR(os.lstat(os.path.join(folder.path, SITE)).st_mode):
            return PluginSite(folder, SITE)
    except OSError:
        pass  # then there is none
    if os.path.isfile(os.path.join(folder.path, INDEX)) and not folder.modules():
        return PluginSite(folder, "")
    return None


def _resolved(site: str, parts: Sequence[str]) -> list[str]:
    """
    Where a path leads to, in names below the site's folder.
    """
    if not parts or not all(map(_may_be_asked_for, parts)):
        raise FileNotFoundError
    resolved = os.path.realpath(os.path.join(site, *parts), strict=True)
    names = os.path.relpath(resolved, site).split("/")
    if not all(map(_may_be_asked_for, names)):  # a way out of the site begins with ".."
        raise FileNotFoundError
    return names


def _may_be_asked_for(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not set("/\\\0") & set(name)


def _open(folder: int, name: str, trusted: bool) -> SiteFile:
    # To open a device, or a FIFO, may do something already.
    if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise FileNotFoundError
    descriptor = os.open(name, _FILE, dir_fd=folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise FileNotFoundError
    return SiteFile(descriptor, status, trusted and trust.stranger(status) is None)
