"""
What a value of a document may be: each check takes what JSON gave and returns
the value, or raises L{Wrong} with a sentence that says what is expected.

Nothing is converted on the way: 3 is not "3", true is not 1, 1.0 is no integer.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping
from math import isfinite
from typing import TypeVar

V = TypeVar("V")

APP = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
NODE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

ENV_NAMES = 1_000
"""Variables that a request may bring."""

ENV_BYTES = 128 * 1024
"""Bytes of all its names and values, each with the byte execve(2) adds to it."""

MOST_PROCESSES = 10_000
"""How many processes an agent takes."""

LABELS = 64
LABEL_LENGTH = 256

SHOWN_TOKEN_LENGTH = 4096
SOURCE_URL_LENGTH = 8_192
PATH_BYTES = 4_095  # PATH_MAX of Linux, without its NUL
A_YEAR = 31_536_000.0

_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Wrong(ValueError):
    """
    A value that can't be used.

    @ivar errors: Pairs of the name of a member, empty for the value itself, and
        a sentence about it.
    """

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__(*errors)
        self.errors = errors


def _wrong(message: str) -> Wrong:
    return Wrong(("", message))


def text(value: object) -> str:
    """
    A string that can be given to the operating system.
    """
    if not isinstance(value, str):
        raise _wrong("must be a string")
    if "\0" in value:
        raise _wrong("must not contain NUL")
    if _SURROGATE.search(value):
        raise _wrong("must not contain half of a surrogate pair")
    return value


def input_text(value: object) -> str:
    """
    A string that a program may read; NUL is a character of it as any other.
    """
    if not isinstance(value, str):
        raise _wrong("must be a string")
    if _SURROGATE.search(value):
        raise _wrong("must not contain half of a surrogate pair")
    return value


def _name(pattern: str, said: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise _wrong("must be a string")
        if not compiled.fullmatch(value):
            raise _wrong(f"must be 1 to 100 {said}, the first a letter or digit")
        return value

    return check


app = _name(APP, "letters, digits, _ or -")
node = _name(NODE, "letters, digits, dots, _ or -")
process_type = app


def source_url(value: object) -> str:
    """
    A URL that an archive may be got from, judged by its form alone.
    """
    url = text(value)
    if len(url) > SOURCE_URL_LENGTH:
        raise _wrong(f"must not have more than {SOURCE_URL_LENGTH} characters")
    if _NOT_IN_URL.search(url):
        raise _wrong("must not contain spaces or control characters")
    scheme, colon, rest = url.partition(":")
    match scheme.lower(), rest[:2]:
        case "http" | "https", "//":
            authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0]
            if not authority:
                raise _wrong(f"must name a host after {scheme}://")
            if "@" in authority:
                raise _wrong("must not contain a user name or password")
        case "smartmob-archive", _ if colon:
            if not _SHA256.fullmatch(rest):
                raise _wrong("must be smartmob-archive: and 64 hexadecimal digits")
        case _:
            raise _wrong("must begin with http://, https:// or smartmob-archive:")
    return url


def shown_token(value: object) -> str:
    """
    What somebody shows as a token: any text, since what is wrong with it says nothing.
    """
    token = text(value)
    if len(token) > SHOWN_TOKEN_LENGTH:
        raise _wrong(f"must not have more than {SHOWN_TOKEN_LENGTH} characters")
    return token


def url_path(value: object) -> str:
    """
    The path of a URL, perhaps with a query.
    """
    path = text(value)
    if not path.startswith("/"):
        raise _wrong("must be the path of a URL, which begins with a slash")
    if len(path) > SOURCE_URL_LENGTH:
        raise _wrong(f"must not have more than {SOURCE_URL_LENGTH} characters")
    return path


def sha256(value: object) -> str:
    """
    The digest of an archive, in lower case.
    """
    digest = text(value)
    if not _SHA256.fullmatch(digest):
        raise _wrong("must be 64 hexadecimal digits")
    return digest.lower()


def cwd(value: object) -> str:
    """
    A folder below the release.
    """
    path = text(value)
    if not path:
        raise _wrong("must not be empty")
    if path.startswith("/"):
        raise _wrong("must be relative to the source")
    if ".." in path.split("/"):
        raise _wrong("must not contain ..")
    if len(path.encode()) > PATH_BYTES:
        raise _wrong(f"must not have more than {PATH_BYTES} bytes")
    return path


def boolean(value: object) -> bool:
    """
    True or false.
    """
    if not isinstance(value, bool):
        raise _wrong("must be true or false")
    return value


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def integer(least: int, most: int | None = None) -> Callable[[object], int]:
    """
    A check for whole numbers from C{least} to C{most}.
    """
    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"

    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong(f"must be an integer {bounds}")
        if value < least or (most is not None and value > most):
            raise _wrong(f"must be an integer {bounds}")
        return value

    return check


limit = integer(0, 2**63 - 1)


def seconds(most: float, *, zero: bool = True) -> Callable[[object], float]:
    """
    A check for durations up to C{most}; 0 only where C{zero} says so.
    """
    least = "from 0" if zero else "of more than 0"
    said = f"must be a number of seconds {least} to {most:.0f}"
    if not zero:
        said = f"must be a number of seconds {least}, at most {most:.0f}"

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(said)
        if not 0 <= value <= most or not isfinite(value) or (value == 0 and not zero):
            raise _wrong(said)
        return float(value)

    return check


def signal_number(value: object) -> int:
    """
    A signal of this system, by its name in any case, with or without SIG, or by
    its number.
    """
    number = 0
    if isinstance(value, str):
        name = value.upper().removeprefix("SIG")
        number = signal.Signals.__members__.get(f"SIG{name}", 0)
    elif isinstance(value, int) and _is_integer(value):
        number = value
    else:
        raise _wrong('must be the name of a signal, such as "TERM", or its number')
    if number not in signal.valid_signals():
        raise _wrong("is not a signal of this system")
    return int(number)


def umask(value: object) -> int:
    """
    A file mode creation mask: octal digits in a string, or an integer.
    """
    if isinstance(value, str) and re.fullmatch(r"[0-7]{1,4}", value):
        value = int(value, 8)
    if not isinstance(value, int) or not _is_integer(value) or not 0 <= value <= 0o777:
        raise _wrong('must be octal digits in a string, such as "027", or an integer to 511')
    return value


def _pairs(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _wrong("must be an object with strings as its values")
    return value


def env(value: object) -> Mapping[str, str]:
    """
    Variables for the environment of a program.
    """
    pairs = _pairs(value)
    if len(pairs) > ENV_NAMES:
        raise _wrong(f"must not have more than {ENV_NAMES} names")
    errors = [
        (name, message)
        for name, one in pairs.items()
        for message in (_problem_of_name(name), _problem_of(text, one))
        if message is not None
    ]
    if errors:
        raise Wrong(*errors)
    size = sum(len(name.encode()) + len(str(one).encode()) + 2 for name, one in pairs.items())
    if size > ENV_BYTES:
        raise _wrong(f"must not have more than {ENV_BYTES} bytes in all, it has {size}")
    return {name: str(one) for name, one in pairs.items()}


def labels(value: object) -> Mapping[str, str]:
    """
    What a client notes about a process.
    """
    pairs = _pairs(value)
    if len(pairs) > LABELS:
        raise _wrong(f"must not have more than {LABELS} labels")
    errors = [
        (name, message)
        for name, one in pairs.items()
        for message in (_problem_of(_short, name), _problem_of(_short, one))
        if message is not None
    ]
    if errors:
        raise Wrong(*errors)
    return {name: str(one) for name, one in pairs.items()}


def _short(value: object) -> str:
    label = text(value)
    if len(label) > LABEL_LENGTH:
        raise _wrong(f"must not have more than {LABEL_LENGTH} characters")
    return label


def _problem_of_name(name: str) -> str | None:
    if not name:
        return "the name of a variable must not be empty"
    if "=" in name:
        return "the name of a variable must not contain ="
    return _problem_of(text, name)


def _problem_of(check: Callable[[object], V], value: object) -> str | None:
    try:
        check(value)
    except Wrong as wrong:
        return wrong.errors[0][1]
    return None
