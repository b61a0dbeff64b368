"""
Both guardians, for tests that have to pass with each.
"""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch import wire
from smartmob.launch.helper import (
    COMPILED,
    EXECUTABLE,
    PYTHON,
    Helper,
    packet_pair,
    start_compiled,
    start_python,
)

STARTERS: Mapping[str, Callable[[tuple[int, int]], Helper]] = {
    COMPILED: start_compiled,
    PYTHON: start_python,
}
"""
How one of a kind is started.
"""


def require_compiled() -> None:
    """
    @raise SkipTest: There is no compiled guardian.
    """
    if not os.path.exists(EXECUTABLE):
        raise SkipTest(f"no compiler, no compiled guardian: there is no {EXECUTABLE}")


if TYPE_CHECKING:
    _Case = SynchronousTestCase
else:
    _Case = object  # else trial would run the mixin by itself


class WithCompiled(_Case):
    """
    In front of a case: the same with the compiled guardian.
    """

    guardian = COMPILED

    def setUp(self) -> None:
        """
        Make sure that there is one.
        """
        require_compiled()
        super().setUp()


PATIENCE = 30
"""
Seconds for an answer.
"""

ENV = [(b"PATH", b"/usr/local/bin:/usr/bin:/bin")]


@frozen
class Said:
    """
    All that came of an order.

    @ivar answers: The words of each packet over control; of C{executed} no pid.
    @ivar output: What the program wrote.
    """

    answers: list[list[bytes]]
    output: bytes


class Guardian:
    """
    One that a test tells what to do, packet by packet.
    """

    def __init__(
        self,
        kind: str,
        bounds: tuple[int, int] = (256, 1024),
        executable: str | None = None,
    ) -> None:
        """
        @param executable: By way of which it is started.
        """
        if executable is None:
            self.helper = STARTERS[kind](bounds)
        else:
            self.helper = start_compiled(bounds, executable)
        self.connection = self.helper.connection
        self.connection.settimeout(PATIENCE)
        assert self.connection.recv(100) == wire.READY

    def end(self) -> None:
        """
        Hang up, and wait for its end.
        """
        self.connection.close()
        os.waitpid(self.helper.pid, 0)

    def give(self, packet: bytes, count: int = 3) -> tuple[socket.socket, int]:
        """
        Give it an order.

        @param count: With so many descriptors.
        @return: Control, and the program's output.
        """
        control, theirs = packet_pair()
        control.settimeout(PATIENCE)
        output, writing = os.pipe()
        its = (theirs.fileno(), writing, writing, theirs.fileno())[:count]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", its))] if its else []
        self.connection.sendmsg([packet], rights)
        theirs.close()
        os.close(writing)
        return control, output

    def run(self, packet: bytes, *then: bytes, count: int = 3) -> Said:
        """
        Give it an order, and see what comes of it.

        @param then: Packets for the reaper, once the program was executed.
        """
        control, output = self.give(packet, count)
        with control:
            answers = list(heard(control, then))
        with open(output, "rb") as file:
            return Said(answers, file.read())

    def reaper(self) -> int:
        """
        The pid of the only one.
        """
        [pid] = children(self.helper.pid)
        return pid


def heard(control: socket.socket, then: Sequence[bytes] = ()) -> Sequence[list[bytes]]:
    """
    What a reaper says until a run is over.

    @param then: What it is told once the program was executed.
    """
    answers: list[list[bytes]] = []
    while not answers or answers[-1][0] in (wire.EXECUTED, wire.EXITED):
        packet = received(control)
        if not packet:
            break
        words = wire.unpack(packet)
        if words[0] == wire.EXECUTED:
            for word in then:
                sent(control, word)
            del words[1:]
        answers.append(words)
    return answers


def received(control: socket.socket) -> bytes:
    """
    A packet; none where the other side is gone.
    """
    try:
        return control.recv(1 << 16)
    except ConnectionResetError:
        return b""


def sent(control: socket.socket, packet: bytes) -> bool:
    """
    Whether the other side was there to send it to.
    """
    try:
        control.send(packet)
    except BrokenPipeError:
        return False
    return True


def soon(what: Callable[[int], Collection[int]], pid: int, expected: Collection[int]) -> None:
    """
    Wait until L{children} or L{descriptors} of a process are these.
    """
    end = monotonic() + PATIENCE
    while (found := what(pid)) != expected:
        assert monotonic() < end, f"{found}, not {expected}"
        sleep(0.001)


def children(pid: int) -> list[int]:
    """
    Those of a process with one thread.
    """
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def descriptors(pid: int) -> set[int]:
    """
    Those of a process.
    """
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def order(
    *argv: bytes,
    env: Sequence[tuple[bytes, bytes]] = ENV,
    cwd: bytes = b"/",
    stop_signal: int = 15,
    grace: float = 10.0,
    umask: int = 0o22,
    nice: int = 0,
    no_new_privileges: bool = False,
    limits: Sequence[tuple[bytes, int, int]] = (),
    identity: Sequence[int] = (),
    group: bytes = b"",
) -> bytes:
    """
    An order, packed.
    """
    return wire.Order(
        argv=list(argv),
        env=list(env),
        cwd=cwd,
        stop_signal=stop_signal,
        grace=grace,
        umask=umask,
        nice=nice,
        no_new_privileges=no_new_privileges,
        limits=list(limits),
        identity=list(identity),
        group=group,
    ).pack()


def shell(script: str) -> bytes:
    """
    The order of a shell.
    """
    return order(b"/bin/sh", b"-c", script.encode())
