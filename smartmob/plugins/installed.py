"""
Plugins that pip installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "smartmob.plugins"
"""The group of those."""

_DESCRIPTIONS = (".dist-info", ".egg", "egg-info")
"""Ends of names, in lower case.  An egg that is itself on the path has C{EGG-INFO} in it."""


def installed() -> Iterable[EntryPoint]:
    """
    Those that pip installed.

    Most agents have none, and L{importlib.metadata} takes long to find that out: longer
    than to start a dozen programs.  So files are looked into first.
    """
    if not may_be_installed(sys.path):
        return ()
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def may_be_installed(path: Iterable[str]) -> bool:
    """
    Whether there may be any; C{False} is certain.

    @param path: As L{sys.path}.
    """
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return finders != [PathFinder] or any(map(_may_have, path))


def _may_have(folder: str) -> bool:
    try:
        names = os.listdir(folder or os.curdir)
    except NotADirectoryError:
        return True  # an archive, which is not for us to look into
    except OSError:
        return False  # nothing is imported from there either
    return any(
        name.endswith(".egg") or _names_group(os.path.join(folder, name, "entry_points.txt"))
        for name in names
        if name.lower().endswith(_DESCRIPTIONS)
    )


def _names_group(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return ENTRY_POINTS.encode("ascii") in opened.read()
    except OSError:
        return False  # most have none
