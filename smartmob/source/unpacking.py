"""
Running the unpacker: the agent's side of it.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
from pathlib import Path
from resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CPU,
    RLIMIT_FSIZE,
    RLIMIT_NOFILE,
    getrlimit,
)

from attrs import field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.launch.interfaces import Command, ILauncher, IProgram, LauncherLost, NotExecuted
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.limits import SourceLimits
from smartmob.templates import Identity

_PROGRAM = str(Path(__file__).with_name("unpack") / "__main__.py")
# Two files of 1 MiB in base64, and then some.
_MAX_REPORT = 4 << 20
_MAX_SENTENCE = 1000
# It has one folder and one file open at a time.
_DESCRIPTORS = 32

_log = Logger()


@frozen
class Unpacked:
    """
    What an archive turned out to be.

    @ivar home: The folder of the Procfile, relative to the release's.
    @ivar procfile: Its Procfile, where there is one.
    @ivar dotenv: The C{.env} beside it, where there is one.
    @ivar network: Why the unpacker could have used the network, if it could.
    """

    home: str
    procfile: bytes | None
    dotenv: bytes | None
    network: str | None = None

    @classmethod
    def of(cls, report: dict[str, object]) -> Unpacked:
        """
        What an unpacker reports, looked at as if the archive said it: that may have talked
        the unpacker into anything.

        @raise ValueError: It can't be that; or C{TypeError}, C{KeyError}.
        """
        home, network = report["home"], report.get("network")
        if not isinstance(home, str) or "/" in home or "\0" in home or home in (".", ".."):
            raise ValueError("no folder of the archive")
        return cls(
            home=home,
            procfile=_bytes(report["procfile"]),
            dotenv=_bytes(report["dotenv"]),
            network=None if network is None else _sentence(network),
        )


@frozen(eq=False, repr=False)
class Unpacker:
    """
    Unpacks archives, each in a process of its own.
    """

    clock: IReactorTime
    launcher: ILauncher
    limits: SourceLimits = field(factory=SourceLimits)
    _told: set[str] = field(factory=set, init=False)

    async def unpack(
        self, archive: str, folder: str, identity: Identity | None = None
    ) -> Unpacked:
        """
        Unpack to C{folder}, which is there afterwards only if this succeeds; else
        C{folder.tmp} may be.  Cancelling kills the unpacker, and is over when it is.

        @param identity: Who unpacks, and has what was unpacked; C{None}: the agent.
        @raise SourceError: If it can't be.
        """
        program = self.launcher.program(self._command(archive, folder, identity))
        run = _Run(self.clock, program, self.limits.unpack_seconds)
        run.ended.addCallback(lambda _: program.dismiss())
        program.run(run)
        try:
            unpacked = await run.finished
        except CancelledError:
            program.kill()
            await run.ended
            raise
        if unpacked.network is not None and unpacked.network not in self._told:
            self._told.add(unpacked.network)
            _log.warn(
                "ARCHIVES ARE UNPACKED BY A PROCESS THAT CAN USE THE NETWORK, which this "
                "system does not let it give away: {why}",
                why=unpacked.network,
            )
        return unpacked

    def _command(self, archive: str, folder: str, identity: Identity | None) -> Command:
        who = () if identity is None else (str(identity.uid), str(identity.gid))
        limits = self.limits
        seconds = max(1, round(limits.unpack_seconds))
        return Command(
            argv=(
                *(sys.executable, "-I", "-S", "-X", "utf8", _PROGRAM, archive, folder),
                *(str(limits.unpacked_bytes), str(limits.entries)),
                *(str(limits.free_bytes), str(limits.free_percent), *who),
            ),
            env={},
            rlimits={
                "RLIMIT_AS": _allowed(RLIMIT_AS, limits.unpack_memory_bytes),
                "RLIMIT_CPU": _allowed(RLIMIT_CPU, seconds, seconds + 1),
                "RLIMIT_FSIZE": _allowed(RLIMIT_FSIZE, limits.unpacked_bytes),
                "RLIMIT_NOFILE": _allowed(RLIMIT_NOFILE, _DESCRIPTORS),
                "RLIMIT_CORE": (0, 0),
            },
        )


def _allowed(number: int, soft: int, hard: int | None = None) -> tuple[int, int]:
    """
    A limit, or the agent's own where that is lower: it can't be raised.
    """
    _, most = getrlimit(number)
    wanted = (soft, soft if hard is None else hard)
    if most == RLIM_INFINITY:
        return wanted
    return min(wanted[0], most), min(wanted[1], most)


class _Run(ProcessProtocol):
    """
    One run of the unpacker.

    @ivar ended: Fires when nothing is left of it.
    @ivar finished: Fires then with what it said.  Cancelling it only stops the waiting.
    """

    def __init__(self, clock: IReactorTime, program: IProgram, seconds: float) -> None:
        self.finished: Deferred[Unpacked] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._clock = clock
        self._program = program
        self._seconds = seconds
        self._report = bytearray()
        self._said = bytearray()
        self._late: IDelayedCall | None = None
        self._too_late = False

    def makeConnection(self, process: IProcessTransport) -> None:
        """
        It runs: its time begins.
        """
        super().makeConnection(process)
        self._late = self._clock.callLater(self._seconds, self._kill)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Keep what it says, within bounds.
        """
        kept = self._report if childFD == 1 else self._said
        kept += data[: max(0, _MAX_REPORT - len(kept))]

    def processEnded(self, reason: Failure) -> None:
        """
        Say what came of it.
        """
        if self._late is not None and self._late.active():
            self._late.cancel()
        self.ended.callback(None)
        try:
            unpacked = self._outcome(reason.value)
        except SourceError:
            self.finished.errback()
        else:
            self.finished.callback(unpacked)

    def _kill(self) -> None:
        self._too_late = True
        self._program.kill()

    def _outcome(self, ending: BaseException | None) -> Unpacked:
        """
        What it reported, or what it means that it did not.
        """
        if isinstance(ending, NotExecuted):
            raise SourceUnavailable(f"the unpacker could not be started: {ending.why}")
        if isinstance(ending, LauncherLost):
            raise SourceUnavailable("the unpacker was lost, with the helper that started it")
        by = ending.signal if isinstance(ending, ProcessTerminated) else None
        if self._too_late or by == signal.SIGXCPU:
            raise SourceRefused(f"the archive takes longer than {self._seconds:g} s to unpack")
        if by is not None:
            raise SourceUnavailable(f"the unpacker was killed by signal {by}")
        try:
            report = json.loads(self._report)
            if isinstance(ending, ProcessDone):
                return Unpacked.of(report)
            why = _sentence(report["error"])
        except (ValueError, TypeError, KeyError, RecursionError):
            _log.error(
                "The unpacker failed: {said}", said=self._said.decode("utf-8", "replace")
            )
            raise SourceRefused("the archive made the unpacker fail") from None
        raise SourceRefused(f"the archive was refused: {why}")


def _bytes(text: object) -> bytes | None:
    if not isinstance(text, str | None):
        raise TypeError("no text")
    return None if text is None else base64.b64decode(text, validate=True)


def _sentence(text: object) -> str:
    """
    Something for a person, in one line.
    """
    if not isinstance(text, str):
        raise TypeError("no text")
    return "".join(each if each.isprintable() else "?" for each in text[:_MAX_SENTENCE])
