"""
The command C{smartmob}: the client, verb by verb.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from smartmob import __version__


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """
    Do what the command line says, and exit.

    Exit codes: 0; 1 where it failed; 2 where the command line is not understood.
    """
    options = command_line().parse_args(argv)
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
    demo.set_defaults(verb=_demo)
    return parser


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
