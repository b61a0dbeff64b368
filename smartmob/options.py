"""
The options of the agent, for C{twistd smartmob} and for C{smartmob-agent}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from twisted.python import usage

from smartmob import __version__

DEFAULT_ADDRESS = "127.0.0.1:8080"
DEFAULT_FOLDER = ".smartmob"


class Options(usage.Options):
    """
    What can be said to the agent.
    """

    synopsis = "[options]"
    longdesc = (
        "Run applications that are sent here over HTTP, keep them running until they "
        "are deleted, and relay their output to WebSockets.  Without --bind the agent "
        f"listens on {DEFAULT_ADDRESS}."
    )

    optFlags = [  # noqa: RUF012 - the framework reads it as it is
        ["insecure", None, "Listen beyond this machine though nobody is asked who they are."],
    ]
    optParameters = [  # noqa: RUF012 - the framework reads it as it is
        ["backlog", None, 128, "Connections that may wait to be accepted.", int],
        ["state-dir", None, None, "What is its own is kept here. [default: ./.smartmob]"],
        ["log-format", None, "text", "text or json."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["bind"] = []
        self["verbosity"] = 0
        self["daemonised"] = False
        self["observer"] = None

    def opt_bind(self, address: str) -> None:
        """HOST:PORT, [V6]:PORT, unix:/path, fd:N or a Twisted endpoint; may repeat."""
        self["bind"].append(address)

    def opt_verbose(self) -> None:
        """Say what happens to processes, and requests; twice: their lines, too."""
        self["verbosity"] += 1

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"smartmob {__version__}\n")
        raise SystemExit(0)

    opt_v = opt_verbose
    opt_h = usage.Options.opt_help

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line.

        @raise SystemExit: It is wrong; why was said on standard error, in one line.
        """
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise wrong(str(error)) from None

    def parseArgs(self, *rest: str) -> None:
        """
        There are no arguments.
        """
        if rest:
            raise usage.UsageError(f"what is {rest[0]!r}? There are options only; see --help")

    def postOptions(self) -> None:
        """
        Check what was said, and fill in what was not.
        """
        if self["log-format"] not in ("text", "json"):
            raise usage.UsageError(f"--log-format is text or json, not {self['log-format']!r}")
        if self["backlog"] < 1:
            raise usage.UsageError("--backlog is at least 1")
        self["bind"] = self["bind"] or [DEFAULT_ADDRESS]
        folder = self["state-dir"] or os.environ.get("STATE_DIRECTORY") or DEFAULT_FOLDER
        self["state-dir"] = Path(folder).absolute()
        self._speak_through_parent()

    def _speak_through_parent(self) -> None:
        # twistd and twist bring an observer of their own, which would put the
        # framework's news in between.  Where the operator chose none, it is ours.
        from smartmob.logs import observer

        parent = self.parent
        if parent is None:
            return
        self["daemonised"] = parent.get("nodaemon") == 0
        chosen = parent.get("logger") or parent.get("logfile") or parent.get("syslog")
        ours = observer(self["verbosity"], self["log-format"])
        if "fileLogObserverFactory" in parent:
            parent["fileLogObserverFactory"] = lambda out: ours
        elif parent.get("nodaemon") and not chosen:
            self["observer"] = ours


def wrong(why: str) -> SystemExit:
    """
    Say what is wrong with the command line; what is returned is to be raised.
    """
    sys.stderr.write(f"smartmob: {why}\n")
    return SystemExit(2)
