"""
Figures over time as a picture: SVG 1.1, with CSS for light and dark, made by hand, since it is
lines and words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from attrs import frozen

NAMESPACE = "http://www.w3.org/2000/svg"

WIDTH, HEIGHT = 760, 190
"""Of each panel, in units."""

LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 26
"""Around its plot."""

STYLE = """
text { font: 12px sans-serif; fill: #24292f; }
.title { font-weight: bold; }
.scale { text-anchor: end; }
.grid { stroke: #8c959f; stroke-opacity: .3; }
.mark { stroke: #8c959f; stroke-dasharray: 4 3; }
.band { fill: #8c959f; fill-opacity: .15; }
.line { fill: none; stroke-width: 1.5; }
.s0 { stroke: #0969da; } .s1 { stroke: #bc4c00; } .s2 { stroke: #1a7f37; }
.k0 { fill: #0969da; } .k1 { fill: #bc4c00; } .k2 { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.s0 { stroke: #58a6ff; } .s1 { stroke: #f0883e; } .s2 { stroke: #3fb950; }
.k0 { fill: #58a6ff; } .k1 { fill: #f0883e; } .k2 { fill: #3fb950; }
}
"""


@frozen
class Series:
    """
    A line.

    @ivar values: One for each moment.
    @ivar band: What it has to stay in, from the moment that is marked on; C{None}: nothing.
    """

    name: str
    values: Sequence[float]
    band: tuple[float, float] | None = None


@frozen
class Panel:
    """
    Lines above one another, from 0.

    @ivar unit: Of all of them.
    """

    title: str
    unit: str
    series: tuple[Series, ...]


def draw(minutes: Sequence[float], panels: Sequence[Panel], mark: float) -> str:
    """
    The panels below one another.

    @param minutes: The moments.
    @param mark: One of them, with a line of its own.
    """
    height = HEIGHT * len(panels)
    parts = [
        f'<svg xmlns="{NAMESPACE}" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
        f"<style>{STYLE}</style>",
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate(0 {number * HEIGHT})">')
        parts += _panel(minutes, panel, mark)
        parts.append("</g>")
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _panel(minutes: Sequence[float], panel: Panel, mark: float) -> list[str]:
    last = max(minutes[-1], 1e-9)
    step, most = _steps(max(max(each.values) for each in panel.series))
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(minute: float) -> str:
        return f"{LEFT + minute / last * across:.1f}"

    def y(value: float) -> str:
        return f"{TOP + down - value / most * down:.1f}"

    parts = [f'<text class="title" x="{LEFT}" y="16">{escape(panel.title)}</text>']
    at = WIDTH - RIGHT
    for number, each in reversed(list(enumerate(panel.series))):
        at -= 8 * len(each.name) + 26
        parts += (
            f'<rect class="k{number}" x="{at}" y="7" width="10" height="10"/>',
            f'<text x="{at + 14}" y="16">{escape(each.name)}</text>',
        )
    value = 0.0
    while value <= most:
        label = f"{value:g} {panel.unit}".strip()
        parts += (
            f'<path class="grid" d="M{LEFT} {y(value)}H{WIDTH - RIGHT}"/>',
            f'<text class="scale" x="{LEFT - 6}" y="{float(y(value)) + 4:.1f}">{label}</text>',
        )
        value += step
    each_minutes, _ = _steps(last)
    minute = 0.0
    while minute <= last:
        word = f"{minute:g}" + (" min" if not minute else "")
        parts.append(
            f'<text x="{x(minute)}" y="{HEIGHT - 8}" text-anchor="middle">{word}</text>'
        )
        minute += each_minutes
    parts.append(f'<path class="mark" d="M{x(mark)} {TOP}V{HEIGHT - BOTTOM}"/>')
    for number, each in enumerate(panel.series):
        if each.band is not None:
            low, high = each.band
            size = f"{float(y(low)) - float(y(high)):.1f}"
            wide = f"{float(x(last)) - float(x(mark)):.1f}"
            parts.append(
                f'<rect class="band" x="{x(mark)}" y="{y(high)}" '
                f'width="{wide}" height="{size}"/>'
            )
        points = " ".join(
            f"{x(minute)},{y(value)}"
            for minute, value in zip(minutes, each.values, strict=True)
        )
        parts.append(f'<polyline class="line s{number}" points="{points}"/>')
    return parts


def _steps(most: float) -> tuple[float, float]:
    """
    A round step, of which there are four to eight, and the multiple of it that is not below.
    """
    if most <= 0:
        return 1.0, 1.0
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return step, step * math.ceil(most / step)
