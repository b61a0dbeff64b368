"""
What a client wants of the lines of a process or an app, from the query of a URL.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from attrs import field, frozen
from twisted.web.http_headers import Headers

from smartmob.lines.app import AppWanted
from smartmob.lines.console import Wanted
from smartmob.permit import ALL_APPS
from smartmob.topics import MOST, BadTopic, Topics, parse
from smartmob.web.problems import bad_query

ALL = sys.maxsize

APP_FORMATS = ("plain", "json", "heroku")
"""Those of lines of an app, the default first."""


MOST_GLOBS = 32
"""A parameter may be there so often: each process is compared with all of them."""

LONGEST_GLOB = 200
"""
Characters of one; no name has more than half of that, and to read some of 16,000 takes
seconds.
"""


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
    said = args.get(b"format")
    format = _last(args, b"format") if said else names[0]  # noqa: A001 - what it is called
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


@frozen(kw_only=True)
class AppQuery:
    """
    What was asked of an app.

    @ivar wanted: Which lines.
    @ivar format: A name among L{APP_FORMATS}.
    @ivar follow: Also lines that come later; C{None}: nothing was said about it.
    """

    wanted: AppWanted = field(factory=AppWanted)
    format: str = "plain"
    follow: bool | None = None


def parse_app_query(args: Mapping[bytes, list[bytes]], tail: int = 0) -> AppQuery:
    """
    Read a query; parameters that are not known are ignored.

    @param tail: How many kept lines come first where nothing is said about it.
    @raise Problem: C{bad-query}, for a value that makes no sense, and for what can be
        asked of a single process only.
    """
    query = parse_query(args, APP_FORMATS)
    if query.wanted.after is not None:
        raise bad_query(
            "after",
            "is a number of one process, and an app has none: attach to its processes, "
            "or say how many lines with tail",
        )
    if query.stdin:
        raise bad_query("stdin", "is for the console of one process")
    nodes = parse_globs(args, "node")
    wanted = query.wanted
    return AppQuery(
        wanted=AppWanted(
            tail=tail if wanted.tail is None else wanted.tail,
            nodes=tuple(sorted({node for node in nodes if node})),
            streams=wanted.streams,
        ),
        format=query.format,
        follow=query.follow,
    )


def parse_globs(args: Mapping[bytes, list[bytes]], name: str) -> list[str]:
    """
    The globs that a parameter has, any of which may match.

    @raise Problem: C{bad-query}: they are too many, or too long.
    """
    values = [value.decode(errors="replace") for value in args.get(name.encode(), ())]
    if len(values) > MOST_GLOBS:
        raise bad_query(name, f"may be there {MOST_GLOBS} times, not more")
    if any(len(value) > LONGEST_GLOB for value in values):
        raise bad_query(name, f"must not have more than {LONGEST_GLOB} characters")
    return values


@frozen(kw_only=True)
class EventQuery:
    """
    What was asked of events.

    @ivar after: First the kept ones with a higher number; C{None}: only those to come.
    @ivar apps: A glob: those of these apps only.
    """

    topics: Topics = field(factory=Topics)
    after: int | None = None
    apps: str = ALL_APPS


def parse_event_query(
    args: Mapping[bytes, list[bytes]], headers: Headers, apps: str = ALL_APPS
) -> EventQuery:
    """
    Read a query; parameters that are not known are ignored.

    A browser that lost its connection asks for the same URL again, and says in a header
    which event it saw last: that is the later one.

    @param apps: A glob: what is told is of these apps only.
    @raise Problem: C{bad-query}, for a value that makes no sense.
    """
    values = args.get(b"topic", ())
    if len(values) > MOST:
        raise bad_query("topic", f"may be there {MOST} times, not more")
    try:
        topics = parse(value.decode(errors="replace") for value in values if value)
    except BadTopic as error:
        raise bad_query("topic", str(error)) from None
    seen = last_event_id(headers)
    after = _number(args, b"after")
    return EventQuery(topics=topics, after=after if seen is None else seen, apps=apps)


def last_event_id(headers: Headers) -> int | None:
    """
    The number of the event that a browser saw last, where it says one.
    """
    ids = headers.getRawHeaders(b"Last-Event-ID") or [b""]
    return int(ids[-1]) if ids[-1].isdigit() and len(ids[-1]) <= 20 else None


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
