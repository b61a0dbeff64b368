"""
Addresses whose packets a listening socket does not hear.

The system drops them before there is a connection: see SO_ATTACH_FILTER in socket(7), and
U{what the kernel says<https://docs.kernel.org/networking/filter.html>}.  Newer kernels let only
those do that who have CAP_NET_ADMIN (capabilities(7)).  Connections that are there already go
on.
"""

from __future__ import annotations

import socket
import struct
from array import array
from collections.abc import Collection
from ipaddress import IPv6Address, ip_address

_ATTACH, _DETACH = 26, 27
"""Python has no names for these (asm-generic/socket.h)."""

_LOAD_BYTE, _LOAD_WORD, _AND, _IF_EQUAL, _RETURN = 0x30, 0x20, 0x54, 0x15, 0x06
"""Instructions (linux/filter.h): what to do with what was loaded from the packet."""

_HEADER = 0xFFF00000
"""SKF_NET_OFF: where the header of IP is, for a socket of TCP."""

_VERSIONS = {4: (0x40, 12), 6: (0x60, 8)}
"""The first bits of that header, and where in it the address is that sent it."""

_HEARD, _DROPPED = 0xFFFFFFFF, 0

_Step = tuple[int, int, int, int]
"""An instruction, how many to pass over where that is so, and where it is not, and a number."""

MOST = 100
"""Addresses: more would be too long a program."""

_ONLY_SYN: tuple[_Step, ...] = (
    (_LOAD_BYTE, 0, 0, 13),
    (_AND, 0, 0, 0x02),
    (_IF_EQUAL, 1, 0, 0x02),
    (_RETURN, 0, 0, _HEARD),
)
"""What asks for a connection (RFC 9293, section 3.1).  One that is made in this very moment has
the filter as well, and is to hear all that belongs to it, such as its end."""


def ignore(listening: socket.socket, ips: Collection[str]) -> None:
    """
    Do not hear these addresses from now on, and hear all others.

    @param ips: At most L{MOST}.
    @raise OSError: The system has no such thing, or does not allow it.
    """
    steps = [*_ONLY_SYN, *(step for ip in ips for step in _one(ip)), (_RETURN, 0, 0, _HEARD)]
    code = array("B", b"".join(struct.pack("=HBBI", *step) for step in steps))
    address, size = code.buffer_info()
    listening.setsockopt(socket.SOL_SOCKET, _ATTACH, struct.pack("HP", size // 8, address))


def hear_all(listening: socket.socket) -> None:
    """
    Hear everybody again.

    @raise OSError: There was nobody who was not heard.
    """
    listening.setsockopt(socket.SOL_SOCKET, _DETACH, 0)


def _one(ip: str) -> list[_Step]:
    """
    Drop what this one sent; else go on behind.
    """
    address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # as a socket of IPv6 has clients of IPv4
    bits, at = _VERSIONS[address.version]
    words = struct.unpack(f"!{len(address.packed) // 4}I", address.packed)
    steps: list[_Step] = [
        (_LOAD_BYTE, 0, 0, _HEADER),
        (_AND, 0, 0, 0xF0),
        (_IF_EQUAL, 0, 2 * len(words) + 1, bits),
    ]
    for index, word in enumerate(words):
        steps.append((_LOAD_WORD, 0, 0, _HEADER + at + 4 * index))
        steps.append((_IF_EQUAL, 0, 2 * (len(words) - index) - 1, word))
    return [*steps, (_RETURN, 0, 0, _DROPPED)]
