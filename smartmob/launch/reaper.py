"""
The parent of one program: it executes it, stops it, and reaps all that came of it.

One process a program, forked from the guardian.  It waits for four signals, all
of them blocked, so that there is no moment in which one gets lost, and sleeps
until one of them comes:

  - SIGCHLD: something of the tree has ended;
  - SIGIO: there is a packet on control, or its end: the agent let go, or is dead;
  - SIGCONT: the guardian may be dead (PR_SET_PDEATHSIG): this one also wakes a reaper
    that somebody stopped;
  - SIGTERM: somebody wants it to end.
"""

from __future__ import annotations

import _socket
import os
from fcntl import F_SETFL, F_SETOWN, fcntl
from select import POLLIN, poll
from signal import SIGCHLD, SIGCONT, SIGIO, SIGKILL, SIGTERM, sigtimedwait, sigwaitinfo
from time import monotonic

from smartmob.launch import wire
from smartmob.launch.execution import (
    NOT_EXECUTABLE,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NAME,
    PR_SET_PDEATHSIG,
    execute,
    prctl,
)
from smartmob.launch.tree import HIDDEN, ask, kill_all, send

TYPE_CHECKING = False  # importing typing costs each program memory
if TYPE_CHECKING:
    from signal import struct_siginfo
    from typing import NoReturn

LEFT = 3
"""
Exit code of a reaper that could not end its tree.
"""

PEER = 3
"""
The descriptor of the connection to the agent, in the guardian as in a reaper.
"""

_ROOM = _socket.CMSG_SPACE(4 * wire.DESCRIPTORS)
_WOKEN_BY = (SIGCHLD, SIGIO, SIGCONT, SIGTERM)


