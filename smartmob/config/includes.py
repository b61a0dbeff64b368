"""
A file with all that it includes.

What is included comes after what includes it: first the files of C{include}, then those
of C{include_dir}, and what they include behind each.  Of equal keys of equal sections
the later wins.
"""

from __future__ import annotations

import os

from attrs import define, evolve, field

from smartmob import plain_files
from smartmob.checks import Wrong
from smartmob.config.configuration import Mistake
from smartmob.config.findings import Findings
from smartmob.config.ini import MOST_BYTES, Entry, Section, parse
from smartmob.config.values import listed

MAIN = ("gaffer", "smartmob")
"""What the section about the agent itself may be called."""

_DEEPEST = 32
"""A file may be included by one that was included by one ... so often."""


def read(path: str, findings: Findings) -> dict[str, Section]:
    """
    The sections of a file and of all that it includes, by their names.

    @param path: An absolute path.
    """
    reading = _Reading(findings)
    reading.read(path, None)
    return reading.sections


@define
class _Reading:
    """
    @ivar open: The files that are being read, the outermost first, without links.
    @ivar done: All that were begun.
    """

    findings: Findings
    sections: dict[str, Section] = field(factory=dict)
    open: list[str] = field(factory=list)
    done: set[str] = field(factory=set)

    def read(self, path: str, by: Entry | None) -> None:
        """
        @param by: What includes it.
        """
        real = os.path.realpath(path)
        if real in self.open:
            self._wrong(path, by, f"{path} includes itself in the end")
            return
        if real in self.done:
            return  # by another way
        if len(self.open) > _DEEPEST:
            self._wrong(path, by, f"includes are nested more than {_DEEPEST} deep")
            return
        try:
            data = plain_files.read(path, MOST_BYTES)
        except (OSError, ValueError) as error:
            name = "" if by is None else f"{path} "
            self._wrong(path, by, f"{name}{plain_files.why(error)}")
            return
        self.done.add(real)
        self.findings.files.append(path)
        sections = parse(path, data, self.findings)
        self._add(sections)
        self.open.append(real)
        for name in MAIN:
            if name in sections:
                self._follow(path, sections[name])
        self.open.pop()

    def _add(self, sections: dict[str, Section]) -> None:
        for name, section in sections.items():
            known = self.sections.setdefault(name, evolve(section, entries={}, bare=[]))
            known.entries.update(section.entries)
            known.bare += section.bare

    def _follow(self, path: str, section: Section) -> None:
        entry = section.entries.get("include")
        if entry is not None:
            for name in self._paths(entry):
                self.read(name, entry)
        entry = section.entries.get("include_dir")
        if entry is not None:
            for folder in self._paths(entry):
                self._follow_folder(path, folder, entry)

    def _follow_folder(self, path: str, folder: str, entry: Entry) -> None:
        def cannot(error: OSError) -> None:
            why = f"{error.filename} {plain_files.why(error)}"
            self.findings.mistakes.append(entry.wrong(why))

        found = []
        for inside, folders, files in os.walk(folder, onerror=cannot):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [
                os.path.join(inside, name)
                for name in files
                if name.endswith(".ini") and not name.startswith(".")
            ]
        for name in sorted(found):
            if os.path.realpath(name) != os.path.realpath(path):
                self.read(name, entry)

    def _paths(self, entry: Entry) -> list[str]:
        """
        The paths that an entry lists, with commas or spaces between them, absolute.
        """
        found = []
        for each in listed(entry.value):
            try:
                found.append(entry.path(each))
            except Wrong as error:
                self.findings.mistakes += [entry.wrong(why) for _, why in error.errors]
        return found

    def _wrong(self, path: str, by: Entry | None, why: str) -> None:
        mistake = Mistake(file=path, why=why) if by is None else by.wrong(why)
        self.findings.mistakes.append(mistake)
