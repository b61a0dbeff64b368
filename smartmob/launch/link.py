"""
What the agent holds of one reaper, for as long as it lives.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Protocol

from smartmob.launch.helper import packet_pair
from smartmob.launch.interfaces import Command
from smartmob.launch.packets import Packets
from smartmob.launch.pipes import Reactor, Reader, Writer
from smartmob.launch.turns import Turns


class Tie(Protocol):
    """
    What the agent holds of whatever keeps a program.

    @ivar lost: That is gone.
    """

    lost: bool

    @property
    def control(self) -> Packets:
        """To speak with it."""

    def read(self, reading: bool) -> None:
        """Read output, or let it wait."""

    def drain(self) -> None:
        """Deliver all output that was written before what control said last."""

    def close(self) -> None:
        """Let go of everything."""


class Link:
    """
    Control, and the reading ends of the program's stdout and stderr, which may be one.

    These stay the same over the runs of a program; its stdin is new in each.

    @ivar lost: The reaper is gone.
    """

    def __init__(
        self,
        reactor: Reactor,
        turns: Turns,
        command: Command,
        said: Callable[[bytes], None],
        output: Callable[[int, bytes], None],
        emptied: Callable[[], None],
    ) -> None:
        """
        Make the pipes.

        @param turns: When they are read.
        @param command: Whose pipes they are, and whether stdout and stderr are one.
        @param said: Called with the reaper's packets, and with C{b""} when it is gone.
        @param output: Called with 1 or 2, and what was read.
        @param emptied: Called once the reaper is gone and the pipes are at their end.
        @raise OSError: There are no descriptors left; none was kept.
        """
        self.lost = False
        self._said = said
        self._emptied = emptied
        with ExitStack() as undo:
            stdout, their_stdout = pipe(undo, command.owner)
            ends = [(1, stdout)]
            if command.merge_output:
                # The reaper gets two ends, as ever, and need not know.
                their_stderr = os.dup(their_stdout)
                undo.callback(os.close, their_stderr)
            else:
                stderr, their_stderr = pipe(undo, command.owner)
                ends.append((2, stderr))
            ours, theirs = packet_pair()
            undo.pop_all()
        self._theirs = (theirs.detach(), their_stdout, their_stderr)
        self._open = len(ends)
        self.readers = tuple(
            Reader(reactor, turns, end, partial(output, fd), self._ended) for fd, end in ends
        )
        self.control = Packets(reactor, ours, said, self._lost)

    def hand_over(self) -> tuple[int, ...]:
        """
        The reaper's ends, once; whoever asks for them has to close them.
        """
        theirs, self._theirs = self._theirs, ()  # type: ignore[assignment] # only once
        return theirs

    def read(self, reading: bool) -> None:
        """
        Read output, or let it wait.
        """
        for reader in self.readers:
            if reading:
                reader.resume()
            else:
                reader.pause()

    def drain(self) -> None:
        """
        Deliver what is in the pipes at this moment.
        """
        for reader in self.readers:
            reader.drain()

    def close(self) -> None:
        """
        Let go of everything; the reaper kills what there is, and ends.
        """
        for descriptor in self.hand_over():
            os.close(descriptor)
        self._said = _ignore
        self._emptied = _nothing
        self.lost = True
        self.control.close()
        for reader in self.readers:
            reader.close()

    def _lost(self) -> None:
        self.lost = True
        self._said(b"")
        self._check()

    def _ended(self) -> None:
        self._open -= 1
        self._check()

    def _check(self) -> None:
        if self.lost and not self._open:
            self._emptied()


def _ignore(packet: bytes) -> None:
    pass


def _nothing() -> None:
    pass


def pipe(undo: ExitStack, owner: tuple[int, int] | None) -> tuple[int, int]:
    """
    Both ends of a pipe.

    @param undo: Closes them.
    @param owner: Whose it is, where not the agent's.
    @raise OSError: There are no descriptors left.
    """
    reading, writing = os.pipe()
    undo.callback(os.close, reading)
    undo.callback(os.close, writing)
    if owner is not None:
        with suppress(PermissionError):  # then it can't become that user either
            os.fchown(writing, *owner)
    return reading, writing


def input_pipe(reactor: Reactor, owner: tuple[int, int] | None) -> tuple[Writer, int]:
    """
    A program's stdin: our end, and its.

    @raise OSError: There are no descriptors left.
    """
    with ExitStack() as undo:
        reading, writing = pipe(undo, owner)
        undo.pop_all()
    return Writer(reactor, writing), reading
