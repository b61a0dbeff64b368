"""
Lines for a person: which process a line is from, in colour where that is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import cycle
from typing import TextIO

from attrs import define, field

_COLOURS = ("36", "33", "32", "35", "34", "31")
"""Foreground colours, ECMA-48 SGR: cyan, yellow, green, magenta, blue, red."""


def wants_colour(out: TextIO, environment: Mapping[str, str]) -> bool:
    """
    Whether C{out} is a terminal, and the person behind it has not said
    otherwise with NO_COLOR or TERM=dumb.
    """
    return (
        out.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    )


@define(eq=False)
class Paper:
    """
    Where lines are written to, each at once.

    @ivar gone: Nobody reads any more, so nothing is written.
    """

    _out: TextIO
    _coloured: bool
    gone: bool = field(init=False, default=False)
    _colour_of: dict[str, str] = field(init=False, factory=dict)
    _width: int = field(init=False, default=0)

    def name(self, *names: str) -> None:
        """
        Names that will stand before lines, so that all lines start in one column.
        """
        for name, colour in zip(names, cycle(_COLOURS), strict=False):
            self._colour_of[name] = colour
            self._width = max(self._width, len(name))

    def line(self, name: str, text: str) -> None:
        """
        A line from whatever has that name.
        """
        before = f"{name:{self._width}} |"
        if self._coloured:
            before = f"\033[{self._colour_of.get(name, '0')}m{before}\033[0m"
        self.say(f"{before} {text}")

    def say(self, text: str) -> None:
        """
        A line as it is.
        """
        if self.gone:
            return
        try:
            print(text, file=self._out, flush=True)
        except BrokenPipeError:
            self.gone = True
            # What is still in the buffer has to go somewhere when Python exits.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._out.fileno())
            os.close(nowhere)
