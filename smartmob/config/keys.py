"""
The keys of a section, asked for one by one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import define

from smartmob import plain_files
from smartmob.checks import Wrong
from smartmob.config.findings import Findings, hint, near, shown
from smartmob.config.ini import Entry, Section
from smartmob.converter import InvalidDocument, structure

V = TypeVar("V")
D = TypeVar("D")

KeyOf = Callable[[str], tuple[str, str]]
"""Of the name of a member, dots in it, the key it is from, and its name within that."""


@define
class Keys:
    """
    Asks a section for its keys; a value that is wrong is noted, and as if it were not
    there.
    """

    section: Section
    findings: Findings

    def warn_of_others(self, known: Iterable[str]) -> None:
        """
        Note each key that is none of those.
        """
        known = list(known)
        for key, entry in self.section.entries.items():
            if key not in known:
                why = f"is not known{hint(near(key, known))}"
                self.findings.warnings.append(entry.wrong(why))

    def warn_of_bare(self, restricting: Iterable[str]) -> None:
        """
        Note each of those keys that is there without a value: whoever wrote it wanted
        something to be forbidden, which is allowed where it is not there.
        """
        self.findings.warnings += (
            entry.wrong("has no value, which is as if it were not there")
            for entry in self.section.bare
            if entry.key in restricting and entry.key not in self.section.entries
        )

    def entry(self, key: str) -> Entry | None:
        """
        The key with its place.
        """
        return self.section.entries.get(key)

    def get(self, key: str, check: Callable[[str], V], default: D) -> V | D:
        """
        The value of a key.

        @param check: One of L{smartmob.config.values}.
        @return: C{default} where there is none that is right.
        """
        entry = self.entry(key)
        if entry is None:
            return default
        try:
            return check(entry.value)
        except Wrong as error:
            for name, why in error.errors:
                self.wrong(key, f"{shown(name)} {why}" if name else why)
            return default

    def path(self, key: str) -> str | None:
        """
        The value of a key that is a path, absolute.
        """
        entry = self.entry(key)
        return None if entry is None else self.get(key, entry.path, None)

    def file(self, key: str) -> str | None:
        """
        The value of a key that is the path of a file, which has to be readable.
        """
        path = self.path(key)
        if path is not None:
            why = unreadable(path)
            if why is not None:
                self.wrong(key, f"{path} {why}")
        return path

    def structured(self, document: object, wanted: type[V], key_of: KeyOf) -> V | None:
        """
        The value that a document describes; C{None}: something in it is wrong.

        @param key_of: Which key a member of the document is from.
        """
        try:
            return structure(document, wanted)
        except InvalidDocument as error:
            for member, why in error.errors:
                key, name = key_of(member)
                self.wrong(key, f"{name} {why}" if name else why)
            return None

    def wrong(self, key: str | None, why: str) -> None:
        """
        Note that something is wrong with a key, or, without one, with the section.
        """
        entry = None if key is None else self.entry(key)
        place = self.section if entry is None else entry
        self.findings.mistakes.append(place.wrong(why))

    def odd(self, key: str | None, why: str) -> None:
        """
        Note that something is only odd.
        """
        entry = None if key is None else self.entry(key)
        place = self.section if entry is None else entry
        self.findings.warnings.append(place.wrong(why))


def unreadable(path: str) -> str | None:
    """
    Why a file can't be read, the end of a sentence; C{None}: it can.
    """
    try:
        os.close(plain_files.opened(path))
    except (OSError, ValueError) as error:
        return plain_files.why(error)
    return None
