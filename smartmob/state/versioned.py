"""
Files that say by which schema they were written, and what may be wrong with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from smartmob.converter import InvalidDocument

UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What comes of taking a document for what it is not."""

_LONGEST = 60
"""Characters of a value that are shown."""


class Damaged(ValueError):
    """
    A file is not what it should be; the message ends a sentence that begins with its name.
    """


class Newer(ValueError):
    """
    A later release has written it; likewise.
    """


class Senseless(ValueError):
    """
    What stands in a file can't be; the message is a sentence.
    """


def loaded(data: bytes, schema: int) -> dict[str, Any]:
    """
    What a file has, as L{json.loads} gives it.

    @param schema: The newest that is known.
    @raise Newer: It has a newer one.
    @raise Senseless: It has none.
    """
    if not data.strip():
        raise Senseless("it is empty")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise Senseless("it is no JSON") from None
    if not isinstance(document, dict):
        raise Senseless("it is no JSON object")
    found = whole_number(document, "schema")
    if found is None:
        raise Senseless("it has no schema")
    if found > schema:
        raise Newer(f"was written by a later release (schema {found}; this one knows {schema})")
    return document


@contextmanager
def damage_told() -> Iterator[None]:
    """
    Have whatever comes of a file's not being what it should be raised as L{Damaged}.
    """
    try:
        yield
    except (Newer, Damaged):
        raise
    except InvalidDocument as error:
        names = ", ".join(f"{name} {why}" for name, why in error.errors[:3])
        raise Damaged(f"has a request that can't be used: {names}") from None
    except Senseless as error:
        raise Damaged(f"is damaged: {error}") from None
    except KeyError as error:
        raise Damaged(f"is damaged: it has no {error.args[0]}") from None
    except UNREADABLE:
        raise Damaged("is damaged: it makes no sense") from None


def whole_number(document: dict[str, Any], name: str) -> int | None:
    """
    A number that a document has; C{None}: it has none.

    @raise Senseless: It is none, or less than 0.
    """
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Senseless(f"{name}: {shown(value)} is no whole number")
    return value


def shown(value: object) -> str:
    """
    A value, for a person, as far as it is not too long.
    """
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
