"""
The bodies of requests, and their bounds: from bytes to JSON, for most of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import Enum
from itertools import accumulate
from typing import NoReturn

from smartmob.source.limits import SourceLimits
from smartmob.web.problems import FieldError, Problem

BODY_BYTES = 1 << 20
"""A JSON body has at most so many bytes."""

STRANGER_BYTES = 1 << 16
"""One of somebody who was not asked who they are: to sign in takes less, and bodies are kept
until they are whole, of as many as there are connections."""

ARCHIVE_BYTES = SourceLimits().download_bytes
"""An archive that is sent has at most so many bytes, as one that is downloaded."""

DEPTH = 64
"""So deep may arrays and objects lie in one another ..."""

MEMBERS = 10_000
"""... and so many members may all objects have: more than any document can make use of."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_AS_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Body(Enum):
    """
    What kind of body a route takes.
    """

    NONE = "none"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    LOOSE = "a document, of any type where no browser sends it"
    RAW = "bytes"


def parse_body(body: bytes) -> dict[str, object]:
    """
    The JSON object of a body; an empty body counts as C{{}}.

    @raise Problem: bad-json where it is no JSON in UTF-8 (NaN and Infinity are
        none either, RFC 8259), invalid-document where it is JSON that can't be
        taken: too deep, a key twice, no object.
    """
    if not body.strip(b" \t\r\n"):
        return {}
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("bad-json", f"byte {error.start} is not UTF-8") from None
    _check_shape(body)
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise _invalid(f"is nested more than {DEPTH} deep") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem("bad-json", f"{error.msg} ({where})") from None
    except ValueError:  # a number of more digits than Python converts
        raise Problem("bad-json", "a number has too many digits") from None
    if not isinstance(document, dict):
        raise _invalid("must be an object")
    return document


def _check_shape(body: bytes) -> None:
    """
    See that brackets do not lie too deep in one another, and that there are not too many
    colons, those in strings not counted: before anything recurses, or is made.

    @raise Problem: So it is.
    """
    many = body.count(b":") > MEMBERS
    deep = body.count(b"[") + body.count(b"{") > DEPTH
    if not (many or deep):  # as in nearly all of them
        return
    bare = _STRING.sub(b"", body)
    if many and bare.count(b":") > MEMBERS:
        raise _invalid(f"has more than {MEMBERS:,} members")
    steps = bare.translate(_AS_STEPS, _NO_BRACKETS)
    if (
        b"\x01" * (DEPTH + 1) in steps
        or max(accumulate(memoryview(steps).cast("b")), default=0) > DEPTH
    ):
        raise _invalid(f"is nested more than {DEPTH} deep")


def _invalid(message: str, field: str = "") -> Problem:
    said = f"the document {message}" if not field else f"{field} {message}"
    return Problem("invalid-document", said, (FieldError(field, message),))


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    document: dict[str, object] = {}
    for key, value in pairs:
        if key in document:
            shown = key[:100].encode("utf-8", "replace").decode()
            raise _invalid("stands in one object more than once", shown)
        document[key] = value
    return document


def _no_constant(name: str) -> NoReturn:
    raise Problem("bad-json", f"{name} is not JSON")
