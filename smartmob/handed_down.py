"""
The sockets that systemd handed down: sd_listen_fds(3).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

KIND = "systemd"
"""What addresses of such sockets begin with, before a colon."""

FORMS = "systemd:name=NAME or systemd:index=N"

_FIRST = 3
_DESCRIPTOR = re.compile(r"fd:([0-9]{1,9})")
_PARTS = ("domain", "index", "name")
"""As Twisted has them, in its order.  What a socket is can be seen: the first has no effect."""

_DOMAINS = ("INET", "INET6", "UNIX")


class NoSuchSocket(ValueError):
    """
    An address is none, or of no socket that is there; the message ends a sentence that begins
    with it.
    """


class HandedDown(NamedTuple):
    """
    What was handed down to a process.

    @ivar names: Of each socket, in order: C{FileDescriptorName} of systemd.socket(5), empty
        where it has none.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def to(cls, pid: int, environ: Mapping[str, str]) -> HandedDown:
        """
        What was handed down to that process, and to no parent of it.
        """
        number = environ.get("LISTEN_FDS", "")
        if environ.get("LISTEN_PID") != str(pid) or not re.fullmatch("[0-9]{1,6}", number):
            return cls()
        names = environ.get("LISTEN_FDNAMES", "").split(":")
        named = dict(enumerate(names))
        return cls(tuple(named.get(index, "") for index in range(int(number))))

    def addresses(self) -> tuple[str, ...]:
        """
        One of each.
        """
        return tuple(f"{KIND}:index={index}" for index in range(len(self.names)))

    def number(self, text: str) -> int:
        """
        The descriptor that an address is about.

        @raise NoSuchSocket: There is none.
        """
        index, name = parts(text)
        if not self.names:
            raise NoSuchSocket("systemd has handed down no socket to this process")
        if index is not None:
            if index >= len(self.names):
                last = len(self.names) - 1
                raise NoSuchSocket(f"the last one that systemd has handed down is {last}")
            return _FIRST + index
        found = [at for at, each in enumerate(self.names) if each == name]
        if not found:
            there = ", ".join(dict.fromkeys(self.names))
            raise NoSuchSocket(f"those that systemd has handed down are called {there}")
        if len(found) > 1:
            which = " and ".join(f"{KIND}:index={at}" for at in found)
            raise NoSuchSocket(f"there are several of that name: {which}")
        return _FIRST + found[0]

    def left_out(self, addresses: Iterable[str]) -> list[str]:
        """
        Those that none of these addresses is about, each by an address of its own.
        """
        used = set()
        for text in addresses:
            if descriptor := _DESCRIPTOR.fullmatch(text):
                used.add(int(descriptor[1]))
            elif is_of_systemd(text):
                try:
                    used.add(self.number(text))
                except NoSuchSocket:
                    continue  # whoever is to listen there will hear of it
        return [
            address
            for index, address in enumerate(self.addresses())
            if _FIRST + index not in used
        ]


def handed_down() -> HandedDown:
    """
    What was handed down to this process.
    """
    return _to(os.getpid())


@cache
def _to(pid: int) -> HandedDown:
    return HandedDown.to(pid, _environment())


def _environment() -> Mapping[str, str]:
    """
    The environment that the process was executed with: Twisted takes these variables out of the
    one there is now, when C{twisted.internet.endpoints} is imported.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            variables = os.fsdecode(file.read()).split("\0")
    except OSError:
        return os.environ
    return dict(each.split("=", 1) for each in variables if "=" in each)


def is_of_systemd(text: str) -> bool:
    """
    Whether an address is about such a socket.
    """
    return text.startswith(f"{KIND}:")


def parts(text: str) -> tuple[int | None, str | None]:
    """
    The index or the name in an address, one of them.

    @raise NoSuchSocket: It is of another form.
    """
    said: dict[str, str] = {}
    for place, part in enumerate(text.split(":")[1:]):
        key, equals, value = part.partition("=")
        if not equals:
            key, value = _PARTS[min(place, 2)], part
            if not place and part.isdecimal():
                key = "index"
        if key not in _PARTS or key in said or not value:
            raise NoSuchSocket(f"use {FORMS}")
        said[key] = value
    index, name = said.get("index"), said.get("name")
    if said.get("domain", "INET") not in _DOMAINS or (index is None) == (name is None):
        raise NoSuchSocket(f"use {FORMS}")
    if index is None:
        return None, name
    if not re.fullmatch("[0-9]{1,6}", index):
        raise NoSuchSocket(f"use {FORMS}")
    return int(index), None
