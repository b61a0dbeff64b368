"""
What JSON Schemas are put together from, for the description of the interface
(U{2020-12<https://json-schema.org/draft/2020-12>}, as OpenAPI 3.1 has it).
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import Any

from smartmob import checks

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}
URL: Schema = {"type": "string", "format": "uri"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
STRINGS: Schema = {"type": "object", "additionalProperties": TEXT}
TEXTS: Schema = {"type": "array", "items": TEXT}


def ref(name: str, kind: str = "schemas") -> Schema:
    """
    A component by its name.
    """
    return {"$ref": f"#/components/{kind}/{name}"}


def an_object(properties: dict[str, Schema], *optional: str, closed: bool = False) -> Schema:
    """
    An object with these members, all required but the C{optional} ones.

    @param closed: It has no others.
    """
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    if not schema["required"]:
        del schema["required"]
    if closed:
        schema["additionalProperties"] = False
    return schema


def many(schema: Schema) -> Schema:
    """
    An array of these.
    """
    return {"type": "array", "items": schema}


def or_null(schema: Schema) -> Schema:
    """
    One of these, or null.
    """
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def matching(pattern: str, **more: object) -> Schema:
    """
    A string that is wholly of that form, written so that Python and ECMA-262 read it alike.
    """
    return {"type": "string", "pattern": f"^(?:{pattern})$", **more}


def between(least: float, most: float | None = None, kind: str = "integer") -> Schema:
    """
    A number with bounds, which belong to it.
    """
    schema: Schema = {"type": kind, "minimum": least}
    if most is not None:
        schema["maximum"] = most
    return schema


def among(words: Iterable[object]) -> Schema:
    """
    One of these values.
    """
    return {"enum": list(words)}


def of_any_case(word: str) -> str:
    """
    A pattern for a word whose letters may be small or capital: patterns of JSON Schema have
    no flags.
    """
    return "".join(
        f"[{each.upper()}{each.lower()}]" if each.isalpha() else each for each in word
    )


NO_NUL = r"[^\u0000]"
"""A character that the operating system takes, as a pattern."""

SHA256 = matching("[0-9A-Fa-f]{64}")

SLUG = matching(rf"{checks.APP}\.{checks.NODE}", examples=["hello.web.0"])

APP = matching(checks.APP, examples=["hello"])

SOURCE_URL = matching(
    rf"{of_any_case('http')}[Ss]?://[^\u0000-\u0020\u007f/?#@]+(?:[/?#][^\u0000-\u0020\u007f]*)?"
    rf"|{of_any_case('smartmob-archive')}:[0-9A-Fa-f]{{64}}",
    maxLength=checks.SOURCE_URL_LENGTH,
    description="Where the archive is: http or https, without a user name; or "
    "smartmob-archive:SHA256, for one that was sent.",
)

_PART = r"\.|\.?[^/.\u0000][^/\u0000]*|\.\.[^/\u0000]+"

CWD = matching(
    rf"(?:{_PART})(?:/+(?:{_PART}))*/*",
    maxLength=checks.PATH_BYTES,
    description="Relative to the source, without a part that is '..'.",
)

UMASK: Schema = {
    "anyOf": [matching("0?[0-7]{1,3}"), between(0, 0o777)],
    "description": 'Octal digits in a string, as "027", or an integer.',
}

ENV: Schema = {
    "type": "object",
    "propertyNames": {"pattern": r"^[^=\u0000]+$"},
    "additionalProperties": matching(f"{NO_NUL}*"),
    "maxProperties": checks.ENV_NAMES,
    "description": f"At most {checks.ENV_BYTES >> 10} KiB in all.  Shown nowhere.",
}

_LABEL = matching(f"{NO_NUL}*", maxLength=checks.LABEL_LENGTH)

LABELS: Schema = {
    "type": "object",
    "propertyNames": _LABEL,
    "additionalProperties": _LABEL,
    "maxProperties": checks.LABELS,
}

SIGNAL: Schema = {
    "anyOf": [
        matching(
            f"(?:{of_any_case('SIG')})?(?:"
            + "|".join(of_any_case(name[3:]) for name in sorted(signal.Signals.__members__))
            + ")"
        ),
        among(sorted(int(number) for number in signal.valid_signals())),
    ],
    "description": "A name such as TERM, with or without SIG, in any case, or a number.",
    "examples": ["TERM", 1],
}
