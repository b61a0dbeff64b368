"""
The parent of a program that outlives its agent.

Run as a program: C{python -I -S keeper.py SOFT HARD}, with a SOCK_SEQPACKET socket to
the agent as descriptor 3; SOFT and HARD are the program's bounds of open files.

A reaper (L{smartmob.launch.reaper}) that no guardian keeps: when its agent goes, it
goes on, and listens for the next one.  What the program writes passes through a file
of it (L{smartmob.launch.ring}), which an agent gets from its beginning, so that none
has to be there.  All of it is in one folder, and as long as the program runs only:
NAME.json, the record (L{smartmob.launch.record}); NAME.out, the output; PID.sock, where
to find the keeper.

Its own parent, a copy of it, does nothing but wait: when the keeper is killed, it
KILLs what is left of the program.
"""

from __future__ import annotations

import _socket
import gc
import os
import sys
from fcntl import ioctl
from select import POLLIN, POLLOUT, poll
from signal import SIGCHLD, SIGTERM, sigtimedwait
from termios import FIONREAD
from time import monotonic

if __name__ == "__main__":  # run by its path, and without site-packages
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))

from smartmob.launch import wire
from smartmob.launch.execution import (
    LONGEST,
    NOT_EXECUTABLE,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_NAME,
    Refused,
    join,
    prctl,
)
from smartmob.launch.post import Post
from smartmob.launch.reaper import LEFT, PEER, Reaper
from smartmob.launch.record import Record, boot_id, door, give_up, remove, started
from smartmob.launch.ring import CHUNK
from smartmob.launch.settling import settle, signal_descriptor
from smartmob.launch.tree import kill_all

TYPE_CHECKING = False  # importing typing costs each keeper memory
if TYPE_CHECKING:
    from typing import NoReturn

STALLED = 1.0
"""
Seconds for which an agent may take nothing before the program is not slowed down for
it any more.
"""


