"""
C{smartmob token}: makes tokens, and digests of them.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import stat
from collections.abc import Callable
from typing import TextIO

from smartmob import plain_files
from smartmob.config.secret_files import check_own
from smartmob.tokens import LONGEST, MOST_BYTES, BadTokens, hashed, new_token, parse


class NoToken(Exception):
    """
    There is none, or it can't be written; the message is a sentence for a person.
    """


def new(path: str | None, line: Callable[[str], str], *, digest: bool = False) -> str:
    """
    Make a token.

    @param path: The file that gets a line with it, and is made where it is missing.
    @param line: Makes that line, of the token or its digest.
    @param digest: Only its digest stands there.
    @raise NoToken: That can't be; the file is as it was.
    """
    token = new_token()
    if path is not None:
        try:
            _append(path, line(hashed(token) if digest else token))
        except (OSError, ValueError) as error:
            raise NoToken(f"{path} {_why(error)}") from None
    return token


def read_token(source: TextIO) -> str:
    """
    The token on standard input: of a terminal, where nobody sees it.

    @raise NoToken: There is nothing that can be one.
    """
    if source.isatty():
        try:
            text = getpass.getpass("Token: ")
        except EOFError:
            text = ""
    else:
        # A byte that is no text stays one: what is wrong is said below.
        data = source.buffer.read(LONGEST + 3)  # with CRLF and one too many
        text = data.decode("ascii", "surrogateescape")
    lines = text.strip("\r\n").splitlines() or [""]
    if lines == [""]:
        raise NoToken("there is no token on standard input")
    if len(lines) > 1:
        raise NoToken("there is more than a line on standard input; one token is one line")
    return lines[0]


def digest_of(token: str) -> str:
    """
    What may stand for a token in a file.

    @raise NoToken: It is none that an agent would take.
    """
    try:
        return hashed(token)
    except ValueError as error:
        raise NoToken(f"what is on standard input {error}") from None


def _append(path: str, line: str) -> None:
    """
    Add a line to a file of tokens, wholly or not at all.

    @raise OSError: It can't be read or written.
    @raise ValueError: It is no file of tokens, or others can read it; the message ends a
        sentence that begins with its name.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    number = os.open(path, flags, 0o600)
    try:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is no plain file")
        check_own(status)
        fcntl.flock(number, fcntl.LOCK_EX)  # others who append wait for the line end
        before = plain_files.content(number, MOST_BYTES)
        parse(before.decode("utf-8-sig"))
        gap = b"" if before.endswith(b"\n") or not before else b"\n"
        _write(number, gap + line.encode("ascii") + b"\n", len(before))
    finally:
        os.close(number)


def _write(number: int, data: bytes, size: int) -> None:
    """
    @param size: What the file has, and has again where this fails.
    """
    try:
        while data:
            data = data[os.write(number, data) :]
        os.fsync(number)
    except OSError:
        os.ftruncate(number, size)
        raise


def _why(error: OSError | ValueError) -> str:
    """
    The end of a sentence that begins with the name of a file.
    """
    match error:
        case BadTokens():
            return f"is no file of tokens: {error}"
        case UnicodeDecodeError():
            return "is no file of tokens: it is not UTF-8"
        case OSError():
            return f"can't be written: {error.strerror}"
    return str(error)
