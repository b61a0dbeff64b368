"""
Files with secrets, which nobody else may read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from smartmob import plain_files

_OTHERS = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0


class NotSecret(ValueError):
    """
    Others can read a file, or change it, or it is theirs; the message ends a sentence that
    begins with its name.
    """


def secret_file(path: str, most: int, environ: Mapping[str, str]) -> bytes:
    """
    What a file has, if nobody but the agent's user may read it and change it.

    @param most: Bytes that it may have.
    @param environ: Where C{CREDENTIALS_DIRECTORY} may be (systemd.exec(5)): what is below
        that is secret whatever its mode.
    @raise OSError: It can't be read.
    @raise ValueError: L{NotSecret}, or it is no plain file or too large; as of
        L{smartmob.plain_files.read}.
    """
    number = plain_files.opened(path)
    try:
        # This is about what is read, whatever has its name now.
        status = os.fstat(number)
        content = plain_files.content(number, most)
    finally:
        os.close(number)
    if not _is_credential(path, environ):
        check_own(status)
    return content


def check_own(status: os.stat_result) -> None:
    """
    See that a file is this user's alone, or root's.  What belongs to somebody else is theirs
    to change, whatever its mode: who writes a file of tokens may do what the agent may.

    @raise NotSecret: It is not.
    """
    mode = status.st_mode
    if status.st_uid not in (os.geteuid(), _ROOT):
        raise NotSecret(f"belongs to user {status.st_uid}, who could read it and change it")
    if mode & _OTHERS:
        raise NotSecret("can be read by others: chmod 600 would do")
    if mode & _OTHERS_WRITE:
        raise NotSecret("can be written by others: chmod 600 would do")


def _is_credential(path: str, environ: Mapping[str, str]) -> bool:
    """
    Whether the service manager handed it down, which keeps others out by the folder.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and os.path.realpath(path).startswith(
        os.path.join(os.path.realpath(folder or ""), "")
    )
