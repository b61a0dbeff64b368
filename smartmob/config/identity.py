"""
The user that a section names, as numbers and names.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from smartmob.config.keys import Keys
from smartmob.config.values import wrong
from smartmob.templates import Identity

_CAP_SETGID = 6
_CAP_SETUID = 7
_LARGEST = 2**32 - 2
"""One more is "as it is" to setresuid(2)."""


def _effective_capabilities() -> int:
    """
    Those of this process, a bit each; see capabilities(7) and proc(5).
    """
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(found[1], 16) if found else 0


@frozen(kw_only=True)
class Accounts:
    """
    What the system knows of users, and of what the agent may become.

    @ivar groups_of: All groups of a user, by its name and its own group.
    @ivar capabilities: Those in effect, a bit each.
    @ivar uid: Of the agent.
    @ivar gid: Of the agent.
    @ivar groups: The supplementary groups of the agent.
    """

    user_named: Callable[[str], pwd.struct_passwd] = pwd.getpwnam
    user_numbered: Callable[[int], pwd.struct_passwd] = pwd.getpwuid
    group_named: Callable[[str], grp.struct_group] = grp.getgrnam
    groups_of: Callable[[str, int], Sequence[int]] = os.getgrouplist
    capabilities: Callable[[], int] = _effective_capabilities
    uid: Callable[[], int] = os.geteuid
    gid: Callable[[], int] = os.getegid
    groups: Callable[[], Sequence[int]] = os.getgroups

    def group(self, text: str) -> int:
        """
        The number of a group, by its name or number.

        @raise Wrong: There is none.
        """
        number = _number(text)
        if number is not None:
            return number
        try:
            return self.group_named(text).gr_gid
        except (KeyError, ValueError):
            raise wrong(f"there is no group {text!r}") from None

    def user(self, text: str) -> tuple[int, pwd.struct_passwd | None]:
        """
        The number of a user, by its name or number, and what else is known of it.

        @raise Wrong: There is none.
        """
        number = _number(text)
        try:
            entry = self.user_named(text) if number is None else self.user_numbered(number)
        except (KeyError, ValueError):
            if number is None:
                raise wrong(f"there is no user {text!r}") from None
            return number, None
        return entry.pw_uid, entry

    def with_user(self, text: str, gid: int | None) -> Identity:
        """
        That user, with its own group unless one is given, and its other groups.

        @raise Wrong: There is none, or the agent has no right to become it.
        """
        uid, entry = self.user(text)
        if entry is None:
            if gid is None:
                raise wrong(f"there is no user {uid}, so a gid is needed beside it")
            self._check(uid, gid)
            return Identity(uid=uid, gid=gid)
        gid = entry.pw_gid if gid is None else gid
        self._check(uid, gid)
        return Identity(
            uid=uid,
            gid=gid,
            groups=tuple(sorted(set(self.groups_of(entry.pw_name, gid)))),
            name=entry.pw_name,
            home=entry.pw_dir or None,
        )

    def with_group(self, gid: int) -> Identity:
        """
        The agent's own user, with that group.

        @raise Wrong: The agent has no right to it.
        """
        uid = self.uid()
        self._check(uid, gid)
        try:
            entry = self.user_numbered(uid)
        except KeyError:
            entry = None
        return Identity(
            uid=uid,
            gid=gid,
            groups=tuple(self.groups()),
            name=None if entry is None else entry.pw_name,
            home=None if entry is None else entry.pw_dir or None,
        )

    def _check(self, uid: int, gid: int) -> None:
        if (uid, gid) == (self.uid(), self.gid()):
            return
        needed = 1 << _CAP_SETUID | 1 << _CAP_SETGID
        if self.capabilities() & needed != needed:
            raise wrong(
                f"the agent, which is user {self.uid()} and group {self.gid()}, has no right "
                f"to run programs as user {uid} and group {gid}"
            )


def identity(keys: Keys, accounts: Accounts) -> Identity | None:
    """
    Whom C{uid} and C{gid} of a section name; C{None}: nobody but the agent.
    """
    gid = keys.get("gid", accounts.group, None)
    if keys.entry("gid") is not None and gid is None:
        keys.get("uid", accounts.user, None)  # it may be wrong too
        return None
    if keys.entry("uid") is not None:
        return keys.get("uid", lambda text: accounts.with_user(text, gid), None)
    if gid is not None:
        return keys.get("gid", lambda _: accounts.with_group(gid), None)
    return None


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
        raise wrong(f"must be a name, or a number to {_LARGEST}")
    return int(text)
