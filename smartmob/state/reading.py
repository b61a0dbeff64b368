"""
Reading what an earlier agent has left, whatever that is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from twisted.logger import Logger

from smartmob import plain_files
from smartmob.state.record import MOST_BYTES, Record, decoded
from smartmob.state.versioned import Damaged
from smartmob.state.writer import TEMPORARY

_log = Logger()

T = TypeVar("T")

SUFFIX = ".json"
"""What the names of records end with, after the slug."""

why = plain_files.why


def remove_unfinished(folder: str) -> None:
    """
    Remove the files that were being written to a folder.

    @raise OSError: It can't be read.
    """
    for name in os.listdir(folder):
        if name.endswith(TEMPORARY):
            with suppress(OSError):  # it is in nobody's way
                os.unlink(os.path.join(folder, name))


def records(folder: str) -> tuple[dict[str, Record], dict[str, str]]:
    """
    The records in a folder, by slug; and of those that are left as they are the slugs, and
    why: the end of a sentence that begins with the slug.  What is damaged is put aside.

    @raise OSError: The folder can't be read.
    """
    found: dict[str, Record] = {}
    unread: dict[str, str] = {}
    try:
        remove_unfinished(folder)
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return found, unread
    for name in names:
        slug = name.removesuffix(SUFFIX)
        # What is called as no process can be is no record.
        if name == slug or not (name.isascii() and name.isprintable()):
            continue
        path = os.path.join(folder, name)
        try:
            found[slug] = decoded(slug, plain_files.read(path, MOST_BYTES, os.O_NOFOLLOW))
        except Damaged as damaged:
            _log.error(
                "the record of {slug} {why}; it is kept as {aside}, and the process is lost",
                slug=slug,
                why=str(damaged),
                aside=_put_aside(path),
            )
        except (OSError, ValueError) as error:  # also Newer
            unread[slug] = f"has a record that {why(error)}"
    return found, unread


def one(path: str, decode: Callable[[bytes], T]) -> tuple[T | None, str]:
    """
    What a file has, if it can be read; and why it stays as it is: the end of a sentence that
    begins with the path, empty where it may be written.  What is damaged is put aside.
    """
    try:
        return decode(plain_files.read(path, MOST_BYTES, os.O_NOFOLLOW)), ""
    except FileNotFoundError:
        return None, ""
    except Damaged as error:
        aside = _put_aside(path)
        _log.error(
            "{path} {why}; it is kept as {aside}", path=path, why=f"{error}", aside=aside
        )
        return None, ""
    except (OSError, ValueError) as error:  # also Newer
        _log.error("{path} {why}; it stays as it is", path=path, why=why(error))
        return None, why(error)


def _put_aside(path: str) -> str:
    """
    Give a file a name under which nobody reads it.  Returns the name.
    """
    for number in range(1, 1000):
        aside = f"{path}.bad" if number == 1 else f"{path}.bad-{number}"
        if not os.path.lexists(aside):
            break
    try:
        os.rename(path, aside)
    except OSError as error:
        return f"{path}, since it can't be renamed: {error.strerror}"
    return aside
