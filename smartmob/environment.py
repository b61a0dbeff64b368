"""
The environment that programs get: what they may see of the agent's, and what the
agent tells them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from smartmob.documents import Definition
from smartmob.templates import Identity

PRIVATE = (
    "NOTIFY_SOCKET",
    "WATCHDOG_*",
    "LISTEN_*",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MAINPID",
    "SMARTMOB_*",
)
"""Globs of what is the agent's own business with its service manager."""


def inheritable(environ: Mapping[bytes, bytes], remove: Iterable[str] = ()) -> dict[str, str]:
    """
    What programs may see of the agent's own environment, byte for byte.

    @param remove: Globs of what they may not see besides.
    """
    globs = (*PRIVATE, *remove)
    decoded = {
        name.decode("utf-8", "surrogateescape"): value.decode("utf-8", "surrogateescape")
        for name, value in environ.items()
    }
    return {
        name: value
        for name, value in decoded.items()
        if not any(fnmatchcase(name, pattern) for pattern in globs)
    }


def of_user(env: Mapping[str, str], who: Identity | None) -> dict[str, str]:
    """
    An environment of the agent's, for a program that runs as a user.

    @param who: C{None}: as the agent, whose variables are right then.
    """
    if who is None:
        return dict(env)
    its = {"HOME": who.home, "USER": who.name, "LOGNAME": who.name}
    others = {name: value for name, value in env.items() if name not in its}
    return others | {name: value for name, value in its.items() if value is not None}


def own(whose: Definition, port: int) -> dict[str, str]:
    """
    What the agent tells a program.

    @param port: The port that was set aside for it.
    """
    return {
        "PORT": str(port),
        "PS": whose.node,
        "DYNO": whose.node,
        "SMARTMOB_APP": whose.app,
        "SMARTMOB_NODE": whose.node,
        "SMARTMOB_SLUG": whose.slug,
    }