class Mailbox:
    """
    The other side's packets, on the descriptor L{PEER}.

    Made once, by the guardian.  A reaper gets control as the same descriptor, and so
    takes over the objects around it: to make them anew would cost it 200 KB.
    """

    __slots__ = ("_connection", "_poll")

    def __init__(self) -> None:
        self._connection = _socket.socket(fileno=PEER)
        self._poll = poll()
        self._poll.register(PEER, POLLIN)

    def listen(self, me: int) -> None:
        """
        Have SIGIO sent to this process whenever there is something to receive.

        @param me: Its pid.
        """
        fcntl(PEER, F_SETOWN, me)
        fcntl(PEER, F_SETFL, os.O_ASYNC | os.O_NONBLOCK)

    def waiting(self) -> bool:
        """
        Whether there is a packet, or the connection's end.
        """
        return bool(self._poll.poll(0))

    def receive(self) -> tuple[bytes, list[int], bool]:
        """
        A packet, its descriptors, which close on exec, and whether these are all: there
        may have been no room for more.  The packet is empty when the other side is gone.

        C{socket.recv_fds} is not for us: it drops its flags (Python 3.11), and then
        every program would inherit its neighbours' pipes.
        """
        descriptors: list[int] = []
        try:
            packet, ancillary, flags, _ = self._connection.recvmsg(
                wire.LARGEST, _ROOM, _socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            return b"", descriptors, False
        for level, kind, value in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                whole = value[: len(value) // 4 * 4]
                descriptors += memoryview(whole).cast("i").tolist()
        return packet, descriptors, not flags & _socket.MSG_CTRUNC

    def send(self, packet: bytes) -> None:
        """
        Tell the other side.  Where it is gone, L{receive} will find out.
        """
        try:
            self._connection.send(packet)
        except OSError:
            return


class Reaper:
    """
    @ivar pid: The leader's; 0 while the program does not run.
    @ivar ended: The leader was reaped.
    @ivar deadline: When what is left of the tree gets KILL (monotonic); C{None}:
        nobody asked it to end.
    @ivar left: Something of the last run could not be ended.
    """

    __slots__ = (
        "control",
        "deadline",
        "ended",
        "left",
        "me",
        "order",
        "pid",
        "stderr",
        "stdout",
    )

    def __init__(self, control: Mailbox) -> None:
        """
        Made once, by the guardian, for all its children to become: to make it anew
        would cost each of them 100 KB.
        """
        self.control = control
        self.order = b""
        self.stdout = self.stderr = self.me = self.pid = 0
        self.ended = self.left = False
        self.deadline: float | None = None

    def live(self, order: bytes, descriptors: list[int], guardian: int) -> NoReturn:
        """
        What the guardian's child does: execute the program, and stay until nobody can
        ask for it again.

        @param order: What to execute, as it came.
        @param descriptors: Those that came with the order.
        @param guardian: The pid of the guardian.
        """
        control, self.stdout, self.stderr, *stdin = descriptors
        os.dup2(control, PEER, False)
        os.close(control)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, SIGCONT)
        if os.getppid() != guardian:
            os._exit(0)
        prctl(PR_SET_NAME, b"smartmob-reaper")
        os.setsid()
        self.me = os.getpid()
        self.order = order
        self.control.listen(self.me)
        self.launch(*stdin or (0,))
        self.hear()
        while True:
            woken: struct_siginfo | None
            if self.deadline is None:
                woken = sigwaitinfo(_WOKEN_BY)
            else:
                woken = sigtimedwait(_WOKEN_BY, max(0.0, self.deadline - monotonic()))
                if self.deadline <= monotonic():
                    self.force()
            if woken is None:
                continue
            if woken.si_signo == SIGCHLD:
                self.settle(self.reap())
            elif woken.si_signo == SIGIO:
                self.hear()
            elif woken.si_signo == SIGTERM or os.getppid() != guardian:
                self.leave()

    def launch(self, stdin: int) -> None:
        """
        Run the program.  Waits until it is executed, or can't be.
        """
        self.ended = False
        self.deadline = None
        self.left = False
        try:
            self._fork(stdin)
        except OSError as e:
            self.refuse(f"no process can be made for it: {e.strerror}")
        if stdin:
            os.close(stdin)

    def _fork(self, stdin: int) -> None:
        told, tell = os.pipe()
        try:
            pid = os.fork()
            if not pid:
                self.become(stdin, tell)
        finally:
            os.close(tell)
            refused = os.read(told, 4096)  # its end of file is the exec
            os.close(told)
        if refused:
            os.waitpid(pid, 0)
            self.control.send(wire.REFUSED + b"\0" + refused)
        else:
            self.pid = pid
            self.control.send(b"%b\0%d" % (wire.EXECUTED, pid))

    def become(self, stdin: int, tell: int) -> NoReturn:
        """
        In the child: be the program.

        @param tell: Gets the reason where that can't be, as L{execute} has it.
        """
        execute(self.order, (stdin, self.stdout, self.stderr), tell, self.me)

    def refuse(self, why: str) -> None:
        """
        Say that the program can't be executed.
        """
        self.control.send(wire.pack(wire.REFUSED, b"%d" % NOT_EXECUTABLE, why.encode()))

    def hear(self) -> None:
        """
        Do what the agent asks for.
        """
        while self.control.waiting():
            packet, descriptors, complete = self.control.receive()
            if not packet:
                self.abandoned()
                return
            words = wire.unpack(packet)
            if words[0] != wire.RUN:
                self.obey(words)
            elif not self.pid and complete:
                self.launch(descriptors.pop(0) if descriptors else 0)
            elif not self.pid:
                self.refuse("there is no descriptor left for its input")
            for descriptor in descriptors:
                os.close(descriptor)

    def obey(self, words: list[bytes]) -> None:
        """
        @param words: Of a packet of the agent.
        @raise wire.Garbled: It makes no sense.
        """
        word, value, *_ = *words, b""
        if word == wire.KILL:
            if self.pid or self.left:
                self.force()
        elif not self.pid:
            return  # the run that was meant is over
        elif word == wire.STOP:
            self.stop(wire.seconds(value))
        elif word == wire.SIGNAL and not self.ended:
            number = wire.number(value)
            try:
                os.killpg(self.pid, number)
            except OSError:
                return  # of a group that became another user's

    def stop(self, grace: float) -> None:
        """
        Ask the tree to end, unless that was done; KILL it after C{grace} seconds,
        or when it was to be, whatever is earlier.
        """
        deadline = monotonic() + grace
        if self.deadline is None:
            self.deadline = deadline
            ask(self.me, wire.Order.ending(self.order)[0])
        else:
            self.deadline = min(self.deadline, deadline)

    def reap(self) -> bool:
        """
        @return: Nothing is left of the tree.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                return False
            if pid == self.pid:
                self.exited(status)

    def exited(self, status: int) -> None:
        """
        The leader was reaped.

        @param status: As from waitpid(2).
        """
        self.ended = True
        self.control.send(b"%b\0%d" % (wire.EXITED, status))

    def settle(self, empty: bool) -> None:
        """
        Something has ended: was it the last, or the leader?
        """
        if not self.pid:
            return
        if empty:
            self.over([], [])
        elif self.ended and self.deadline is None:
            self.stop(wire.Order.ending(self.order)[1])

    def force(self) -> None:
        """
        KILL the tree.
        """
        killed: dict[int, bytes] = {}
        left = kill_all(self.me, self.reap, killed, wire.Order.place(self.order))
        if self.pid and not self.ended and not left:
            # Nothing could be seen, as where the system has no more open files (ENFILE).
            send(-self.pid, SIGKILL)
            left = [(self.pid, HIDDEN)]
        self.over(list(killed.values()), left)

    def over(self, killed: list[bytes], left: list[tuple[int, bytes]]) -> None:
        """
        The run has ended.
        """
        self.pid = 0
        self.deadline = None
        self.left = bool(left)
        self.control.send(wire.pack_gone(killed, left))

    def abandoned(self) -> None:
        """
        The agent let go, or is gone.
        """
        self.leave()

    def leave(self) -> NoReturn:
        """
        Nobody is there to ask for the program again, nor to be told how it ended.  Between
        two runs its group may be that of another reaper by now, with the same program.
        """
        group = wire.Order.place(self.order) if self.pid else b""
        self.pid = 0
        os._exit(LEFT if kill_all(self.me, self.reap, {}, group) else 0)
