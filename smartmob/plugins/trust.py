"""
Whose files the agent may run: those that nobody writes to but root and the agent's
own user.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Refused(Exception):
    """
    Something would be run that somebody else may write to, and so could say what
    the agent does.
    """


def stranger(status: os.stat_result) -> str | None:
    """
    Who else may write to a file or folder, as the end of a sentence; C{None}: nobody.

    The agent's own group may: with a group for each user, as most systems have them,
    that is no one else.

    @param status: Not that of a symbolic link, whose mode says nothing.
    """
    mode = status.st_mode
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to the user {status.st_uid}"
    if mode & stat.S_IWOTH:
        return "may be written to by everybody"
    if mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"may be written to by the group {status.st_gid}"
    return None


def check(status: os.stat_result, path: str) -> None:
    """
    See that it can be run.

    @raise Refused: It can't.
    """
    why = stranger(status)
    if why is not None:
        raise Refused(f"{path} {why}")


def check_place(path: str) -> None:
    """
    See that nobody else can put something other in its place: of the folders that it
    lies in, as it is named and where links lead to, none is a L{stranger}'s.  This is what
    OpenSSH asks of the home of who logs in (C{StrictModes}, sshd_config(5)), except that
    a folder like F{/tmp} is fine, in which nobody can rename what is another's.

    @raise Refused: Somebody can.
    """
    named, real = Path(os.path.abspath(path)), Path(os.path.realpath(path))
    for folder in dict.fromkeys((*named.parents, *real.parents)):
        status = folder.stat()
        sticky = status.st_mode & stat.S_ISVTX and status.st_uid in (0, os.geteuid())
        if not sticky and (why := stranger(status)) is not None:
            raise Refused(f"{folder}, which {path} lies in, {why}")
