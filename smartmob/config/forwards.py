"""
Where lines of programs go besides: C{[forward:NAME]} sections.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from smartmob import checks
from smartmob.config.findings import Findings
from smartmob.config.forward import (
    Destination,
    Forward,
    LineFormat,
    Peer,
    ToFiles,
    ToFluentd,
    ToSyslog,
)
from smartmob.config.ini import Section
from smartmob.config.keys import Keys
from smartmob.config.values import boolean, numeric, with_commas, word, wrong
from smartmob.placeholders import BadPlaceholder, Pattern, Whose

PREFIX = "forward:"
"""What the name of such a section begins with."""

_KINDS = ("path", "syslog", "fluentd")
"""Keys that say where to: one of them."""

_OWN = {
    "path": ("format", "max_bytes", "backups"),
    "syslog": ("format", "facility", "severity", "tag"),
    "fluentd": ("tag", "ack"),
}
"""Those that go with each."""

KEYS = (
    *_KINDS,
    "apps",
    "streams",
    *dict.fromkeys(key for keys in _OWN.values() for key in keys),
)

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron"),
    *("authpriv", "ftp", "ntp", "security", "console", "solaris-cron"),
    *(f"local{number}" for number in range(8)),
)
"""By their numbers (RFC 5424, 6.2.1), as syslog.conf(5) and its like call them."""

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Likewise."""

FLUENTD_PORT = 24224
"""Where Fluentd listens, unless it is told otherwise."""

