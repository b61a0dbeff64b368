"""
One file of the INI format, as Python's C{configparser} reads it, but that each entry
knows its place and that everything that is wrong is found at once.

Key and value are parted by the first C{=} or C{:}.  Keys keep their case.  A value is
literal: nothing in it is replaced, and C{;} and C{#} begin a comment only at the
beginning of a line.  A line that is indented more than its key goes on with the value,
after empty lines too.
"""

from __future__ import annotations

import os
import re

from attrs import define, evolve, field, frozen

from smartmob.checks import Wrong
from smartmob.config.configuration import Mistake
from smartmob.config.findings import Findings, shown

MOST_BYTES = 16 << 20
"""A file may have so many."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"\r\n|\r|\n")
_SECTION = re.compile(r"\[([^\]]*)\]\s*(?:[;#].*)?")
_PARTED = re.compile(r"([^=:]*)[=:](.*)")


@frozen(kw_only=True)
class Entry:
    """
    A key with its value.

    @ivar value: Never empty; the lines of a longer one have a newline in between.
    @ivar file: An absolute path.
    @ivar line: Where the key is, from 1.
    """

    file: str
    line: int
    section: str
    key: str
    value: str = field(repr=False)

    def wrong(self, why: str) -> Mistake:
        """
        A sentence about it, with its place.
        """
        return Mistake(
            file=self.file,
            line=self.line,
            section=shown(self.section),
            key=shown(self.key),
            why=why,
        )

    def path(self, path: str) -> str:
        """
        A path that stands in it, absolute: one that is relative starts at the folder of
        the file, C{~} is a home.

        @raise Wrong: Nobody has that home.
        """
        found = os.path.expanduser(path)
        if found.startswith("~"):
            user = shown(found.partition("/")[0])
            raise Wrong(("", f"{user} is nobody's home; a folder of that name is ./{user}"))
        return os.path.normpath(os.path.join(os.path.dirname(self.file), found))


@define
class Section:
    """
    The entries below C{[NAME]}.

    @ivar name: Without brackets.
    @ivar file: An absolute path.
    @ivar line: Where C{[NAME]} is, from 1.
    @ivar bare: Those without a value, which are as if they were not there.
    """

    file: str
    line: int
    name: str
    entries: dict[str, Entry] = field(factory=dict)
    bare: list[Entry] = field(factory=list)

    def wrong(self, why: str) -> Mistake:
        """
        A sentence about it as a whole, with its place.
        """
        return Mistake(file=self.file, line=self.line, section=shown(self.name), why=why)


def parse(file: str, data: bytes, findings: Findings) -> dict[str, Section]:
    """
    The sections of a file, by their names, as far as it can be read.

    @param file: What it is called in C{findings}: an absolute path.
    """
    text = _decoded(file, data, findings)
    return {} if text is None else _Reader(file, findings).read(text)


def _decoded(file: str, data: bytes, findings: Findings) -> str | None:
    data = data.removeprefix(_BOM)
    why = ""
    at = data.find(b"\0")
    if at >= 0:
        why = "has a NUL character"
    else:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            at, why = error.start, "is not UTF-8"
    line = len(_LINE_END.findall(data[:at].decode("latin-1"))) + 1
    findings.mistakes.append(Mistake(file=file, line=line, why=why))
    return None


@define
class _Reader:
    """
    Reads the lines of a file, one after the other.

    @ivar section: In which one a line is.
    @ivar ignored: It is in one that can't be read.
    @ivar entry: What an indented line goes on with.
    @ivar lines: Of its value; C{None}: it can have none, there is no C{=}.
    @ivar indent: Of its first line.
    """

    file: str
    findings: Findings
    sections: dict[str, Section] = field(factory=dict)
    section: Section | None = None
    ignored: bool = False
    entry: Entry | None = None
    lines: list[str] | None = None
    indent: int = 0

    def read(self, text: str) -> dict[str, Section]:
        """
        All of it.
        """
        for number, line in enumerate(_LINE_END.split(text), 1):
            said = line.strip()
            if said.startswith(("#", ";")):
                continue
            if not said:
                self._go_on("")
                continue
            indent = len(line) - len(line.lstrip())
            if self.entry is not None and indent > self.indent:
                self._go_on(said)
                continue
            self._finish()
            self.indent = indent
            if said.startswith("["):
                self._begin(number, said)
            elif self.section is not None:
                self._take(self.section, number, said)
            elif not self.ignored:
                self._wrong(number, "stands before the first [section]")
                self.ignored = True  # what follows it does so too
        self._finish()
        return self.sections

    def _go_on(self, said: str) -> None:
        if self.entry is not None and self.lines is not None:
            self.lines.append(said)

    def _wrong(self, number: int, why: str) -> None:
        section = None if self.section is None else shown(self.section.name)
        self.findings.mistakes.append(
            Mistake(file=self.file, line=number, section=section, why=why)
        )

    def _begin(self, number: int, said: str) -> None:
        self.section, self.ignored = None, True
        match = _SECTION.fullmatch(said)
        name = "" if match is None else match[1].strip()
        if match is None:
            self._wrong(number, "the name of a section ends with ] and stands alone")
        elif not name:
            self._wrong(number, "a section has a name between [ and ]")
        elif name in self.sections:
            first = self.sections[name]
            again = Section(self.file, number, name)
            self.findings.mistakes.append(
                again.wrong(f"is there a second time; the first is on line {first.line}")
            )
            # What is in it is looked at all the same, where it can't be the first's.
            self.section, self.ignored = again, False
        else:
            self.section, self.ignored = Section(self.file, number, name), False
            self.sections[name] = self.section

    def _take(self, section: Section, number: int, said: str) -> None:
        match = _PARTED.fullmatch(said)
        key, value = (match[1].strip(), match[2].strip()) if match else (said, "")
        if match and not key:
            self._wrong(number, "has no key before its = or :")
            return
        if match is None and len(said.split()) > 1:
            warning = section.wrong("a line without = or : is passed over")
            self.findings.warnings.append(evolve(warning, line=number))
        self.entry = Entry(
            file=self.file, line=number, section=section.name, key=key, value=value
        )
        self.lines = [value] if match else None

    def _finish(self) -> None:
        entry, self.entry = self.entry, None
        section = self.section
        if entry is None or section is None:
            return
        value = "\n".join(self.lines or ()).strip()
        if not value:
            section.bare.append(entry)
            return
        first = section.entries.setdefault(entry.key, evolve(entry, value=value))
        if first.line != entry.line:
            self.findings.mistakes.append(
                entry.wrong(f"is there a second time; the first is on line {first.line}")
            )
