"""
Programs that outlive their agent, and yet not the test.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from itertools import count

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smartmob.launch.interfaces import Command, Detach, ILauncher
from smartmob.launch.launcher import Launcher
from smartmob.launch.program import Program
from smartmob.launch.record import started
from tests.support.living import running

PATIENCE = 30
"""
Seconds for the end of what was killed.
"""


class DetachedFolder:
    """
    A folder for detached programs.  At the end of the test all that it tells of is
    killed, however the test ends.

    @ivar path: Not there yet, in a folder that is.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        parent = tempfile.mkdtemp()
        test.addCleanup(os.rmdir, parent)
        self.path = os.path.join(parent, "detached")
        test.addCleanup(self._clean)

    def detach(self, name: str = "app.web.0", ambient: frozenset[str] = frozenset()) -> Detach:
        """
        How to detach a program.
        """
        return Detach(name=name, folder=self.path, ambient=ambient)

    def names(self) -> list[str]:
        """
        What is in it.
        """
        return sorted(os.listdir(self.path)) if os.path.exists(self.path) else []

    def record(self, name: str = "app.web.0") -> dict[str, object]:
        """
        The record of a program.
        """
        with open(os.path.join(self.path, f"{name}.json")) as file:
            record: dict[str, object] = json.load(file)
        return record

    def write(self, record: dict[str, object], name: str = "app.web.0") -> None:
        """
        Forge one.
        """
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        with open(os.path.join(self.path, f"{name}.json"), "w") as file:
            json.dump(record, file)

    def _clean(self) -> None:
        if not os.path.exists(self.path):
            return
        for entry in os.listdir(self.path):
            if entry.endswith(".json"):
                kill(self.record(entry.removesuffix(".json")))
        for entry in os.listdir(self.path):
            os.unlink(os.path.join(self.path, entry))
        os.rmdir(self.path)


def kill(record: dict[str, object]) -> None:
    """
    Kill a keeper, whose parent then kills what it kept; and a leader without one.
    """
    for pid, start in (
        (record["keeper"], record["keeper_start"]),
        (record["pid"], record["start"]),
    ):
        if not isinstance(pid, int) or started(pid) != start or pid == os.getpid():
            continue
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        end = time.monotonic() + PATIENCE
        while running([pid]):
            assert time.monotonic() < end, f"{pid} does not end"
            time.sleep(0.005)


@implementer(ILauncher)
class DetachingLauncher(Launcher):
    """
    Detaches all its programs.
    """

    folder: DetachedFolder
    _serial = count()

    def program(self, command: Command) -> Program:
        """
        A detached program.
        """
        detach = self.folder.detach(f"app.web.{next(self._serial)}")
        return super().program(evolve(command, detach=detach))