SYSLOG_PORT = 514

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_GLOB = re.compile(r"[A-Za-z0-9_*?\[\]!-]{1,200}", re.ASCII)
_PEER = re.compile(
    r"(?P<kind>tcp|udp):(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]{1,253}))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_LONGEST_UNIX = 107  # sun_path of unix(7), without its NUL
_ANYBODY = Whose("-app-", "-node-", "-type-", "-app-.-node-")
_ANY_STREAM = "-stream-"
_MOST_BYTES = 1 << 50
_MOST_BACKUPS = 1000

V = TypeVar("V")


def forwards(sections: Mapping[str, Section], findings: Findings) -> tuple[Forward, ...]:
    """
    What the sections say.

    @param sections: By their names, without what these begin with.
    """
    found = []
    others: dict[str, ToFiles] = {}
    for name, section in sections.items():
        keys = Keys(section, findings)
        keys.warn_of_others(KEYS)
        keys.warn_of_bare(["apps", "streams"])
        if not _NAME.fullmatch(name):
            keys.wrong(
                None, f"needs a name of letters, digits, . _ and -, as in [{PREFIX}files]"
            )
        to = _destination(keys)
        if isinstance(to, ToFiles):
            for other, files in others.items():
                if why := _in_the_way(to, files, f"[{PREFIX}{other}]"):
                    keys.wrong("path", why)
                    break
            others[name] = to
        if to is not None:
            apps, streams = (keys.get(key, globs, ()) for key in ("apps", "streams"))
            found.append(Forward(name=name, apps=apps, streams=streams, to=to))
    return tuple(found)


def globs(text: str) -> tuple[str, ...]:
    """
    Globs with commas in between.
    """
    found = with_commas(text)
    if not found or not all(_GLOB.fullmatch(each) for each in found):
        raise wrong("must be names, or globs, with commas in between, such as web*, worker")
    return found


def pattern(text: str) -> Pattern:
    """
    A text with placeholders.
    """
    try:
        return Pattern.of(text)
    except BadPlaceholder as error:
        raise wrong(str(error)) from None


def tag(text: str) -> Pattern:
    """
    What lines are called where they go: printable, without white space.
    """
    if len(text) > 200 or not re.fullmatch(r"[!-~]+", text, re.ASCII):
        raise wrong("must be at most 200 printable ASCII characters, without white space")
    return pattern(text)


def _destination(keys: Keys) -> Destination | None:
    kinds = [kind for kind in _KINDS if keys.entry(kind) is not None]
    if not kinds:
        keys.wrong(None, f"needs one of {', '.join(_KINDS)}")
        return None
    kind, *more = kinds
    for other in more:
        keys.wrong(other, f"stands beside {kind}, and a section has only one of them")
    if more:
        return None
    for key in KEYS:
        others = [one for one in _KINDS if key in _OWN[one]]
        if others and kind not in others and keys.entry(key) is not None:
            keys.odd(key, f"means nothing beside {kind}, only beside {' and '.join(others)}")
    match kind:
        case "path":
            return _files(keys)
        case "syslog":
            return _syslog(keys)
        case _:
            return _fluentd(keys)


def _in_the_way(one: ToFiles, other: ToFiles, name: str) -> str:
    """
    Why two can't both have their files, for the first of them; empty: they can, as far as
    that does not depend on what is called how.

    @param name: The other one's section.
    """
    path, its_path = (to.path.filled(_ANYBODY, _ANY_STREAM) for to in (one, other))
    if path == its_path:
        return f"is that of {name} too, which moves its files"
    if _is_backup(path, its_path, other):
        return f"is a backup of the files of {name}"
    if _is_backup(its_path, path, one):
        return f"has backups where {name} has its files"
    return ""


def _is_backup(path: str, of: str, to: ToFiles) -> bool:
    """
    Whether a path is one where files that were moved away are.
    """
    number = path.removeprefix(f"{of}.")
    numbered = number != path and number.isascii() and number.isdecimal() and number[0] != "0"
    return numbered and to.max_bytes > 0 and int(number[:5]) <= to.backups


def _files(keys: Keys) -> ToFiles | None:
    entry = keys.entry("path")
    assert entry is not None
    if entry.value.endswith("/"):
        keys.wrong("path", "must be the path of a file, not of a folder")
    path = keys.get("path", lambda text: pattern(entry.path(text)), None)
    if path is None:
        return None
    if path.ends_open:
        # What is moved away gets a number behind it, and could be another one's file.
        keys.wrong("path", "must not end with a placeholder; let it end with .log, say")
    usual = ToFiles(path=path)
    return ToFiles(
        path=path,
        format=keys.get("format", word(LineFormat), usual.format),
        max_bytes=keys.get(
            "max_bytes", numeric(checks.integer(0, _MOST_BYTES)), usual.max_bytes
        ),
        backups=keys.get("backups", numeric(checks.integer(0, _MOST_BACKUPS)), usual.backups),
    )


def _syslog(keys: Keys) -> ToSyslog | None:
    entry = keys.entry("syslog")
    assert entry is not None
    peer = keys.get("syslog", lambda text: _peer(text, entry.path, SYSLOG_PORT, udp=True), None)
    if peer is None:
        return None
    usual = ToSyslog(peer=peer)
    said = keys.get("format", word(LineFormat), LineFormat.PLAIN)
    if said is LineFormat.STAMPED:
        keys.wrong("format", "must be plain or json here: syslog says time and source itself")
    return ToSyslog(
        peer=peer,
        json=said is LineFormat.JSON,
        facility=keys.get("facility", _one_of(FACILITIES), usual.facility),
        severity=keys.get("severity", _one_of(SEVERITIES), usual.severity),
        tag=keys.get("tag", tag, usual.tag),
    )


def _fluentd(keys: Keys) -> ToFluentd | None:
    entry = keys.entry("fluentd")
    assert entry is not None
    peer = keys.get(
        "fluentd", lambda text: _peer(text, entry.path, FLUENTD_PORT, udp=False), None
    )
    if peer is None:
        return None
    usual = ToFluentd(peer=peer)
    return ToFluentd(
        peer=peer,
        tag=keys.get("tag", tag, usual.tag),
        ack=keys.get("ack", boolean, usual.ack),
    )


def _one_of(names: tuple[str, ...]) -> Callable[[str], int]:
    def check(text: str) -> int:
        if text not in names:
            raise wrong(f"must be one of {', '.join(names)}")
        return names.index(text)

    return check


def _peer(text: str, path_of: Callable[[str], str], port: int, *, udp: bool) -> Peer:
    """
    Where to connect to.

    @param path_of: Makes a path absolute.
    @param port: That of who says none.
    @param udp: It may be UDP.
    """
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        path = path_of(rest)
        if len(os.fsencode(path)) > _LONGEST_UNIX:
            raise wrong(f"must have a path of at most {_LONGEST_UNIX} bytes")
        return Peer(kind="unix", host=path)
    match = _PEER.fullmatch(text)
    number = port if match is None or match["port"] is None else int(match["port"])
    if match is None or not 1 <= number <= 65_535 or (match["kind"] == "udp" and not udp):
        forms = ["unix:/path", *(["udp:HOST:PORT"] if udp else []), "tcp:HOST:PORT"]
        raise wrong(f"must be {', '.join(forms[:-1])} or {forms[-1]}")
    return Peer(kind=match["kind"], host=match["v6"] or match["host"], port=number)
