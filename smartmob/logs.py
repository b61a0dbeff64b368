"""
What the operator gets to read: one line an event, as text or as JSON.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from json import dumps
from pathlib import Path
from typing import TextIO, cast

from attrs import define, field, frozen
from constantly import NamedConstant
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    Logger,
    LoggingFile,
    LogLevel,
    PredicateResult,
    formatEvent,
    formatTime,
)
from zope.interface import implementer

from smartmob.threaded_writer import ThreadedWriter

_log = Logger()

ALWAYS = "smartmob_always"
"""The key of events that are shown whatever is wanted."""

LEVELS = {level.name: level for level in LogLevel.iterconstants()}
"""All levels by name, from the least to the most important."""

_PRINTED = ("stdout", "stderr")
"""The namespaces of what plugins print, where that goes to the log."""

_SHOWN_FIELDS = (str, int, float, bool, type(None))


def as_text(event: LogEvent) -> str:
    """
    A line for a person.  What is no more than news stands alone behind the time
    stamp, a warning or an error says so first.
    """
    text = formatEvent(event)
    level = event.get("log_level", LogLevel.info)
    if level >= LogLevel.warn:
        text = f"{level.name}: {text}"
    failure = event.get("log_failure")
    if failure is not None:
        text = f"{text}\n{failure.getTraceback()}"
    return f"{formatTime(event.get('log_time'))} {text}\n".replace("\n", "\n    ").rstrip(" ")


def as_json(event: LogEvent) -> str:
    """
    A line for a program: C{time}, C{level}, C{message}, and the event's own fields.
    """
    fields = {
        key: value
        for key, value in event.items()
        if not key.startswith(("log_", "smartmob_")) and isinstance(value, _SHOWN_FIELDS)
    }
    document = {
        "time": formatTime(event.get("log_time")),
        "level": event.get("log_level", LogLevel.info).name,
        "message": formatEvent(event),
        **{key: fields[key] for key in fields if key not in ("time", "message", "level")},
    }
    failure = event.get("log_failure")
    if failure is not None:
        document["traceback"] = failure.getTraceback()
    return dumps(document) + "\n"


FORMATS: dict[str, Callable[[LogEvent], str]] = {"text": as_text, "json": as_json}


@implementer(ILogFilterPredicate)
@frozen
class Wanted:
    """
    What is shown.

    @ivar ours: The least important level of what the agent says itself.
    @ivar others: That of what the framework says.
    """

    ours: NamedConstant
    others: NamedConstant

    def __call__(self, event: LogEvent) -> NamedConstant:
        """
        See L{ILogFilterPredicate.__call__}.
        """
        level = event.get("log_level", LogLevel.info)
        namespace = str(event.get("log_namespace", ""))
        least = self.ours if namespace.startswith("smartmob") else self.others
        if ALWAYS in event or namespace in _PRINTED or level >= least:
            return PredicateResult.yes
        return PredicateResult.no


def wanted(verbosity: int, level: str | None = None) -> Wanted:
    """
    What is shown to an operator who has said this: warnings and worse; with a verbosity
    of 1 or more also what happens to processes, and requests.  A level that is named
    takes the place of that.  The framework's own news are shown for C{debug} only.
    """
    least = LEVELS[level or ("info" if verbosity else "warn")]
    return Wanted(least, LogLevel.warn if least is LogLevel.info else least)


@define(eq=False, repr=False)
class LogFile:
    """
    A file to log to, which may be moved away and opened anew, as logrotate(8) does it.

    What is said before it is open is kept until then.

    @ivar path: Absolute: a daemon leaves the folder where it was started.
    """

    path: Path
    _file: FileIO | None = None
    _slow: ThreadedWriter | None = None
    _missed: int = 0
    _early: list[str] = field(factory=list)

    def open(self) -> None:
        """
        Open it, and make it where there is none, for the agent's user only.  Opening it
        once more changes nothing.

        @raise OSError: It can't be written.
        """
        if self._file is not None:
            return
        self._file = _appended(self.path)
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            # A terminal or a pipe, C{/dev/stdout} say: its reader may be slow.
            out = os.fdopen(os.dup(self._file.fileno()), "a", errors="backslashreplace")
            self._slow = ThreadedWriter(out)
        early, self._early = self._early, []
        for text in early:
            self.write(text)

    def reopen(self) -> None:
        """
        Go on in a file of this name that may be another one.  Where it can't be opened,
        go on in that which is.
        """
        if self._file is None or self._slow is not None:
            return
        try:
            # A pipe that took its place may have nobody who reads it, or not in time.
            file = _appended(self.path, os.O_NONBLOCK)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                file.close()
                raise OSError(errno.EINVAL, "it is no plain file")
        except OSError as error:
            _log.warn(
                "can't open {path} again: {why}; going on with the one that is open",
                path=str(self.path),
                why=error.strerror,
            )
            return
        self._file.close()
        self._file = file

    def write(self, text: str) -> None:
        """
        Write this.  What finds no room on the disk is missed, and counted.
        """
        if self._slow is not None:
            self._slow.write(text)
        elif self._file is None:
            self._early.append(text)
        elif self._missed and not self._append(
            f"({self._missed} entries of the log found no room on the disk)\n"
        ):
            self._missed += 1
        else:
            self._missed = 0 if self._append(text) else 1

    def flush(self) -> None:
        """
        Nothing to do: it is written as it comes.
        """

    def _append(self, text: str) -> bool:
        """
        @return: There was room: where there is not, half a line is not left either.
        """
        assert self._file is not None
        data = text.encode("utf-8", "backslashreplace")
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError:
            if written:
                with suppress(OSError):
                    self._file.truncate(os.fstat(self._file.fileno()).st_size - written)
            return False
        return True


def _appended(path: Path, more: int = 0) -> FileIO:
    """
    @param more: Flags for open(2).
    """

    def private(name: str, flags: int) -> int:
        return os.open(name, flags | more | os.O_CLOEXEC | os.O_NOCTTY, 0o600)

    return FileIO(path, "a", opener=private)


def observer(
    verbosity: int,
    log_format: str,
    out: TextIO | LogFile | None = None,
    level: str | None = None,
) -> ILogObserver:
    """
    The observer that an agent logs to.

    @param out: Standard error, unless given; nobody waits for who reads that.
    @param level: See L{wanted}.
    """
    file = ThreadedWriter(sys.stderr) if out is None else out
    written = FileLogObserver(cast(TextIO, file), FORMATS[log_format])
    return FilteringLogObserver(written, [wanted(verbosity, level)])


def complain(why: str) -> None:
    """
    Tell whoever started the agent, in one line on standard error, also where a twistd
    has put its log in the place of that.
    """
    out = sys.__stderr__ if isinstance(sys.stderr, LoggingFile) else sys.stderr
    if out is not None:
        out.write(f"smartmob: {why}\n")
        out.flush()
