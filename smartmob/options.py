"""
The options of the agent, for C{twistd smartmob} and for C{smartmob-agent}.
"""

from __future__ import annotations

import getopt
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from attrs import evolve
from twisted.logger import ILogObserver, LogLevel
from twisted.python import usage

from smartmob import __version__
from smartmob.config.configuration import BadConfiguration, Configuration, Mistake
from smartmob.config.load import default, load
from smartmob.config.overrides import Overrides
from smartmob.help_page import Group, Row, page
from smartmob.launch import helper
from smartmob.lines import encoder
from smartmob.logs import FORMATS, LEVELS, LogFile, complain, observer
from smartmob.soundness import certificates, unsound

DEFAULT_FOLDER = ".smartmob"

_PATHS = (
    "config",
    "certfile",
    "keyfile",
    "plugins-dir",
    "pidfile",
    "state-dir",
    "log-file",
    "token-file",
)
_HELP = ("help", "version", "print-unit")
_RELATIVE_UNIX = re.compile(r"^unix:(?!/)(.+)$", re.DOTALL)
_NAMED_UNIT = re.compile(r"(--print-unit)=(.*)", re.DOTALL)
_MOST_BACKLOG = 65_535


class Options(usage.Options):
    """
    What can be said to the agent.

    Beside what was said, as it was said, there are in it, once it has been read:
    C{configuration}, the file with what the command line puts in its place; C{state-dir},
    a path; C{log}, the file to log to, or None; C{observer}, what a twistd without a
    daemon has to log to, or None; C{guardian}, which one has to be used, or None.

    @ivar groups: The options, as C{--help} shows them.
    @ivar metavars: What the values of options are called there.
    """

    synopsis = "[options] [CONFIG]"
    longdesc = (
        "Run the processes of a configuration file, and applications that are sent here "
        "over HTTP; keep them running until they are stopped or deleted, and relay their "
        "output to WebSockets."
    )
    groups: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("Configuration", ("config", "check", "plugins-dir", "state-dir", "no-resume")),
        ("Listening", ("bind", "certfile", "keyfile", "backlog", "token-file", "insecure")),
        ("Log", ("verbose", "log-level", "log-file", "log-format")),
    )
    metavars: dict[str, str] = {  # noqa: RUF012 - nobody changes it
        "backlog": "N",
        "bind": "ADDRESS",
        "certfile": "FILE",
        "config": "FILE",
        "keyfile": "FILE",
        "log-file": "FILE",
        "log-format": "FORMAT",
        "log-level": "LEVEL",
        "pidfile": "FILE",
        "plugins-dir": "DIR",
        "print-unit": "[NAME]",
        "state-dir": "DIR",
        "token-file": "FILE",
    }

    optFlags = [  # noqa: RUF012 - the framework reads it as it is
        ["check", None, "Say what is wrong with the configuration, or OK, and exit."],
        [
            "no-resume",
            None,
            "Begin with the file alone; what was created before is left alone.",
        ],
        ["insecure", None, "Listen beyond this machine though nobody is asked who they are."],
        ["print-unit", None, "Show a unit for systemd (smartmob.service), and exit."],
    ]
    optParameters = [  # noqa: RUF012 - the framework reads it as it is
        ["backlog", None, None, "Connections that may wait to be accepted (4096)."],
        ["certfile", None, None, "Certificate, in PEM: speak TLS."],
        ["config", "c", None, "Configuration file."],
        ["keyfile", None, None, "Its key, where that is not in the certificate's file."],
        ["log-file", None, None, "Log to this file instead of standard error."],
        ["log-format", None, "text", "text or json (text)."],
        ["log-level", None, None, f"The least important that is shown: {', '.join(LEVELS)}."],
        ["plugins-dir", "p", None, "Folder of plugins."],
        ["state-dir", None, None, "What is the agent's own is kept here (./.smartmob)."],
        ["token-file", None, None, "Ask clients for one of these tokens: who may do what."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["bind"] = []
        self["verbosity"] = 0
        self["daemonised"] = False
        self["observer"] = None
        self["log"] = None

    def opt_bind(self, address: str) -> None:
        """
        Listen here: HOST:PORT, [V6]:PORT, unix:/path, fd:N or a Twisted endpoint; may repeat.
        """
        self["bind"].append(address)

    def opt_verbose(self) -> None:
        """
        Say what happens to processes, and requests; -vv: also what programs write.
        """
        self["verbosity"] += 1

    def opt_help(self) -> None:
        """
        Show this and exit.
        """
        sys.stdout.write(str(self))
        raise SystemExit(0)

    def opt_version(self) -> None:
        """
        Show the version, and what of it runs compiled here, and exit.
        """
        try:
            kind = f"guardian: {helper.runs()}, frames: {encoder.runs(os.environ)}"
        except (OSError, ValueError) as error:
            raise wrong(str(error)) from None
        sys.stdout.write(f"smartmob {__version__} ({kind})\n")
        raise SystemExit(0)

    opt_v = opt_verbose
    opt_h = opt_help

    def getUsage(self, width: int | None = None) -> str:
        """
        What C{--help} shows below the synopsis.
        """
        argument = Row("CONFIG", "Configuration file, in gafferd's format; wins over -c.")
        groups = [Group("Argument", (argument,))]
        for title, names in (*self.groups, ("Help", _HELP)):
            groups.append(Group(title, tuple(self._row(name) for name in names)))
        return "\n" + page(self.longdesc, groups, width or shutil.get_terminal_size().columns)

    def _row(self, name: str) -> Row:
        short = [
            word for word, long in self.synonyms.items() if long == name and len(word) == 1
        ]
        said = f"-{short[0]}, --{name}" if short else f"    --{name}"
        metavar = self.metavars.get(name)
        text = " ".join(self.docs[name].split())
        return Row(f"{said} {metavar}" if metavar else said, text)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the command line, and the configuration.

        @raise SystemExit: One of them is wrong, and why was said on standard error, in
            one line; or all that was asked for has been shown.
        """
        try:
            super().parseOptions(self._ordered(sys.argv[1:] if options is None else options))
        except usage.UsageError as error:
            raise wrong(str(error)) from None

    def _ordered(self, words: Sequence[str]) -> list[str]:
        # The framework knows no options after an argument, and none that may have a value.
        unit = [_NAMED_UNIT.fullmatch(word) for word in words]
        words = [found[1] if found else word for word, found in zip(words, unit, strict=True)]
        try:
            said, arguments = getopt.gnu_getopt(words, self.shortOpt, self.longOpt)
        except getopt.GetoptError as error:
            raise usage.UsageError(f"{error}; see --help") from None
        first = []
        for name, value in said:
            if f"{name[2:]}=" in self.longOpt:
                first.append(f"{name}={value}")
            elif f"{name[1:]}:" in self.shortOpt:
                first += [name, value]
            else:
                first.append(name)
        return [*first, "--", *(found[2] for found in unit if found), *arguments]

    def parseArgs(self, *arguments: str) -> None:
        """
        The only argument is the file, or the name of a unit that is to be shown.
        """
        if self["print-unit"]:
            raise _shown(*arguments)
        if len(arguments) > 1:
            raise usage.UsageError(
                f"there is one configuration file, so what is {arguments[1]!r}? See --help"
            )
        if arguments:
            self["config"] = arguments[0]

    def postOptions(self) -> None:
        """
        Check what was said, and read the file.
        """
        self._check_words()
        self._overrides = Overrides(
            bind=tuple(self["bind"]),
            certfile=self["certfile"],
            keyfile=self["keyfile"],
            backlog=self["backlog"],
            plugins_dir=self["plugins-dir"],
            pidfile=self.get("pidfile"),
            state_dir=self["state-dir"],
            token_file=self["token-file"],
        )
        try:
            configuration = self.read()
        except BadConfiguration as bad:
            raise self._refusal(bad.mistakes, bad.warnings) from None
        if self["check"]:
            raise self._checked(configuration)
        found = certificates(configuration)
        if found.mistakes:
            raise self._refusal(found.mistakes)
        warnings = (*configuration.warnings, *found.told())
        self["configuration"] = evolve(configuration, warnings=warnings)
        self["state-dir"] = Path(configuration.settings.state_dir or _own_folder())
        if self["log-file"] is not None:
            self["log"] = LogFile(Path(self["log-file"]))
        self._speak_through_parent()

    def read(self) -> Configuration:
        """
        Read the configuration: the file as it is now, and the command line.

        @raise BadConfiguration: It can't be used.
        """
        path, plugins = self["config"], self["plugins-dir"]
        said = self._overrides
        configuration = default(said) if path is None else load(path, said)
        if plugins is not None and not os.path.isdir(plugins):
            warning = f"--plugins-dir {plugins}: there is no such folder"
            return evolve(configuration, warnings=(*configuration.warnings, warning))
        return configuration

    def log_observer(self, out: TextIO | None = None) -> ILogObserver:
        """
        What the agent's log is written by.

        @param out: Where to, if no file is named; C{None}: standard error.
        """
        return observer(
            self["verbosity"], self["log-format"], self["log"] or out, self["log-level"]
        )

    def _check_words(self) -> None:
        for option, words in (("log-format", FORMATS), ("log-level", LEVELS)):
            if self[option] not in (None, *words):
                said, known = self[option], ", ".join(words)
                raise usage.UsageError(f"--{option} is one of {known}, not {said!r}")
        try:
            self["guardian"] = helper.chosen(os.environ)
            encoder.check(os.environ)
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        if self["backlog"] is not None:
            self["backlog"] = _backlog(self["backlog"])
        self._said = self["config"]
        for option in _PATHS:
            if self.get(option) is not None:
                self[option] = _absolute(option, self[option])
        # As written by the operator, but for where it starts: a daemon leaves there.
        self["bind"] = [_RELATIVE_UNIX.sub(_rooted, address) for address in self["bind"]]

    def _refusal(self, mistakes: Sequence[Mistake], warnings: Iterable[str] = ()) -> SystemExit:
        lines = [_one_line(str(mistake)) for mistake in mistakes]
        if self["check"]:
            _warn(warnings)  # a key of another name may be why one is missing
            sys.stderr.write("".join(f"{line}\n" for line in lines))
            return SystemExit(2)
        if len(lines) > 1:
            lines[0] += f" (and {len(lines) - 1} more: --check shows all)"
        return wrong(lines[0])

    def _checked(self, configuration: Configuration) -> SystemExit:
        # This process ends when it has told, so that its reactor is nobody's.
        endpoints = unsound(configuration, insecure=bool(self["insecure"]))
        if endpoints.mistakes:
            return self._refusal(endpoints.mistakes, configuration.warnings)
        _warn((*configuration.warnings, *endpoints.told()))
        found = ", ".join(
            f"{number} {noun}{'' if number == 1 else plural}"
            for number, noun, plural in (
                (sum(each.numprocesses for each in configuration.templates), "process", "es"),
                (len(configuration.endpoints), "endpoint", "s"),
            )
        )
        file = "" if self._said is None else f"{_one_line(self._said)}: "
        sys.stdout.write(f"{file}OK: {found}\n")
        return SystemExit(0)

    def _speak_through_parent(self) -> None:
        # twistd and twist bring an observer of their own, which would put the
        # framework's news in between.  Where the operator chose none, it is ours.
        parent = self.parent
        if parent is None:
            return
        self["daemonised"] = parent.get("nodaemon") == 0
        if "fileLogObserverFactory" in parent:
            parent["fileLogObserverFactory"] = lambda out: self.log_observer(
                None if out is sys.stdout else out
            )
            if self["log-level"] == "debug":
                parent["logLevel"] = LogLevel.debug  # else it takes that away
            return
        chosen = parent.get("logger") or parent.get("logfile") or parent.get("syslog")
        if self["log"] is not None or (parent.get("nodaemon") and not chosen):
            self["observer"] = self.log_observer()


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        sys.stderr.write(f"warning: {_one_line(warning)}\n")


def wrong(why: str) -> SystemExit:
    """
    Say what is wrong with the command line; what is returned is to be raised.
    """
    complain(why)
    return SystemExit(2)


def _shown(name: str = "smartmob.service", *others: str) -> SystemExit:
    """
    Show a unit; what is returned is to be raised.
    """
    from smartmob.units import NoSuchUnit, unit

    if others:
        raise usage.UsageError("--print-unit shows one unit")
    try:
        sys.stdout.write(unit(name))
    except NoSuchUnit as error:
        raise usage.UsageError(f"--print-unit: {error}") from None
    return SystemExit(0)


def _own_folder() -> str:
    """
    The state folder where none is named: the first that systemd.exec(5) provides, or one
    where the agent was started.
    """
    folder, _, _ = os.environ.get("STATE_DIRECTORY", "").partition(":")
    return _absolute("state-dir", folder or DEFAULT_FOLDER)


def _absolute(option: str, path: str) -> str:
    if not path:
        raise usage.UsageError(f"--{option} is empty")
    try:
        return str(Path(path).absolute())
    except FileNotFoundError:
        raise usage.UsageError(
            f"{path!r} starts in the folder that this was started in, which is gone"
        ) from None


def _rooted(address: re.Match[str]) -> str:
    return f"unix:{_absolute('bind', address[1])}"


def _backlog(said: str) -> int:
    if re.fullmatch("[0-9]{1,5}", said, re.ASCII) and 1 <= int(said) <= _MOST_BACKLOG:
        return int(said)
    raise usage.UsageError(f"--backlog is a number from 1 to {_MOST_BACKLOG}, not {said!r}")


def _one_line(text: str) -> str:
    """
    A text that any terminal and any file can be given, and that is one line there.
    """
    return " ".join(text.encode(errors="backslashreplace").decode().splitlines())
