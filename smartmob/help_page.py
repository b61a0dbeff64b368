"""
What C{--help} shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill

from attrs import frozen

_INDENT = 2
_COLUMN = 28
"""Where the texts begin; what is longer has a line of its own."""

_NARROWEST = 50


@frozen
class Row:
    """
    An option, or an argument.

    @ivar name: As it is written on the command line.
    @ivar text: What it does.
    """

    name: str
    text: str


@frozen
class Group:
    """
    Rows below a title.
    """

    title: str
    rows: tuple[Row, ...]


def page(introduction: str, groups: Iterable[Group], width: int) -> str:
    """
    All of it.

    @param width: Of the terminal, in characters.
    """
    width = max(width, _NARROWEST)
    parts = [fill(introduction, width), *(_listed(group, width) for group in groups)]
    return "\n\n".join(parts) + "\n"


def _listed(group: Group, width: int) -> str:
    return "\n".join([f"{group.title}:", *(_shown(row, width) for row in group.rows)])


def _shown(row: Row, width: int) -> str:
    name = f"{'':{_INDENT}}{row.name}"
    if len(name) + 2 > _COLUMN:
        margin = f"{'':{_COLUMN}}"
        text = fill(row.text, width, initial_indent=margin, subsequent_indent=margin)
        return f"{name}\n{text}"
    return fill(
        row.text,
        width,
        initial_indent=f"{name:{_COLUMN}}",
        subsequent_indent=f"{'':{_COLUMN}}",
    )
