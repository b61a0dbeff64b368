"""
Whether anything has grown: the median of a minute when the agent was warm beside that of the
last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import fields_dict, frozen

from bench.soak.samples import GROWING, Sample, between, middle

WARM = 1 / 6
"""Of the whole time, after which it has to be warm: minute 5 of 30."""

WINDOW = 1 / 30
"""Of the whole time: what is looked at then, and at the end.  A minute of 30."""

FEW = {"guardian_descriptors": 1, "agent_threads": 3, "state_files": 15}
"""
So much more of these is nothing: descriptors that a start needs for a moment; threads, which
the reactor makes when it needs them, until there are ten; files of what is just being created.
"""

MEMORY = ("_rss", "_pss", "_bytes")
"""How the names of what is in bytes end."""


@frozen
class Figure:
    """
    What became of one figure.

    @ivar name: As the sample has it.
    @ivar warm: The median when it was warm, ...
    @ivar end: ... and at the end.
    @ivar most: The most it ever was.
    """

    name: str
    warm: float
    end: float
    most: float

    @property
    def percent(self) -> float:
        """
        By how much it has grown since it was warm.
        """
        return (self.end / self.warm - 1) * 100 if self.warm else 0.0

    def show(self, value: float) -> str:
        """
        One of its values, for a person.
        """
        if self.name.endswith(MEMORY):
            return f"{value / 1e6:.1f} MB"
        return f"{value:,.0f}"

    @property
    def title(self) -> str:
        """
        Its name, for a person.
        """
        words = self.name.replace("_", " ")
        return words.replace("rss", "memory, RSS").replace("pss", "memory, PSS")


def figures(samples: Sequence[Sample]) -> Iterator[Figure]:
    """
    All there are.
    """
    last = samples[-1].seconds
    warm = between(samples, last * WARM, last * (WARM + WINDOW)) or [samples[0]]
    end = between(samples, last * (1 - WINDOW), last)
    for name in fields_dict(Sample):
        if name != "seconds":
            most = max(getattr(sample, name) for sample in samples)
            yield Figure(name, middle(warm, name), middle(end, name), float(most))


def grown(found: Sequence[Figure], percent: float) -> list[Figure]:
    """
    Those of what may not grow that have, by more than so much.
    """
    return [
        each
        for each in found
        if each.name in GROWING
        and each.percent > percent
        and each.end - each.warm > FEW.get(each.name, 0)
    ]


def table(found: Sequence[Figure]) -> str:
    """
    All of them, in reStructuredText.
    """
    rows = [
        (
            each.title,
            each.show(each.warm),
            each.show(each.end),
            f"{each.percent:+.1f} %",
            each.show(each.most),
        )
        for each in found
        if each.name != "load"
    ]
    headings = ("of", "warm", "end", "grown", "most")
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])