class Keeper(Reaper):
    """
    @ivar folder: The descriptor of the folder.
    @ivar outputs: By the number of a stream, where the program's output is read.
    @ivar listening: The socket for agents to come, while the program runs.
    @ivar status: How the leader ended.
    """

    def __init__(self, post: Post, folder: int, keep: list[bytes], order: bytes) -> None:
        """
        @param keep: The words with which the agent began.
        """
        super().__init__(post)
        self.post = post
        self.folder = folder
        self.name = os.fsdecode(keep[1])
        self.fingerprint = keep[2].decode("ascii")
        self.takes_input, merged = (word == b"1" for word in keep[3:5])
        self.order = order
        self.me = os.getpid()
        self.listening: _socket.socket | None = None
        self.status = 0
        self.outputs: dict[int, int] = {}
        self.outputs[1], self.stdout = self._pipe()
        self.stderr = self.stdout
        if not merged:
            self.outputs[2], self.stderr = self._pipe()
        self.signals = signal_descriptor((SIGCHLD, SIGTERM))

    def stay(self) -> NoReturn:
        """
        Run the program, and stay until nobody can ask for it again.
        """
        os.set_blocking(PEER, False)
        self.launch(0)
        while True:
            self.post.pump()
            ready = self.wait()
            if self.signals in ready:
                self.signalled()
            if self.deadline is not None and self.deadline <= monotonic():
                self.force()
            if PEER in ready:
                self.hear()
            if self.listening is not None and self.listening.fileno() in ready:
                self.admit(self.listening)
            for stream, pipe in self.outputs.items():
                if pipe in ready:
                    self.read(stream, pipe)

    def wait(self) -> set[int]:
        """
        @return: The descriptors with which something is to be done.
        """
        waiting = poll()
        waiting.register(self.signals, POLLIN)
        if self.listening is not None:
            waiting.register(self.listening, POLLIN)
        if self.post.connected:
            waiting.register(PEER, POLLIN | POLLOUT if self.post.blocked else POLLIN)
        now = monotonic()
        until = self.reading_from()
        if until is not None and until <= now:
            for pipe in self.outputs.values():
                waiting.register(pipe, POLLIN)
            until = None
        times = [time for time in (until, self.deadline) if time is not None]
        patience = max(0.0, min(times) - now) * 1000 + 1 if times else None
        return {descriptor for descriptor, _ in waiting.poll(patience)}

    def reading_from(self) -> float | None:
        """
        When the program's output is to be read: at once, unless the agent that is there
        asked to have the program wait, or takes a lot, but slowly.

        @return: C{monotonic()} time; C{None}: not before something happens.
        """
        post = self.post
        if not post.connected:
            return 0.0
        if post.paused:
            return None
        if post.ring.tail - post.ring.cursor < post.ring.size // 2:
            return 0.0
        return post.progress + STALLED

    def signalled(self) -> None:
        """
        Something has ended, or somebody wants us to: then the program is stopped.
        """
        while (woken := sigtimedwait((SIGCHLD, SIGTERM), 0)) is not None:
            if woken.si_signo == SIGCHLD:
                self.settle(self.reap())
            elif self.pid:
                self.stop(wire.Order.ending(self.order)[1])

    def launch(self, stdin: int) -> None:
        """
        See L{Reaper.launch}.

        @param stdin: Not used: it is made here.
        """
        try:
            stdin = self._open()
        except OSError as e:
            self.refuse(f"there is no place for its output in the state folder: {e.strerror}")
        else:
            super().launch(stdin)
        if not self.pid:
            self.close()

    def become(self, stdin: int, tell: int) -> NoReturn:
        """
        See L{Reaper.become}: there is no program without a record of it.

        Nor is there one whose agent has ended before that: the next one may have looked
        for a record by then, and have begun another.
        """
        pid = os.getpid()
        why = "the agent has ended"
        try:
            Record(
                boot=boot_id(),
                pid=pid,
                start=started(pid) or 0,
                keeper=self.me,
                keeper_start=started(self.me) or 0,
                grace=wire.Order.ending(self.order)[1],
                fingerprint=self.fingerprint,
            ).write(self.folder, self.name, self.post.hung_up)
        except Exception as e:  # this copy of the keeper has to end
            reason = e.strerror if isinstance(e, OSError) else repr(e)
            why = f"no record of it can be kept in the state folder: {reason}"
        else:
            if not self.post.hung_up():
                super().become(stdin, tell)
        os.write(tell, wire.pack(b"%d" % NOT_EXECUTABLE, why.encode()[:LONGEST]))
        os._exit(NOT_EXECUTABLE)

    def admit(self, listening: _socket.socket) -> None:
        """
        Let an agent in, instead of the one before.
        """
        try:
            connection, _ = listening._accept()  # type: ignore[attr-defined] # what socket.accept is made of
        except OSError:
            return  # it thought better of it
        self.post.connect(connection)
        self.post.greet(b"%b\0%d" % (wire.EXECUTED, self.pid))
        if self.ended:
            self.post.send(b"%b\0%d" % (wire.EXITED, self.status))

    def obey(self, words: list[bytes]) -> None:
        """
        See L{Reaper.obey}.
        """
        word = words[0]
        if word == wire.PAUSE:
            self.post.paused = True
        elif word == wire.RESUME:
            self.post.paused = False
        elif word == wire.END:
            self.post.end_input()
        else:
            super().obey(words)

    def exited(self, status: int) -> None:
        """
        See L{Reaper.exited}: what it wrote before comes first.
        """
        self.status = status
        self.drain()
        super().exited(status)

    def over(self, killed: list[bytes], left: list[tuple[int, bytes]]) -> None:
        """
        See L{Reaper.over}: whoever hears of it finds nothing in the folder any more.
        """
        self.drain()
        self.close()
        super().over(killed, left)
        if not self.post.connected:
            self.abandoned()

    def abandoned(self) -> None:
        """
        There is no agent.
        """
        self.post.disconnect()
        if not self.pid:
            os._exit(LEFT if self.left else 0)

    def read(self, stream: int, pipe: int) -> None:
        """
        Read once.
        """
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return  # it was drained meanwhile
        self.post.ring.put(stream, data)

    def drain(self) -> None:
        """
        Read what is in the pipes at this moment, and no more.
        """
        for stream, pipe in self.outputs.items():
            size = bytearray(4)
            ioctl(pipe, FIONREAD, size)
            waiting = int.from_bytes(size, sys.byteorder)
            while waiting > 0:
                data = os.read(pipe, min(waiting, CHUNK))
                waiting -= len(data)
                self.post.ring.put(stream, data)

    def close(self) -> None:
        """
        Nobody is to find us any more.
        """
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        self.post.end_input()
        give_up(self.folder, self.name, self.me)

    def _open(self) -> int:
        """
        Make all files but the record.

        @return: The program's input.
        @raise OSError: One can't be made.
        """
        remove(self.folder, self.name, self.me)
        output = os.O_RDWR | os.O_CREAT | os.O_EXCL
        self.post.ring.open(os.open(f"{self.name}.out", output, 0o600, dir_fd=self.folder))
        listening = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self.listening = listening
        os.fchmod(listening.fileno(), 0o600)  # which its file gets, whatever the umask is
        listening.bind(f"/proc/self/fd/{self.folder}/{door(self.me)}")
        listening.listen(8)
        listening.setblocking(False)
        if not self.takes_input:
            return 0
        reading, self.post.input = os.pipe()
        self._give(reading)
        return reading

    def _pipe(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._give(writing)
        return reading, writing

    def _give(self, descriptor: int) -> None:
        """
        Have the program's user own a pipe: what opens /dev/stdout needs a right to it.
        """
        identity = wire.Order.unpack(self.order).identity
        if identity:
            try:
                os.fchown(descriptor, identity[0], identity[1])
            except OSError:
                return  # then it can't become that user either


def watch(keeper: int, descriptors: list[int]) -> NoReturn:
    """
    Wait for the end of the keeper.  If somebody killed it, all that was below it is
    ours now: KILL it.

    @param descriptors: Those that only the keeper needs.
    """
    for descriptor in descriptors:
        os.close(descriptor)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == keeper:
            break
    if status:
        kill_all(os.getpid(), _reap, {})
    os._exit(0)


def _reap() -> bool:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not pid:
            return False


def settle_apart(post: Post, group: bytes) -> None:
    """
    Leave the agent's cgroup, in which the next agent kills all there is, for the keeper's own.
    """
    try:
        join(group)
    except Refused as e:
        post.send(wire.pack(wire.REFUSED, b"%d" % e.code, e.why.encode()[:LONGEST]))
        post.pump()
        os._exit(1)


def main() -> NoReturn:
    """
    Be a keeper.
    """
    settle((int(sys.argv[1]), int(sys.argv[2])))
    os.umask(0o077)
    prctl(PR_SET_NAME, b"smartmob-keeper")
    if os.fork():
        os._exit(0)  # the agent gets no child that would have to be reaped some day
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    post = Post()
    packet, descriptors, _ = post.receive()
    order = post.receive()[0]
    if not descriptors or not order:
        os._exit(0)  # the agent is gone, or thought better of it
    keep = wire.unpack(packet)
    for group in keep[5:6]:
        settle_apart(post, group)
    gc.freeze()
    keeper = os.fork()
    if keeper:
        watch(keeper, [PEER, *descriptors])
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        Keeper(post, descriptors[0], keep, order).stay()
    except BaseException as e:  # the agent has to know, and everything has to end
        post.send(wire.broken(e))
        post.pump()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
