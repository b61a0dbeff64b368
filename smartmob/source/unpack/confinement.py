"""
What the process that reads an archive gives away before it reads a byte of it: the
network, other programs, other processes, and all of the disk but one folder.

So whatever a parser can be talked into, there is nobody to be asked what to do next, and
nothing outside of the folder can be written.  No privilege is needed for that, and
containers allow it.  Namespaces, which many do not allow, are the second choice: for
machines whose system calls have numbers that are not known here.

Sources: seccomp(2), prctl(2), unshare(2), landlock(7), and the kernel's headers
C{linux/seccomp.h}, C{linux/audit.h}, C{linux/filter.h} and C{linux/landlock.h}.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from contextlib import suppress

from smartmob.source.unpack.calls import LAST, refused

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

MACHINES = {
    "x86_64": (0xC000003E, 0),
    "aarch64": (0xC00000B7, 1),
    "riscv64": (0xC00000F3, 1),
}
"""
By what uname(2) says: what a filter is told, and the column in the table of calls.
"""

# What a filter may answer; the number of an error is added to the second.
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
# Where it finds what it looks at.
_NUMBER, _MACHINE = 0, 4
# What it is made of: load a word, jump if equal, jump if greater, return.
_LOAD, _EQUAL, _GREATER, _RETURN = 0x20, 0x15, 0x25, 0x06

# Calls of Landlock, which have these numbers on every machine.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION = 1
_PATH_BENEATH = 1
_EXECUTE, _WRITE_FILE, _REMOVE_DIR, _REMOVE_FILE = 1 << 0, 1 << 1, 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
_MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
_REFER, _REFER_SINCE = 1 << 13, 2
_TRUNCATE, _TRUNCATE_SINCE = 1 << 14, 3

_CAPABILITY_VERSION = 0x20080522

_INSIDE = _WRITE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM | _REFER
_BESIDE = _MAKE_DIR | _REMOVE_DIR
_NOWHERE = _EXECUTE | _REMOVE_FILE | _MAKE_CHAR | _MAKE_SOCK | _MAKE_FIFO | _MAKE_BLOCK

_libc = ctypes.CDLL(None, use_errno=True)


def confine(root: int, beside: str | None) -> str | None:
    """
    Confine this process, for good.

    @param root: A descriptor of the one folder that may be written to.
    @param beside: Where that is to be renamed later, if it is.
    @return: Why there still is a network, if there is.
    """
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_DUMPABLE, 0)):
        _libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0)))
    if os.geteuid():
        # An agent that is not root may have some, with which one could become root.
        _libc.capset(struct.pack("Ii", _CAPABILITY_VERSION, 0), bytes(24))
    # Not every kernel has it, and the unpacker does without: it opens nothing elsewhere.
    with suppress(OSError):
        keep_to(root, beside)
    return leave_network()


def leave_network() -> str | None:
    """
    Have no network any more, nor any way to another process.

    @return: Why that can't be had.
    """
    try:
        refuse_calls()
    except OSError as error:
        try:
            leave_by_namespace()
        except OSError as other:
            return (
                f"no filter of system calls ({error.strerror}), no namespace ({other.strerror})"
            )
    return None


def refuse_calls() -> None:
    """
    Have the kernel refuse this process the calls that no unpacker needs.

    @raise OSError: It does not.
    """
    machine = os.uname().machine
    # A Python of 32 bits on such a machine makes calls of another kind.
    if machine not in MACHINES or sys.maxsize < 2**32:
        raise OSError(errno.ENOSYS, f"the system calls of {machine} are not known")
    code = filter_for(*MACHINES[machine])
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(kept))
    _check(
        _libc.prctl(
            _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program, *_nothing(2)
        )
    )
    probe = _libc.socket(1, 1, 0)
    if probe >= 0:
        # Something that passes for a kernel said yes and did nothing.
        os.close(probe)
        raise OSError(errno.ENOSYS, "it has no effect")


def filter_for(machine: int, column: int) -> bytes:
    """
    The program that the kernel runs at every call.  It ends a process that makes calls of
    another machine's; refuses those of the table; and says of those that are younger than
    the table that there are none such, and the same of calls of the x32 kind, whose
    numbers are larger still.
    """
    numbers = refused(column)
    count = len(numbers)
    steps = [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER, count + 2, 0, LAST),
        *((_EQUAL, count - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERROR + errno.EPERM),
        (_RETURN, 0, 0, _ERROR + errno.ENOSYS),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def leave_by_namespace() -> None:
    """
    Have a network of one's own, with nothing in it.

    @raise OSError: That can't be had.
    """
    if _libc.unshare(_CLONE_NEWNET):
        # Who is not root may do it where he is a user of his own, too.
        _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def keep_to(root: int, beside: str | None) -> None:
    """
    Have the kernel refuse this process to write anywhere else, and to execute anything.

    @raise OSError: It has no Landlock.
    """
    version = _landlock(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
    if version < _REFER_SINCE:
        return  # it would know no hard links from one folder to another
    truncate = _TRUNCATE if version >= _TRUNCATE_SINCE else 0
    about = struct.pack("Q", _INSIDE | _BESIDE | _NOWHERE | truncate)
    rules = _landlock(_CREATE_RULESET, about, ctypes.c_size_t(len(about)), 0)
    try:
        _allow(rules, root, _INSIDE)
        if beside is not None:
            folder = os.open(beside, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _allow(rules, folder, _BESIDE)
            finally:
                os.close(folder)
        _landlock(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, folder: int, what: int) -> None:
    """
    Allow something below a folder.
    """
    _landlock(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", what, folder), 0)


def _landlock(number: int, *arguments: object) -> int:
    return _check(_libc.syscall(ctypes.c_long(number), *arguments))


def _nothing(count: int) -> list[ctypes.c_ulong]:
    return [ctypes.c_ulong(0)] * count


def _check(result: int) -> int:
    """
    @raise OSError: It is what says that there was an error.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
