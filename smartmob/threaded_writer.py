"""
A text file whose reader may be slow.
"""

from __future__ import annotations

import atexit
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import TextIO

from attrs import define, field

from smartmob.broken_pipe import discard

MOST_WAITING = 10_000
"""Texts that may wait to be written."""

LAST_WORDS = 1.0
"""Seconds that the agent's end waits for what is not written yet."""


@define(eq=False, repr=False)
class ThreadedWriter:
    """
    Writes from a thread of its own.

    Who reads the log may be slow, or never read: a program that started the agent
    and keeps a pipe to it, a terminal that was halted with Ctrl-S.  The agent must
    not wait for them.  What can't wait any more is missed, and counted.

    @ivar out: Where to.
    """

    out: TextIO
    most: int = MOST_WAITING
    _queue: SimpleQueue[str | Event] = field(factory=SimpleQueue)
    _lock: Lock = field(factory=Lock)
    _missed: int = 0
    _thread: Thread | None = None

    def write(self, text: str) -> None:
        """
        Write this when there is time for it.
        """
        with self._lock:
            if self._thread is None:
                # Not earlier: no thread survives the fork of a twistd that daemonises.
                self._thread = Thread(target=self._write_all, name="log", daemon=True)
                self._thread.start()
                atexit.register(self.drain)
            if self._queue.qsize() >= self.most:
                self._missed += 1
                return
            if self._missed:
                self._queue.put(f"({self._missed} entries of the log were not read in time)\n")
                self._missed = 0
        self._queue.put(text)

    def flush(self) -> None:
        """
        Nothing to do: what is written is flushed.
        """

    def drain(self, seconds: float = LAST_WORDS) -> bool:
        """
        Wait until all that was asked for so far is written, but no longer than this.

        @return: It is.
        """
        written = Event()
        self._queue.put(written)
        return written.wait(seconds)

    def _write_all(self) -> None:
        while True:
            text = self._queue.get()
            if isinstance(text, Event):
                text.set()
                continue
            try:
                self.out.write(text)
                self.out.flush()
            except BrokenPipeError:
                discard(self.out)  # nobody reads any more: the agent goes on without
            except (OSError, ValueError):
                continue  # there is no room for it, or it was closed
