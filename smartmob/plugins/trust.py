"""
Whose files the agent may run: those that nobody writes to but root and the agent's
own user.
"""

from __future__ import annotations

import os
import stat


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
