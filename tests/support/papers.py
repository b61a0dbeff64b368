"""
The project's papers, as a reader gets them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.core import publish_doctree
from docutils.utils import Reporter

TREE = Path(__file__).parent.parent.parent
"""The checkout."""


def papers() -> list[Path]:
    """
    Every page of the checkout.
    """
    examples = [f"examples/{name}" for name in ("gafferd", "hello", "plugins", "prometheus")]
    folders = ["", "bench", "changelog.d", "docs", *examples]
    return sorted(page for folder in folders for page in (TREE / folder).glob("*.rst"))


def read(page: Path) -> nodes.document:
    """
    A page, parsed.
    """
    settings = {
        "halt_level": Reporter.SEVERE_LEVEL + 1,
        "warning_stream": False,
        "syntax_highlight": "none",
        "input_encoding": "utf-8",
    }
    return publish_doctree(
        page.read_text(encoding="utf-8"), str(page), settings_overrides=settings
    )


def complaints(page: Path) -> list[str]:
    """
    What docutils warns of in a page.
    """
    found = read(page).findall(nodes.system_message)
    return [each.astext() for each in found if each["level"] >= Reporter.WARNING_LEVEL]


def commands(page: Path) -> list[str]:
    """
    The shell commands that a page shows, a block each, in their order.
    """
    return [
        block.astext()
        for block in read(page).findall(nodes.literal_block)
        if "sh" in block["classes"]
    ]


def section(page: Path, title: str) -> nodes.section:
    """
    The section of that title.
    """
    [found] = [each for each in read(page).findall(nodes.section) if each[0].astext() == title]
    return found


def first_cells(part: nodes.Element) -> Iterator[str]:
    """
    The literals in the first column of each table in a part of a page.
    """
    for row in part.findall(nodes.row):
        for literal in row[0].findall(nodes.literal):
            yield literal.astext()


def terms(part: nodes.Element) -> Iterator[str]:
    """
    The literals in the terms of each definition list in a part of a page.
    """
    for term in part.findall(nodes.term):
        for literal in term.findall(nodes.literal):
            yield literal.astext()


def options(text: str) -> set[str]:
    """
    The long options named in a text.
    """
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
