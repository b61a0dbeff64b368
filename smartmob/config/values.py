"""
What the text of a value may mean.  Each of these takes the text, never empty, and
returns the value or raises L{Wrong} with a sentence.

What a number is, is said here; which numbers something may be, in L{smartmob.checks}.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from smartmob import checks
from smartmob.checks import Wrong

E = TypeVar("E", bound=StrEnum)
V = TypeVar("V")

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)
_DIGITS = 50
_SEPARATORS = re.compile(r"[\s,]+")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_PAIR = re.compile(r"([A-Za-z_]+)\s*=\s*([^\s,=]+)", re.ASCII)

_MOST_FLAPPING = 1000
"""Characters of it: what it may look like is tried at each of them."""

_MOST_BYTES = 128 << 10

_FLAPPING = ("attempts", "window", "retry_in", "max_retry")


def wrong(why: str) -> Wrong:
    """
    The exception that says so.
    """
    return Wrong(("", why))


def number(text: str) -> int | float | str:
    """
    The number that a text is, or the text itself, which is none: the check of what is
    wanted says so.
    """
    if _WHOLE.fullmatch(text):
        return int(text)
    if len(text) <= _DIGITS and _DECIMAL.fullmatch(text):
        return float(text)
    return text


def numeric(check: Callable[[object], V]) -> Callable[[str], V]:
    """
    A check for numbers as one for their texts.
    """
    return lambda text: check(number(text))


def truth(text: str) -> bool | str:
    """
    The truth value that a text is, or the text itself, which is none.
    """
    word = text.lower()
    if word in _TRUE:
        return True
    return False if word in _FALSE else text


def boolean(text: str) -> bool:
    """
    True or false, in any of the spellings that C{configparser} knows.
    """
    value = truth(text)
    if isinstance(value, str):
        raise wrong("must be true or false (or yes, no, on, off, 1, 0)")
    return value


def word(choice: type[E]) -> Callable[[str], E]:
    """
    A check for one of some words.
    """

    def check(text: str) -> E:
        if text not in list(choice):
            raise wrong(f"must be one of {', '.join(choice)}")
        return choice(text)

    return check


def listed(text: str) -> tuple[str, ...]:
    """
    What has commas or white space in between.
    """
    return tuple(each for each in _SEPARATORS.split(text) if each)


def with_commas(text: str) -> tuple[str, ...]:
    """
    What has commas in between.
    """
    return tuple(each.strip() for each in text.split(",") if each.strip())


def argument(text: str) -> str:
    """
    Any text that may be one argument of a program: execve(2) takes no longer one
    (MAX_ARG_STRLEN).  What is to be split is held to that before, for that takes time that
    grows with its square.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > _MOST_BYTES:
        raise wrong(f"must not have more than {_MOST_BYTES} bytes, it has {size}")
    return text


def words(text: str) -> tuple[str, ...]:
    """
    What a shell makes words of, by its rules for quotes and backslashes.
    """
    argument(text)
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise wrong(_unclosed(error)) from None


def command(text: str) -> tuple[str, ...]:
    """
    The words of a program and its arguments.
    """
    found = words(text)
    if not found or not found[0].strip():
        raise wrong("must begin with the name of a program")
    return found


def pairs(text: str) -> Mapping[str, str]:
    """
    Words C{NAME=VALUE} with commas or white space in between; a value may be quoted as
    in a shell.
    """
    argument(text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="")
    lexer.whitespace = " \t\r\n,"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        said = list(lexer)
    except ValueError as error:
        raise wrong(_unclosed(error)) from None
    found: dict[str, str] = {}
    for each in said:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise wrong("must be NAME=VALUE, with commas or spaces between several")
        if name in found:
            raise wrong(f"names {name[:100]} twice")
        found[name] = value
    return found


def _unclosed(error: ValueError) -> str:
    if "quotation" in str(error):
        return "a quote is not closed"
    return "a backslash at its end, and nothing behind it"


def flapping(text: str) -> Mapping[str, object]:
    """
    C{2, 1., 7., 5}, or C{attempts=2, window=1., retry_in=7., max_retry=5}, as a document
    has it; commas may be left out.
    """
    if len(text) > _MOST_FLAPPING:
        raise wrong(f"must not have more than {_MOST_FLAPPING} characters")
    if "=" not in text:
        values = listed(text)
        if len(values) != len(_FLAPPING):
            raise wrong(f"must be {', '.join(_FLAPPING)}: four numbers, such as 2, 1., 7., 5")
        return dict(zip(_FLAPPING, map(number, values), strict=True))
    found: dict[str, object] = {}
    for name, value in _PAIR.findall(text):
        if name in found:
            raise wrong(f"says {name} twice")
        found[name] = number(value)
    if listed(_PAIR.sub("", text)):
        raise wrong("must be attempts=2, window=1., retry_in=7., max_retry=5, or the numbers")
    return found


def streams(text: str) -> tuple[str, str | None]:
    """
    The labels of standard output and standard error.
    """
    labels = listed(text)
    if not 1 <= len(labels) <= 2:
        raise wrong("must be one label or two: of standard output, and of standard error")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise wrong("must be labels of 1 to 32 letters, digits, _ or -")
    if "smartmob" in labels:
        raise wrong("must not be smartmob: so are lines called that the agent itself adds")
    return labels[0], labels[1] if len(labels) > 1 else None


def umask(text: str) -> int:
    """
    Octal digits.
    """
    try:
        return checks.umask(text)
    except Wrong:
        raise wrong("must be octal digits, such as 027") from None


def ports(text: str) -> tuple[int, int]:
    """
    The first and the last of a range.
    """
    match = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", text, re.ASCII)
    if match:
        first, last = int(match[1]), int(match[2])
        if 1 <= first <= last <= 65_535:
            return first, last
    raise wrong("must be two ports of 1 to 65535, the lower first, such as 20000-29999")
