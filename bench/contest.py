"""
Who is faster: all in turn, round by round.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from attrs import frozen

from bench.figures import Aim, Failed, Report, Row


@frozen(kw_only=True)
class Contender:
    """
    Who is measured.

    @ivar who: As the table has it.
    @ivar measure: Seconds; is given a folder of its own.
    @ivar note: How it is measured.
    @ivar peer: It is no agent: where it fails, the others go on.
    @ivar every: It takes part in every so many rounds, beginning with the first.
    @ivar aim: Times what the peer takes that agents are compared with.
    """

    who: str
    measure: Callable[[Path], float]
    note: str = ""
    peer: bool = False
    every: int = 1
    aim: Aim | None = None


def contest(
    what: str,
    contenders: Iterable[Contender],
    rounds: int,
    folder: Path,
    report: Report,
    to: str | None = None,
) -> None:
    """
    Measure all in turn.

    @param to: The peer that agents are compared with; C{None}: the best one, that of the least
        median.
    """
    taking_part = list(contenders)
    found: dict[str, dict[int, float]] = {each.who: {} for each in taking_part}
    for turn in range(rounds):
        for each in list(taking_part):
            if turn % each.every:
                continue
            home = folder / f"{each.who}-{turn}"
            home.mkdir(parents=True)
            try:
                found[each.who][turn] = each.measure(home)
            except (Failed, OSError, subprocess.SubprocessError) as error:
                if not each.peer:
                    raise
                report.add(Row(what=what, who=each.who, note=str(error)))
                taking_part.remove(each)
    peers = [each.who for each in taking_part if each.peer]
    if to is None:
        to = min(peers, key=lambda who: median(found[who].values()), default="")
    base = found[to] if to in peers else {}
    for each in taking_part:
        values = found[each.who]
        compared = {
            turn: value / base[turn]
            for turn, value in values.items()
            if turn in base and not each.peer
        }
        few = f" ({len(values)} rounds)" if len(values) < rounds else ""
        report.add(
            Row(
                what=what,
                who=each.who,
                unit="s",
                values=tuple(values.values()),
                ratios=tuple(compared.values()),
                to=to if compared else "",
                aim=each.aim if compared else None,
                note=f"{each.note}{few}",
            )
        )
