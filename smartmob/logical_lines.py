"""
The lines of a Procfile and of an C{.env} file: what both have in common.

Source: Smartmob RFC 1 (Procfile) and RFC 2 (.env).  UTF-8 without a byte order
mark; leading white space, blank lines and lines that start with C{#} are
ignored; a backslash at a line's end joins the next line as one space.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

_LONGEST_SHOWN = 100
_MOST_SHOWN = 20
_BLANK = " \t\r\f\v"
_BOM = b"\xef\xbb\xbf"


class LineError(ValueError):
    """
    A file that can't be read as what it should be.

    @ivar line: The line, counted from 1, as an editor counts.
    @ivar why: What is wrong with it, for a person.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


def shown(name: str) -> str:
    """
    A name of somebody else's as a person is told it: not of any length.
    """
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."


def all_shown(names: Collection[str]) -> str:
    """
    Several of them: not any number.
    """
    more = ["..."] if len(names) > _MOST_SHOWN else []
    return ", ".join([*map(shown, islice(names, _MOST_SHOWN)), *more])


def logical_lines(data: bytes) -> Iterator[tuple[int, str]]:
    """
    The lines that say something, joined where they are continued, without their
    leading white space.  Line ends are LF or CRLF.

    Only a line's own end continues it: a comment is never continued, and what
    looks like a comment or a blank line behind a backslash is part of the line.

    @return: Pairs of the number of the first physical line and the text.
    @raise LineError: If C{data} isn't such text, or its last line is continued.
    """
    lines = enumerate(_decoded(data).split("\n"), 1)
    for number, line in lines:
        text = _bare(line)
        if not text or text.startswith("#"):
            continue
        parts = []
        while text.endswith("\\"):
            _, following = next(lines, (0, None))
            if following is None:
                raise LineError(number, "a backslash at its end, and no line to join")
            parts.append(text[:-1].rstrip(_BLANK))
            text = _bare(following)
        if parts:
            # Joined at once: to join each to all before it would copy these each time.
            text = " ".join([parts[0], *filter(None, parts[1:]), text])
        yield number, text


def _bare(line: str) -> str:
    """
    A physical line without its leading white space and without the CR of a CRLF.
    """
    return line.removesuffix("\r").lstrip(_BLANK)


def _decoded(data: bytes) -> str:
    """
    The text.

    @raise LineError: If it has a byte order mark or a NUL, or isn't UTF-8.
    """
    if data.startswith(_BOM):
        raise LineError(1, "starts with a byte order mark (BOM); save it as UTF-8 without one")
    nul = data.find(b"\0")
    if nul >= 0:
        raise LineError(data.count(b"\n", 0, nul) + 1, "has a NUL character")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LineError(line, "is not UTF-8") from None
    # A last line end ends the last line, it does not begin another.
    return text.removesuffix("\n")
