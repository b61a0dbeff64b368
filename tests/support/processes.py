"""
Real processes, watched from a test.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest

_serial = count()

PLAIN = 65534
"""
The number of a user, and of a group, without rights.
"""


def new_marker() -> str:
    """
    A word that is on no other command line of this machine.
    """
    return f"smartmob-test-{os.getpid()}-{next(_serial)}-{time.time_ns():x}"


def marked(*markers: str) -> list[int]:
    """
    The processes with one of these on their command line; zombies have none.
    """
    words = [marker.encode() for marker in markers]
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                line = file.read()
                if any(word in line for word in words):
                    found.append(int(entry))
    return found


async def until(clock: IReactorTime, condition: Callable[[], bool], within: float) -> float:
    """
    Wait for something that nobody tells us of.

    @return: The seconds it took.
    @raise AssertionError: It took longer than C{within}.
    """
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > within:
            raise AssertionError(f"not so within {within} s")
        await deferLater(clock, 0.01)
    return time.monotonic() - start


@contextmanager
def setuid_copy(program: str, folder: str, owner: int) -> Iterator[str]:
    """
    A set-uid copy of a program.

    @param folder: Where it may be.
    @param owner: Whom it runs as.
    @raise SkipTest: Only root can make one that is worth it.
    """
    if os.geteuid() != 0:
        raise SkipTest("only root can make a program that runs as another user")
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        raise SkipTest(f"{folder} is on a file system without set-uid programs")
    path = os.path.join(folder, f"setuid-{os.path.basename(program)}")
    shutil.copyfile(program, path)
    os.chown(path, owner, owner)
    os.chmod(path, 0o4755)
    try:
        yield path
    finally:
        os.unlink(path)


class Recorder(ProcessProtocol):
    """
    Remembers what it is told of a run.

    @ivar told: C{("executed", pid)}, C{(fd, data)}, C{("exited", reason.value)},
        C{("ended", reason.value)}, in order.
    @ivar executed: Fires when it was; fails where it never is.
    @ivar exited: Fires with the reason's value.
    @ivar ended: Fires with the reason's value.
    """

    def __init__(self) -> None:
        self.told: list[tuple[object, object]] = []
        self.executed: Deferred[None] = Deferred()
        self.exited: Deferred[object] = Deferred()
        self.ended: Deferred[object] = Deferred()
        self._expected: list[tuple[bytes, Deferred[None]]] = []
        self.executed.addErrback(lambda failure: None)

    def output(self, fd: int = 1) -> bytes:
        """
        All it said.
        """
        return b"".join(
            data for what, data in self.told if what == fd and isinstance(data, bytes)
        )

    def order(self) -> list[object]:
        """
        What was told, chunks of one kind joined.
        """
        kinds = [what for what, _ in self.told]
        return [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]

    def says(self, text: bytes) -> Deferred[None]:
        """
        Fires once this was said on stdout; fails where the run ends before.
        """
        deferred: Deferred[None] = Deferred()
        self._expected.append((text, deferred))
        self._check()
        return deferred

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.told.append(("executed", self.transport.pid))
        self.executed.callback(None)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.told.append((childFD, data))
        self._check()

    def processExited(self, reason: Failure) -> None:
        self.told.append(("exited", reason.value))
        self.exited.callback(reason.value)

    def processEnded(self, reason: Failure) -> None:
        self.told.append(("ended", reason.value))
        if not self.executed.called:
            self.executed.errback(reason)
        for _, deferred in self._expected:
            deferred.errback(reason)
        self._expected = []
        self.ended.callback(reason.value)

    def _check(self) -> None:
        said = self.output()
        for expected in list(self._expected):
            if expected[0] in said:
                self._expected.remove(expected)
                expected[1].callback(None)
