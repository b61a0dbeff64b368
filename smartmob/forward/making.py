"""
What a section of the configuration asks for, made.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

from attrs import define, field

from smartmob.config.forward import Forward, LineFormat, ToFiles, ToFluentd, ToSyslog
from smartmob.forward.datagrams import DatagramDestination
from smartmob.forward.destination import Destination
from smartmob.forward.files import FileDestination, Files
from smartmob.forward.fluentd import PackedForward
from smartmob.forward.formats import Encoding, Entries, Json, Message, Plain, Stamped
from smartmob.forward.forwarding import Forwarding
from smartmob.forward.lane import Lane
from smartmob.forward.streams import Frames, StreamDestination
from smartmob.forward.thread import Worker
from smartmob.names import Names
from smartmob.placeholders import Pattern

_FORMATS: dict[LineFormat, Encoding] = {
    LineFormat.PLAIN: Plain(),
    LineFormat.STAMPED: Stamped(),
    LineFormat.JSON: Json(),
}


@define(eq=False, repr=False)
class Making:
    """
    Makes forwards.

    @ivar reactor: Of all that is connected to, of threads and time.
    @ivar rested: Called when nothing of one is under way any more.
    @ivar host: The name of this machine.
    """

    reactor: Any
    rested: Callable[[Lane], None]
    host: str = field(factory=socket.gethostname)
    _names: Names = field(init=False)
    _workers: dict[str, Worker] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._names = Names(self.reactor)

    def forwarding(self, forward: Forward) -> Forwarding:
        """
        What delivers, and has nothing to do yet: no thread, no connection.
        """
        encoding, key, shown, destination = self._parts(forward)
        lane = Lane(forward.name, shown, destination, self.reactor, self.rested)
        return Forwarding.of(forward, encoding, key, lane)

    def forget(self, name: str) -> None:
        """
        There is no forward of that name any more.
        """
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.end()

    def _parts(self, forward: Forward) -> tuple[Encoding, Pattern, str, Destination]:
        match forward.to:
            case ToFiles() as to:
                # That of a section which was another before goes on with what waits for
                # that: two that write to a file, and move it away, would disturb each other.
                worker = self._workers.get(forward.name)
                if worker is None:
                    worker = Worker(self.reactor, f"forward {forward.name}")
                    self._workers[forward.name] = worker
                files = Files(max_bytes=to.max_bytes, backups=to.backups)
                destination = FileDestination(files, worker.run)
                return _FORMATS[to.format], to.path, to.path.text, destination
            case ToSyslog() as to:
                return self._syslog(to)
            case ToFluentd() as to:
                stream = StreamDestination(
                    self.reactor, to.peer, PackedForward(to.ack), self._names.look_up
                )
                return Entries(), to.tag, str(to.peer), stream

    def _syslog(self, to: ToSyslog) -> tuple[Encoding, Pattern, str, Destination]:
        local, counted = to.peer.kind == "unix", to.peer.kind == "tcp"
        encoding = Message(
            priority=to.facility * 8 + to.severity,
            tag=to.tag,
            json=to.json,
            host="" if local else _host(self.host),
            counted=counted,
        )
        look_up = self._names.look_up
        destination: Destination
        if counted:
            destination = StreamDestination(self.reactor, to.peer, Frames(), look_up)
        else:
            destination = DatagramDestination(self.reactor, self.reactor, to.peer, look_up)
        return encoding, Pattern.of(""), str(to.peer), destination


def _host(name: str) -> str:
    """
    HOSTNAME (RFC 5424, 6.2.4).
    """
    return re.sub(r"[^!-~]", "_", name, flags=re.ASCII)[:255] or "-"
