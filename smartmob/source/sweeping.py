"""
What an earlier run of the agent left: what is kept of it, and what goes.

What goes is moved aside first, which takes no time whatever is in it, and is removed later.
So nobody waits for that, and nothing new finds something old in its place.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator

from attrs import frozen

from smartmob.source.keeping import Keep
from smartmob.source.manifest import path_of
from smartmob.source.removal import move_aside, remove_tree

# Not compiled before they are needed, in a thread.
_RELEASE = r"[0-9a-f]{64}(-\d+-\d+)?"
_ARCHIVE = r"[0-9a-f]{64}"
_PART = r"\d+\.part"


@frozen
class Left:
    """
    What an earlier run left.

    @ivar releases: Of those that are kept the app and the name, whole or not.
    @ivar archives: The sha256 and size of each, what was used longest ago first.
    @ivar discarded: Something is out of the way that is to be removed.
    @ivar failures: What should have gone and is still there, and why.
    """

    releases: frozenset[tuple[str, str]]
    archives: tuple[tuple[str, int], ...]
    discarded: bool
    failures: tuple[tuple[str, OSError], ...] = ()


class Sweep:
    """
    Cleaning up, at the start.  For one thread.
    """

    def __init__(self, downloads: str, releases: str, archives: str, discarded: str) -> None:
        """
        @param downloads: The folder of downloads: all of it goes.
        @param releases: That of releases.
        @param archives: That of archives that clients sent.  What has no name of ours in it
            is left alone.
        @param discarded: Where things are moved to.
        """
        self._downloads = downloads
        self._releases = releases
        self._archives = archives
        self._discarded = discarded
        self._failures: list[tuple[str, OSError]] = []

    def run(self, keep: Keep) -> Left:
        """
        Make the folders where they are not there, and clean up.

        @raise OSError: There is no folder for releases, and none can be made.
        """
        self._folder(self._releases)
        for path in (self._downloads, self._archives):
            # Without them nothing new comes, but what is there can be restored.
            self._attempt(path, self._folder)
        for path in self._inside(self._downloads):
            self._discard(path)
        wanted: dict[str, set[str]] = {app: set() for app in keep.apps}
        for app, name in keep.releases:
            wanted.setdefault(app, set()).add(name)
        left = []
        for path in self._inside(self._releases):
            app = os.path.basename(path)
            if app in wanted:
                names = self._app(path, wanted[app], all_stay=app in keep.apps)
                left += [(app, name) for name in names]
            else:
                self._discard(path)
        archives = tuple(self._kept_archives())
        discarded = os.path.lexists(self._discarded)
        return Left(frozenset(left), archives, discarded, tuple(self._failures))

    def _folder(self, path: str) -> None:
        """
        Have a folder, for the agent alone.
        """
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            os.makedirs(path, 0o700)
            return
        if not stat.S_ISDIR(mode):
            self._discard(path)
            os.mkdir(path, 0o700)
        elif stat.S_IMODE(mode) != 0o700:
            self._attempt(path, os.chmod, 0o700)

    def _app(self, path: str, wanted: set[str], *, all_stay: bool) -> list[str]:
        """
        Clean up among the releases of an app.

        @return: Those that stay.
        """
        left = []
        manifests = {path_of(name) for name in wanted}
        for each in self._inside(path):
            name = os.path.basename(each)
            if re.fullmatch(_RELEASE, name) and (all_stay or name in wanted):
                left.append(name)
            elif all_stay:
                # Half of something, which nobody needs and others would stumble over.
                if name.endswith(".tmp"):
                    self._discard(each)
            elif name not in manifests:
                self._discard(each)
        if not all_stay:
            for name in wanted.difference(left):
                self._discard(path_of(os.path.join(path, name)))
        _remove_empty(path)
        return left

    def _kept_archives(self) -> Iterator[tuple[str, int]]:
        """
        Clean up among the archives.

        @return: Those that there are.
        """
        found = []
        for path in self._inside(self._archives):
            name = os.path.basename(path)
            if re.fullmatch(_PART, name):
                self._discard(path)
            elif re.fullmatch(_ARCHIVE, name):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode):
                    found.append((status.st_mtime_ns, name, status.st_size))
        return ((name, size) for _, name, size in sorted(found))

    def _inside(self, folder: str) -> list[str]:
        """
        What is in a folder; nothing where it is none.
        """
        try:
            return [os.path.join(folder, name) for name in os.listdir(folder)]
        except (NotADirectoryError, FileNotFoundError):
            return []
        except OSError as error:
            self._failures.append((folder, error))
            return []

    def _discard(self, path: str) -> None:
        """
        Have something out of the way.
        """
        if not os.path.lexists(path):
            return
        try:
            os.makedirs(self._discarded, 0o700, exist_ok=True)
            move_aside(path, os.path.join(self._discarded, secrets.token_hex(8)))
        except OSError:
            # On a full disk there may be no room for another folder.
            self._attempt(path, remove_tree)

    def _attempt(self, path: str, do: Callable[..., object], *more: int) -> None:
        """
        Do something, and go on where that fails.
        """
        try:
            do(path, *more)
        except OSError as error:
            self._failures.append((path, error))


def _remove_empty(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
