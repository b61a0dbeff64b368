"""
Between Twisted's terms for programs and those of the helpers.
"""

from __future__ import annotations

import errno
import json
import os
import signal as signals
from hashlib import sha256

from attrs import fields
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure

from smartmob.launch.cgroups import MEMORY, PROCESSES, Place
from smartmob.launch.interfaces import Command, Group
from smartmob.launch.tree import name
from smartmob.launch.wire import Order

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS)
"""
What it is called that there are no descriptors left: in this process, in the system, or
on their way to others, all of its user's together (unix(7), SCM_RIGHTS).
"""


def ending(status: int) -> Failure:
    """
    How a leader ended, as a protocol is told.

    @param status: As from waitpid(2).
    """
    if status == 0:
        return Failure(ProcessDone(status))
    if os.WIFSIGNALED(status):
        return Failure(ProcessTerminated(None, os.WTERMSIG(status), status))
    return Failure(ProcessTerminated(os.WEXITSTATUS(status), None, status))


def order(command: Command, place: Place | None = None) -> Order:
    """
    A command as the guardian takes it.

    @param place: The group that it gets.
    @raise ValueError: It has characters that no program can be given.
    """
    identity: list[int] = []
    if command.owner is not None:
        identity = [*command.owner, *command.groups]
    return Order(
        argv=[encoded(word) for word in command.argv],
        env=[(encoded(name), encoded(value)) for name, value in command.env.items()],
        cwd=os.fsencode(command.cwd),
        stop_signal=command.stop_signal,
        grace=command.grace,
        umask=command.umask,
        nice=command.nice,
        no_new_privileges=command.no_new_privileges,
        limits=[
            (name.encode("ascii"), soft, hard)
            for name, (soft, hard) in command.rlimits.items()
            if name not in _replaced(command.group, place)
        ],
        identity=identity,
        group=b"" if place is None else os.fsencode(place.folder),
    )


def _replaced(group: Group | None, place: Place | None) -> list[str]:
    """
    The limits in whose place those of a group are.
    """
    if group is None or place is None:
        return []
    bounded = {MEMORY: group.memory_bytes, PROCESSES: group.processes}
    return [
        name
        for controller, name in ((MEMORY, "RLIMIT_AS"), (PROCESSES, "RLIMIT_NPROC"))
        if controller in place.controllers and bounded[controller] is not None
    ]


def fingerprint(command: Command) -> str:
    """
    By which a command is known again: two that have the same run the same, in the same
    way, but for what may change without a restart.
    """
    what = {
        attribute.name: value
        for attribute in fields(Command)
        if (value := getattr(command, attribute.name)) != attribute.default
    }
    # What has its default is left out, so that an option of a later release does not
    # make others of all.
    for left_out in "grace", "detach", "group":
        what.pop(left_out, None)
    if command.group is not None and any(bound is not None for bound in command.group.bounds):
        what["bounds"] = command.group.bounds
    ambient = command.detach.ambient if command.detach is not None else frozenset()
    what["env"] = {name: value for name, value in command.env.items() if name not in ambient}
    what["rlimits"] = dict(command.rlimits)
    return sha256(json.dumps(what, sort_keys=True).encode("ascii")).hexdigest()


def undelivered(error: OSError | ValueError) -> str:
    """
    Why nobody could be asked to execute a program: a sentence for a person.
    """
    if not isinstance(error, OSError):
        return f"it can't be executed: {error}"
    if error.errno == errno.EMSGSIZE:
        return "its arguments and its environment are too large"
    if error.errno in EXHAUSTED:
        return f"the agent has no descriptors left for its pipes: {error.strerror}"
    return f"its helper can't be asked for it: {error.strerror}"


def encoded(word: str) -> bytes:
    """
    A word or a value as a program gets it: in UTF-8, as documents and Procfiles are,
    whatever the agent's own locale is.
    """
    return word.encode("utf-8", "surrogateescape")


def signal_number(signal: str | int) -> int:
    """
    @raise ValueError: There is no such signal.
    """
    if isinstance(signal, int):
        # Most real-time signals have no name in Signals.
        if signal not in signals.valid_signals():
            raise ValueError(f"there is no signal {signal}")
        return signal
    try:
        return signals.Signals[f"SIG{signal.removeprefix('SIG')}"].value
    except KeyError:
        raise ValueError(f"there is no signal {signal!r}") from None


def called(pid: int) -> str | None:
    """
    The name of a process, for people; C{None} where it has ended.
    """
    word = name(pid)
    return None if word is None else text(word)


def text(word: bytes) -> str:
    """
    A word of a helper, for people.
    """
    return word.decode("utf-8", "replace")
