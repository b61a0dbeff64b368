"""
What C{[forward:NAME]} sections say, as values.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from smartmob.placeholders import Pattern


class LineFormat(StrEnum):
    """
    What a line looks like in a file.
    """

    PLAIN = "plain"
    STAMPED = "stamped"
    JSON = "json"


@frozen(kw_only=True)
class Peer:
    """
    Where lines are sent to.

    @ivar kind: C{unix}, C{udp} or C{tcp}.
    @ivar host: A name or an address; of C{unix} an absolute path.
    """

    kind: str
    host: str
    port: int = 0

    def __str__(self) -> str:
        """
        As an operator would write it.
        """
        if self.kind == "unix":
            return f"unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}:{host}:{self.port}"


@frozen(kw_only=True)
class ToFiles:
    """
    Lines go to files.

    @ivar path: Absolute.
    @ivar max_bytes: A file that would have more is moved away; 0: it grows.
    @ivar backups: So many that were moved away are kept.
    """

    path: Pattern
    format: LineFormat = LineFormat.PLAIN
    max_bytes: int = 50 << 20
    backups: int = 10


@frozen(kw_only=True)
class ToSyslog:
    """
    Lines go to syslog.

    @ivar json: Each is a JSON document there.
    @ivar facility: Its number (RFC 5424, 6.2.1), as C{severity}.
    @ivar tag: What is called APP-NAME, or TAG.
    """

    peer: Peer
    json: bool = False
    facility: int = 3
    severity: int = 6
    tag: Pattern = field(factory=lambda: Pattern.of("{slug}"))


@frozen(kw_only=True)
class ToFluentd:
    """
    Lines go to Fluentd, or who speaks its forward protocol.

    @ivar ack: It has to say what it got.
    """

    peer: Peer
    tag: Pattern = field(factory=lambda: Pattern.of("smartmob.{app}.{process_type}"))
    ack: bool = True


Destination = ToFiles | ToSyslog | ToFluentd


@frozen(kw_only=True)
class Forward:
    """
    A C{[forward:NAME]} section.

    @ivar apps: Globs; none: lines of all apps.
    @ivar streams: Likewise.
    """

    name: str
    apps: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    to: Destination
