"""
What L{Sources<smartmob.source.sources.Sources>} keeps: downloads, folders, releases.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import define, field, frozen

from smartmob.source.errors import SourceRefused
from smartmob.source.shared import Shared
from smartmob.source.unpacking import Unpacked


@define(eq=False, repr=False)
class Download:
    """
    A file that is or was downloaded.

    @ivar holders: How many need it.
    """

    path: str
    work: Shared[str]
    holders: int = 0


@define(eq=False, repr=False)
class Folder:
    """
    The folder of a release.

    @ivar name: What it is called among those of its app.
    @ivar work: How it came there, or was found there.
    @ivar found: It is from an earlier run of the agent.
    @ivar stays: It is not removed when nobody needs it any more.
    @ivar synced: Its manifest says that it is on the disk for good.
    @ivar holders: Who waits for it or uses it.
    @ivar writing: Set while its manifest is written anew.
    @ivar closing: Set while it is removed.
    """

    app: str
    name: str
    path: str
    found: bool = False
    stays: bool = False
    synced: bool = False
    work: Shared[Unpacked] = field(init=False)
    holders: set[object] = field(factory=set)
    writing: Shared[None] | None = None
    closing: Shared[None] | None = None


@frozen(eq=False, repr=False, kw_only=True)
class Release:
    """
    An unpacked source, as one process uses it.

    @ivar sha256: Of the archive's bytes, in hexadecimal digits.
    @ivar path: The folder of the Procfile.
    @ivar source: What it shares with other processes of the app.
    @ivar procfile: What the Procfile says.
    @ivar dotenv: What the C{.env} beside it says, if there is one.
    """

    app: str
    sha256: str
    path: Path
    procfile: bytes = field(repr=False)
    dotenv: bytes | None = field(repr=False)
    source: Folder = field(repr=False)

    @property
    def name(self) -> str:
        """
        What it is called among those of its app, also in the next run of the agent.
        """
        return self.source.name

    def folder(self, cwd: str | None) -> str:
        """
        The working directory for a process.  It need not exist: that shows when the
        program is executed.  One look-up of names, so it may wait for a disk, as
        executing a program may.

        @param cwd: Relative to C{path}.
        @raise SourceRefused: If it leads out of the release, also by links.
        """
        if not cwd:
            return str(self.path)
        folder = self.path / cwd
        root = os.path.realpath(self.source.path)
        try:
            inside = os.path.commonpath((root, os.path.realpath(folder))) == root
        except ValueError:
            # A NUL character.
            inside = False
        if not inside:
            raise SourceRefused(f"cwd {cwd!r} leads out of the source")
        return str(folder)
