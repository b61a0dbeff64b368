"""
What a filter of system calls says: the kernel's little machine for them, in Python.
"""

from __future__ import annotations

import struct

KILL = 0x80000000
ERROR = 0x00050000
ALLOW = 0x7FFF0000


def answer(program: bytes, machine: int, number: int) -> int:
    """
    What a program answers to a call.

    @param machine: As the kernel names it, with the call's C{number} on it.
    """
    steps = list(struct.iter_unpack("HBBI", program))
    looked_at = struct.pack("II", number, machine)
    loaded = at = 0
    while True:
        code, if_so, if_not, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("I", looked_at, value)
            case 0x15:
                at += if_so if loaded == value else if_not
            case 0x25:
                at += if_so if loaded > value else if_not
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"an instruction {code:#x}")
