"""
The last events, kept for those who come after the agent was started again.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from smartmob import plain_files
from smartmob.events import KEPT, About, Event, Topic
from smartmob.lines.encodings import timestamp
from smartmob.numbers import LARGEST
from smartmob.state.versioned import UNREADABLE
from smartmob.state.writer import TEMPORARY

_log = Logger()

SOON = 0.25
"""Seconds for which events are gathered before they are written."""

MOST_BYTES = 64 << 20
"""What has more is no file of ours."""

MOST_LINES = 4 * KEPT
"""So many lines the file has at most, of which the last L{KEPT} count."""


@define(eq=False, repr=False)
class Chronicle:
    """
    A file with a line for each of the last events.

    What is written some time later costs whatever happens nothing; so the last moment
    before the agent was killed is missing, and told as missed.

    @ivar path: Of the file.
    """

    path: str
    clock: IReactorTime
    _last: deque[bytes] = field(factory=lambda: deque(maxlen=KEPT))
    _untold: deque[Event] = field(factory=lambda: deque(maxlen=KEPT))
    _lines: int = MOST_LINES
    _call: IDelayedCall | None = None
    _said: bool = False

    def read(self) -> list[Event]:
        """
        The events of earlier agents, the oldest first; none where there is no file that
        makes sense.
        """
        try:
            data = plain_files.read(self.path, MOST_BYTES, os.O_NOFOLLOW)
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            _log.warn("{path} {why}", path=self.path, why=plain_files.why(error))
            return []
        found: list[Event] = []
        bad = 0
        *lines, rest = data.split(b"\n")  # after the last newline: what was being written
        for line in [*lines[-KEPT:], *([rest] if rest else ())]:
            try:
                event = _event(json.loads(line))
            except UNREADABLE:
                bad += line is not rest
                continue
            if not found or event.id > found[-1].id:
                found.append(event)
                self._last.append(line)
        if bad:
            _log.warn(
                "{path}: {bad} of {lines} lines make no sense, and so those events are missing",
                path=self.path,
                bad=bad,
                lines=min(len(lines), KEPT),
            )
        return found

    def note(self, event: Event) -> None:
        """
        Something happened.
        """
        self._untold.append(event)
        if self._call is None:
            self._call = self.clock.callLater(SOON, self._write)

    def close(self) -> None:
        """
        The agent ends in order: write what was not.
        """
        if self._call is not None:
            self._call.cancel()
            self._write()

    def _write(self) -> None:
        self._call = None
        lines = [json.dumps(_document(event)).encode() for event in self._untold]
        self._untold.clear()
        self._last.extend(lines)
        self._lines += len(lines)
        try:
            if self._lines >= MOST_LINES:
                self._begin_anew()
            else:
                _put(self.path, lines, os.O_APPEND)
        except OSError as error:
            self._lines = MOST_LINES  # the file may end anywhere
            if not self._said:
                self._said = True
                _log.warn(
                    "events are not kept for when the agent is started again: {path}: {why}",
                    path=self.path,
                    why=error.strerror,
                )

    def _begin_anew(self) -> None:
        _put(self.path + TEMPORARY, self._last, os.O_TRUNC)
        os.rename(self.path + TEMPORARY, self.path)
        self._lines = len(self._last)


def _put(path: str, lines: Iterable[bytes], flags: int) -> None:
    flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        view = memoryview(b"\n".join([*lines, b""]))
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _document(event: Event) -> dict[str, object]:
    about = event.about
    said = {
        "pid": about.pid,
        "exit_status": about.exit_status,
        "term_signal": about.term_signal,
        "killed": about.killed,
        "reason": about.reason,
    }
    return {
        "id": event.id,
        "time": event.time,
        "topic": event.topic,
        "app": event.app,
        "node": event.node,
        "process_type": event.process_type,
        "slug": event.slug,
        "about": {name: value for name, value in said.items() if value is not None},
    }


def _event(document: dict[str, Any]) -> Event:
    """
    @raise ValueError: It is none; also the others of L{UNREADABLE}.
    """
    about = document["about"]
    event = Event(
        id=int(document["id"]),
        time=float(document["time"]),
        topic=Topic(document["topic"]),
        app=str(document["app"]),
        node=str(document["node"]),
        process_type=str(document["process_type"]),
        slug=str(document["slug"]),
        about=About(
            pid=_number(about, "pid"),
            exit_status=_number(about, "exit_status"),
            term_signal=_number(about, "term_signal"),
            killed=tuple(map(str, about["killed"])) if "killed" in about else None,
            reason=str(about["reason"]) if "reason" in about else None,
        ),
    )
    timestamp(event.time)
    if not 0 < event.id < LARGEST:
        raise ValueError(f"{event.id} is no number of an event")
    return event


def _number(about: dict[str, Any], name: str) -> int | None:
    return int(about[name]) if name in about else None
