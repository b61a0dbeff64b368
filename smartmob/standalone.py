"""
The agent as a program of its own, without twistd.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from twisted.logger import globalLogBeginner

from smartmob import broken_pipe, daemon
from smartmob.logs import LogFile, complain
from smartmob.options import Options
from smartmob.pidlock import PidLock, Taken


class AgentOptions(Options):
    """
    The options of C{smartmob-agent}: those of the service, and what twistd has.
    """

    optFlags = [  # noqa: RUF012 - the framework reads it as it is
        ["daemon", None, "Run in the background, once all is well."],
    ]
    optParameters = [  # noqa: RUF012 - the framework reads it as it is
        ["pidfile", None, None, "Write the agent's process id to this file."],
    ]
    groups = (*Options.groups, ("Background", ("daemon", "pidfile")))

    def postOptions(self) -> None:
        """
        See L{Options.postOptions}.  The file may name a pidfile, too.
        """
        super().postOptions()
        pidfile = self["configuration"].settings.pidfile
        self["pidfile"] = None if pidfile is None else Path(pidfile)
        if self["daemon"] and self["log"] is None:
            self["log"] = LogFile(self["state-dir"] / "agent.log")

    def getSynopsis(self) -> str:
        """
        How it is called.
        """
        return f"Usage: smartmob-agent {self.synopsis}"


def run(argv: Sequence[str]) -> int:
    """
    Run an agent until it is told to end.

    @raise SystemExit: With 2 for a wrong command line or configuration, 1 where it can't
        start, 0 once all that was asked for has been shown.
    """
    _fill_standard_descriptors()
    # Who asks it to read its file again before it can do so, is heard once it can.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP,))
    options = AgentOptions()
    options.parseOptions(argv)
    terminal = daemon.detach() if options["daemon"] else None
    # Twisted sets a reactor up as it is imported, which must be in the process
    # that goes on.
    from twisted.internet import reactor

    from smartmob import tap

    lifecycle = tap.makeService(options)
    # Its lock comes first: what a second agent would write is the first one's.
    lifecycle.open_folder()
    if terminal is not None:
        lifecycle.ready = terminal.let_go
    pidfile = None if options["pidfile"] is None else PidLock(options["pidfile"], 0o644)
    try:
        if pidfile is not None:
            pidfile.take()
    except Taken as taken:
        lifecycle.fail(f"{options['pidfile']} is the pidfile of pid {taken.pid}, which runs")
    except OSError as error:
        lifecycle.fail(f"can't write {error.filename}: {error.strerror}")
    # What plugins print is for whoever looks on, at once; a daemon has its log alone.
    globalLogBeginner.beginLoggingTo(
        [options.log_observer()], redirectStandardIO=terminal is not None
    )
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)

    leave = lifecycle.leave

    def remove_and_leave(code: int) -> None:
        _remove(pidfile)
        leave(code)

    lifecycle.leave = remove_and_leave
    try:
        lifecycle.startService()
        reactor.addSystemEventTrigger("before", "shutdown", lifecycle.stopService)
        reactor.run()
    finally:
        _remove(pidfile)
    broken_pipe.flush(sys.stdout)
    return 1 if lifecycle.failed else os.EX_OK


def _fill_standard_descriptors() -> None:
    """
    Have something behind 0, 1 and 2, where whoever started the agent closed them:
    the next file that is opened would get their numbers, and what is said there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _remove(pidfile: PidLock | None) -> None:
    if pidfile is None:
        return
    try:
        pidfile.release(remove=True)
    except OSError as error:
        complain(f"can't remove {pidfile.path}: {error.strerror}")
