"""
Programs that do nothing, many of them: what they cost then, beside themselves.

All supervisors have theirs at the same time, and are looked at in the same minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep

from attrs import frozen

from bench import archives, command, files, peers, system
from bench.agents import COMPILED, Agent, Connection, agent, kinds
from bench.building import build
from bench.collecting import Collector
from bench.figures import Aim, Failed, Report, Row
from bench.files import Section
from bench.running import GRACE, running, sweep
from bench.waking import NotTraced, system_calls

READ = 10.0
"""Seconds in which an agent has read what was written."""

PATIENCE = 180.0
"""Seconds until all have to be up."""

MEMORY_AIM = Aim(bound=150)
"""MB for an agent and its helpers, with the compiled guardian and 1,000 programs."""

PROCESSOR_AIM = Aim(bound=0.05)
"""Percent of a core."""

NONE_AIM = Aim(bound=0)

ATTACHING = 3.0
"""Seconds until what a tracer does to processes is over."""


@frozen
class Idle:
    """
    What is to run.
    """

    program: Path
    count: int

    def archive(self, collector: Collector) -> bytes:
        """
        A source of it.
        """
        return archives.pack({"idle": f"./{self.program.name} {collector.path}"}, self.program)

    def section(self, collector: Collector) -> Section:
        """
        All of them in one section of a file.
        """
        return Section("idle", f"{self.program} {collector.path}", self.count)

    def create(self, made: Agent, source: str, clients: int) -> None:
        """
        Create all, over so many connections.
        """

        def some(first: int) -> None:
            with closing(Connection(made.port)) as connection:
                for number in range(first, self.count, clients):
                    request = {
                        "app": "bench",
                        "node": f"idle.{number}",
                        "process_type": "idle",
                        "source_url": source,
                    }
                    connection.ask("POST", "/create-process", request)

        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(some, first) for first in range(clients)]:
                done.result()

    def slugs(self) -> Iterator[str]:
        """
        Of those that were created.
        """
        return (f"bench.idle.{number}" for number in range(self.count))


def lines_missing(made: Agent, slugs: Iterable[str]) -> int:
    """
    Of how many of these the agent has not kept the first line.  What was written a moment
    ago may still be in its pipe: so who lacks it is asked for again.
    """
    deadline = monotonic() + READ
    lacking = list(slugs)
    with closing(Connection(made.port)) as connection:
        while lacking and monotonic() < deadline:
            lacking = [
                slug
                for slug in lacking
                if connection.ask("GET", f"/process-logs/{slug}") != b"a first line\n"
            ]
    return len(lacking)


@contextmanager
def idling(made: Agent, idle: Idle, folder: Path) -> Iterator[None]:
    """
    They are up.
    """
    with (
        closing(Collector(folder / "collector")) as collector,
        archives.served(idle.archive(collector)) as source,
    ):
        idle.create(made, source, 4)
        collector.wait(idle.count, PATIENCE)
        yield


@frozen
class Watched:
    """
    A supervisor whose programs do nothing.

    @ivar who: As the table has it.
    @ivar pids: Its processes, those of the programs excepted; the first is its own.
    @ivar what: These, for a person.
    @ivar ours: It is an agent.
    """

    who: str
    pids: tuple[int, ...]
    what: str
    ours: bool = False

    def aim(self, aim: Aim) -> Aim | None:
        """
        Which is for the agent as it should be.
        """
        return aim if self.who == COMPILED else None


def _agent(who: str, python: bool, idle: Idle, home: Path, stack: ExitStack) -> Watched:
    with closing(Collector(home / "collector")) as collector:
        file = files.smartmob(home, [idle.section(collector)])
        made = stack.enter_context(agent(home, "-c", file, python=python))
        collector.wait(idle.count, PATIENCE)
    helpers = made.helpers()
    what = f"agent, guardian and {len(helpers) - 1:,} reapers"
    return Watched(who, (made.pid, *helpers), what, ours=True)


def _peer(
    who: str,
    words: list[str | Path],
    write: Callable[[Path, list[Section]], Path],
    idle: Idle,
    home: Path,
    stack: ExitStack,
) -> Watched:
    with closing(Collector(home / "collector")) as collector:
        file = write(home, [idle.section(collector)])
        stack.callback(sweep, collector.pids, idle.program.name)
        process = stack.enter_context(running([*words, file], home, grace=GRACE))
        collector.wait(idle.count, PATIENCE)
    return Watched(who, (process.pid,), f"{Path(words[0]).name} alone")


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    idle = Idle(build(folder, "idle")["idle"], options.programs)
    what = f"idle, {idle.count:,} programs"
    watched = []
    agents = kinds()
    if COMPILED not in agents:
        report.add(Row(what=what, who=COMPILED, note="there is no compiled guardian"))
    with ExitStack() as stack:
        for who, python in agents.items():
            watched.append(_agent(who, python, idle, _home(folder, who), stack))
        if not options.no_peers:
            watched += _peers(idle, folder, stack, report, what)
        sleep(options.settle)
        _tell_processor(report, what, watched, options.idle)
        _tell_calls(report, what, watched, options.trace, folder)
        _tell_memory(report, what, watched)


def _home(folder: Path, who: str) -> Path:
    home = folder / who
    home.mkdir()
    return home


def _peers(
    idle: Idle, folder: Path, stack: ExitStack, report: Report, what: str
) -> Iterator[Watched]:
    for who, peer, more, write in (
        ("supervisor", peers.supervisor, ["-n", "-c"], files.supervisor),
        ("circus", peers.circus, [], files.circus),
    ):
        try:
            yield _peer(who, [peer(), *more], write, idle, _home(folder, who), stack)
        except (Failed, OSError) as error:
            report.add(Row(what=what, who=who, note=str(error)))


def _tell_processor(report: Report, what: str, watched: list[Watched], seconds: float) -> None:
    before = [(system.cpu_seconds(each.pids), system.switches(each.pids)) for each in watched]
    sleep(seconds)
    after = [(system.cpu_seconds(each.pids), system.switches(each.pids)) for each in watched]
    note = f"over {seconds:g} s"
    for each, (used, woken), (used_by_then, woken_by_then) in zip(
        watched, before, after, strict=True
    ):
        report.add(
            Row(
                what=f"{what}, processor",
                who=each.who,
                unit="% of a core",
                values=((used_by_then - used) / seconds * 100,),
                aim=each.aim(PROCESSOR_AIM),
                note=f"{each.what}, {note}",
            )
        )
        report.add(
            Row(
                what=f"{what}, context switches",
                who=each.who,
                values=(woken_by_then - woken,),
                aim=each.aim(NONE_AIM),
                note=f"of the same, {note}",
            )
        )


def _tell_calls(
    report: Report, what: str, watched: list[Watched], seconds: float, folder: Path
) -> None:
    what = f"{what}, system calls"
    for each in watched:
        if not each.ours:
            continue
        try:
            calls = system_calls(each.pids, min(seconds, ATTACHING), seconds, folder)
        except NotTraced as error:
            report.add(Row(what=what, who=each.who, note=str(error)))
        else:
            aim, note = each.aim(NONE_AIM), f"strace -f of the same over {seconds:g} s"
            row = Row(what=what, who=each.who, values=(calls,), aim=aim, note=note)
            report.add(row)


def _tell_memory(report: Report, what: str, watched: list[Watched]) -> None:
    for each in watched:
        sizes = [system.pss([pid]) for pid in each.pids]
        note = each.what
        if each.ours:
            reaper = median(sizes[2:]) / 1024
            note = f"the agent {sizes[0] / 1e6:.0f} MB, a reaper {reaper:.0f} KiB"
        report.add(
            Row(
                what=f"{what}, memory (PSS)",
                who=each.who,
                unit="MB",
                values=(sum(sizes) / 1e6,),
                aim=each.aim(MEMORY_AIM),
                note=note,
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--settle", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--trace", type=float, default=5.0, metavar="SECONDS")
    return parser


BENCHMARK = command.Benchmark(
    name="idling",
    parser=_parser(),
    measure=measure,
    short=("--programs", "5", "--settle", "0.1", "--idle", "0.2", "--trace", "0.2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
