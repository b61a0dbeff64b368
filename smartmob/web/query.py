"""
What a client wants of the lines of a process, from the query of a URL.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from smartmob.lines.console import Wanted
from smartmob.web.problems import bad_query

ALL = sys.maxsize


@frozen(kw_only=True)
class ConsoleQuery:
    """
    What was asked.

    @ivar wanted: Which lines.
    @ivar format: A name among those that the route knows.
    @ivar stdin: What the client sends is input of the program.
    @ivar follow: Also lines that come later; C{None}: nothing was said about it.
    """

    wanted: Wanted = field(factory=Wanted)
    format: str = "plain"
    stdin: bool = False
    follow: bool | None = None


def parse_query(
    args: Mapping[bytes, list[bytes]], formats: Iterable[str] = ("plain", "json")
) -> ConsoleQuery:
    """
    Read a query; parameters that are not known are ignored.

    @param formats: The names that C{format} may have, the default first.
    @raise Problem: C{bad-query}, for a value that makes no sense.
    """
    names = tuple(formats)
    format = _last(args, b"format") or names[0]  # noqa: A001 - what the parameter is called
    if format not in names:
        raise bad_query("format", "must be " + " or ".join(names))
    streams = [value.decode(errors="replace") for value in args.get(b"stream", ()) if value]
    return ConsoleQuery(
        wanted=Wanted(
            tail=_number(args, b"tail"),
            after=_number(args, b"after"),
            epoch=_last(args, b"epoch") or None,
            streams=frozenset(streams),
        ),
        format=format,
        stdin=bool(_switch(args, b"stdin")),
        follow=_switch(args, b"follow"),
    )


def _last(args: Mapping[bytes, list[bytes]], name: bytes) -> str:
    values = args.get(name)
    return values[-1].decode(errors="replace") if values else ""


def _number(args: Mapping[bytes, list[bytes]], name: bytes) -> int | None:
    values = args.get(name)
    if not values:
        return None
    for value in values:
        if not value.isdigit() or len(value) > 1000:
            raise bad_query(name.decode(), "must be a number, 0 or more")
    return int(values[-1])


def _switch(args: Mapping[bytes, list[bytes]], name: bytes) -> bool | None:
    values = args.get(name)
    if not values:
        return None
    for value in values:
        if value not in (b"0", b"1"):
            raise bad_query(name.decode(), "must be 0 or 1")
    return values[-1] == b"1"
