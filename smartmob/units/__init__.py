"""
The units of systemd that come with smartmob: see systemd.unit(5).

They lie here, and installed with other data of programs, with C{twistd} alone for a command,
which systemd looks for where programs of the whole system are.  Shown by the agent they have
the path of that C{twistd} which the agent itself was installed with, wherever that is.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

NAMES = ("smartmob.service", "smartmob.socket", "smartmob@.service")
"""What there is."""

_TWISTD = re.compile(r"^(ExecStart=)twistd(?= )", re.MULTILINE)


class NoSuchUnit(ValueError):
    """
    There is none of that name; the message says which there are.
    """


def unit(name: str, twistd: str | None = None) -> str:
    """
    The text of a unit, as it is to be installed.

    @param twistd: What it is to start; unless given, what this agent was installed with.
    @raise NoSuchUnit: There is none of that name.
    """
    if name not in NAMES:
        raise NoSuchUnit(f"there is no unit {name!r}; there are {', '.join(NAMES)}")
    text = Path(__file__).with_name(name).read_text("utf-8")
    path = _quoted(twistd or installed())
    return _TWISTD.sub(lambda found: f"{found[1]}{path}", text)


def installed() -> str:
    """
    The C{twistd} beside this program, or else the one of this Python, or any.
    """
    for path in _candidates():
        if os.access(path, os.X_OK):
            return path
    return shutil.which("twistd") or "twistd"


def _candidates() -> Iterator[str]:
    program = os.path.abspath(sys.argv[0])
    for path in (program, os.path.realpath(program)):
        yield os.path.join(os.path.dirname(path), "twistd")
    yield os.path.join(sysconfig.get_path("scripts"), "twistd")
    # Where it is not the one that its environment is known by.
    yield os.path.join(os.path.dirname(sys.executable), "twistd")


def _quoted(path: str) -> str:
    """
    A path as the first word of a command (systemd.service(5), "Command lines").
    """
    path = path.replace("%", "%%")
    if re.fullmatch(r"[\w/.,+@%:-]+", path, re.ASCII):
        return path
    escaped = re.sub(r'([\\"])', r"\\\1", path)
    return f'"{escaped}"'
