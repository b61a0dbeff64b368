"""
The command C{smartmob}: the client, verb by verb.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from smartmob import __version__
from smartmob.broken_pipe import discard
from smartmob.permit import SCOPES

if TYPE_CHECKING:
    _Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """
    Do what the command line says, and exit.

    Exit codes: 0; 1 where it failed; 2 where the command line is not understood.
    """
    parser = command_line()
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(options.unknown or f"unrecognized arguments: {' '.join(unknown)}")
    options.verb(options)
    raise SystemExit(0)


def command_line() -> argparse.ArgumentParser:
    """
    The command line, as C{--help} shows it.
    """
    parser = argparse.ArgumentParser(
        prog="smartmob",
        description="Talk to a smartmob agent.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"smartmob {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    demo = verbs.add_parser(
        "demo",
        help="start an agent and a small application, and show its lines",
        description="Start an agent on loopback, deploy a small application to it from"
        " an archive, and show its lines until Ctrl-C.  Nothing of it is left then.",
        allow_abbrev=False,
    )
    demo.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="where the agent listens (a free port)",
    )
    demo.add_argument(
        "--seconds", type=_seconds, metavar="S", help="end by itself after S seconds of lines"
    )
    demo.set_defaults(verb=_demo, unknown=None)
    _add_token(verbs)
    return parser


_NO_ARGUMENT = (
    "a token is no argument: other users see command lines, and shells keep them;"
    " smartmob token hash reads it from standard input"
)


def _add_token(verbs: _Verbs) -> None:
    """
    C{smartmob token}.
    """
    token = verbs.add_parser(
        "token",
        help="make a token for an agent that asks for one, or a digest of one",
        description="Tokens are what an agent's --token-file lists.",
        allow_abbrev=False,
    )
    kinds = token.add_subparsers(title="verbs", metavar="VERB", required=True)
    new = kinds.add_parser(
        "new",
        help="make a token, and print it",
        description="Make a token that nobody guesses, and print it."
        "  With --to a file of tokens gets a line that lets it in.",
        allow_abbrev=False,
    )
    new.add_argument(
        "--to",
        metavar="FILE",
        help="add the token to this file, for smartmob-agent --token-file;"
        " made, for you alone, where it is missing",
    )
    new.add_argument("--hashed", action="store_true", help="... but only its digest")
    new.add_argument(
        "--scope", choices=SCOPES, help="what it is for there (admin)", metavar="|".join(SCOPES)
    )
    new.add_argument(
        "--apps", metavar="GLOB", help="the apps that it is for there, such as shop-* (all)"
    )
    new.add_argument("--name", metavar="NAME", help="what the agent's log calls who has it")
    new.set_defaults(verb=partial(_new_token, new), unknown=_NO_ARGUMENT)
    digest = kinds.add_parser(
        "hash",
        help="print the digest of a token",
        description="Read a token from standard input, a terminal or not, and print what"
        " may stand for it in a file of tokens.",
        allow_abbrev=False,
    )
    digest.set_defaults(verb=_hash_token, unknown=_NO_ARGUMENT)


def _port(text: str) -> int:
    """
    A TCP port; 0 is a free one.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port, a number from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    """
    A time in seconds.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (seconds >= 0 and math.isfinite(seconds)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _new_token(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """
    C{smartmob token new}.
    """
    from smartmob.client.token import NoToken, new
    from smartmob.permit import ALL_APPS
    from smartmob.tokens import new_token, written

    given = (options.scope, options.apps, options.name, options.hashed or None)
    if options.to is None and any(each is not None for each in given):
        parser.error("--scope, --apps, --name and --hashed are about what --to FILE gets")
    line = partial(
        written,
        scope=SCOPES[options.scope or "admin"],
        apps=ALL_APPS if options.apps is None else options.apps,
        name=options.name or "",
    )
    try:
        line(new_token())
    except ValueError as error:
        parser.error(f"such a line {error}")
    try:
        token = new(options.to, line, digest=options.hashed)
    except NoToken as why:
        _fail(why)
    _print(token)


def _hash_token(options: argparse.Namespace) -> None:
    """
    C{smartmob token hash}.
    """
    from smartmob.client.token import NoToken, digest_of, read_token

    try:
        digest = digest_of(read_token(sys.stdin))
    except NoToken as why:
        _fail(why)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    _print(digest)


def _print(line: str) -> None:
    """
    Say the one thing that there is to say.
    """
    try:
        print(line, flush=True)
    except OSError as error:
        discard(sys.stdout)
        _fail(f"nobody gets to see what was to be printed: {error.strerror}")


def _fail(why: object) -> NoReturn:
    """
    Say why on standard error.
    """
    print(f"smartmob: {why}", file=sys.stderr)
    raise SystemExit(1)


def _demo(options: argparse.Namespace) -> None:
    """
    C{smartmob demo}.
    """
    # Imported here: other verbs and --help need no reactor.
    from twisted.internet.task import react

    from smartmob.client.demo import Demo, IDemoReactor
    from smartmob.client.paper import Paper, wants_colour

    paper = Paper(sys.stdout, wants_colour(sys.stdout, os.environ))

    async def play(reactor: IDemoReactor) -> None:
        def complain(text: str) -> None:
            print(text, file=sys.stderr, flush=True)

        raise SystemExit(
            await Demo(reactor, options.port, options.seconds, paper, complain).run()
        )

    react(play)
