"""
The listing of an agent's processes while 20 of them are started again each second: how many
requests a second are answered, how late at a fixed rate, and how old what the answers show.

In turn with aiohttp, which makes the same document into JSON for each request, and with a
resource of Twisted that always has the same bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from attrs import define, evolve, field, frozen

from bench import archives, command, peers
from bench.agents import Connection, agent
from bench.asking import Answers, Asker
from bench.building import SOURCES, build
from bench.changing import Change, changed, first_starts
from bench.collecting import Collector
from bench.ending import end
from bench.figures import Aim, Failed, Report, Row, percentile, ratios
from bench.idling import PATIENCE, Idle
from bench.listing_peers import SUPERVISORS, Supervisor, supervised

CHANGES = 20
"""A second."""

OURS = "smartmob"
AIOHTTP = "aiohttp"
CONSTANT = "twisted.web"

AIMS = {AIOHTTP: Aim(bound=3, least=True), CONSTANT: Aim(bound=0.6, least=True)}
"""Requests a second with the most processes, times theirs."""

LATE = Aim(bound=8)
"""Milliseconds of the slowest answer in a hundred ..."""

LATE_WITH = 100
"""... with so many processes."""

AGE = Aim(bound=50)
"""Milliseconds that what an answer shows may be old."""

Servers = dict[str, tuple[str | Path, ...]]
"""Command lines that lack the file that is to be served."""

NOTES = {
    AIOHTTP: "the document of the agent, as json_response() makes it",
    CONSTANT: "the bytes of the agent, which never change",
}


@frozen
class Document:
    """
    What is asked for.

    @ivar name: For the table.
    @ivar path: At the agent.
    @ivar ports: Who has it where.
    @ivar processes: So many are in it; C{None}: it is no listing.
    """

    name: str
    path: str
    ports: dict[str, int]
    processes: int | None = None


@define
class Scene:
    """
    An agent with so many processes, and what serves the same beside it.

    @ivar folder: Of the agent.
    @ivar changing: The programs that are started again.
    @ivar starts: All their starts.
    @ivar supervisors: Who runs as many, and is asked in another way.
    """

    folder: Path
    count: int
    port: int
    documents: list[Document]
    changing: list[str]
    starts: list[Change] = field(factory=list)
    supervisors: dict[str, Supervisor] = field(factory=dict)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """
        They are started again.
        """
        if not self.changing:
            yield
            return
        collector = self.folder / "collector"
        with changed(self.port, collector, CHANGES, self.changing) as starts:
            yield
        self.starts += starts


@define
class Figures:
    """
    What was found, a value a round.

    @ivar rates: Requests a second, by document, connections, and who answers.
    @ivar late: By processes and percentile, at a fixed rate: milliseconds.
    @ivar ages: By processes: milliseconds.
    """

    rates: dict[tuple[str, int, str], list[float]] = field(factory=lambda: defaultdict(list))
    late: dict[tuple[int, float], list[float]] = field(factory=lambda: defaultdict(list))
    ages: dict[int, list[float]] = field(factory=lambda: defaultdict(list))


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    programs = build(folder, "idle", "ask")
    asker = Asker(programs["ask"], folder)
    found = Figures()
    with ExitStack() as stack:
        servers = {} if options.no_peers else _servers(report)
        scenes = [
            _scene(stack, folder / f"{count}", programs["idle"], count, servers)
            for count in options.programs
        ]
        # What is small is asked for where there are some processes, and not too many.
        middle = scenes[len(scenes) // 2]
        middle.documents += _small(stack, middle, servers)
        if not options.no_peers:
            for scene in scenes:
                _add_supervisors(stack, scene, programs["idle"], report)
        for _ in range(options.rounds):
            for scene in scenes:
                _round(scene, asker, options, found)
        for scene in scenes:
            _tell(options, scene, found, report)


def _scene(
    stack: ExitStack, folder: Path, program: Path, count: int, servers: Servers
) -> Scene:
    """
    An agent with so many processes that run, and peers with the listing it has then.
    """
    folder.mkdir()
    made = stack.enter_context(agent(folder / "agent"))
    if count:
        idle = Idle(program, count)
        with (
            closing(Collector(folder / "collector")) as collector,
            archives.served(idle.archive(collector)) as source,
        ):
            idle.create(made, source, 4)
            collector.wait(count, PATIENCE)
    name = f"listing of {count:,} processes"
    document, body = _beside(stack, folder, made.port, name, "/list-processes", servers, count)
    processes = json.loads(body)["processes"]
    # Each is left alone for a while after it was started again.
    changing = [each["slug"] for each in processes[:: max(1, count // 100)]]
    return Scene(folder, count, made.port, [document], changing, first_starts(processes))


def _add_supervisors(stack: ExitStack, scene: Scene, program: Path, report: Report) -> None:
    if not scene.count:
        return  # they run nothing but what is in their files
    idle = Idle(program, scene.count)
    for who in SUPERVISORS:
        home = scene.folder / who
        try:
            scene.supervisors[who] = stack.enter_context(supervised(who, home, idle))
        except (Failed, OSError) as error:
            report.add(Row(what=scene.documents[0].name, who=who, note=str(error)))


def _small(stack: ExitStack, scene: Scene, servers: Servers) -> list[Document]:
    """
    What is no listing.
    """
    bare = {who: words for who, words in servers.items() if who == CONSTANT}
    paths = ["/ping"]
    if scene.changing:
        paths.append(f"/process-status/{scene.changing[-1]}")
    return [
        _beside(
            stack, scene.folder, scene.port, path[: (path + "/").index("/", 1)], path, bare
        )[0]
        for path in paths
    ]


def _beside(
    stack: ExitStack,
    folder: Path,
    port: int,
    name: str,
    path: str,
    servers: Servers,
    processes: int | None = None,
) -> tuple[Document, bytes]:
    """
    A document of the agent as it is now, and peers that have the same.

    @return: It, and its bytes.
    """
    with closing(Connection(port)) as connection:
        body = connection.ask("GET", path)
    file = folder / path.strip("/").replace("/", "-")
    file.write_bytes(body)
    ports = {OURS: port}
    for who, words in servers.items():
        ports[who] = stack.enter_context(_served((*words, file)))
    return Document(name, path, ports, processes), body


def _round(scene: Scene, asker: Asker, options: argparse.Namespace, found: Figures) -> None:
    """
    Everybody in turn.
    """
    runs: list[Answers] = []
    with scene.busy():
        for document in scene.documents:
            for many in options.connections:
                for who, port in document.ports.items():
                    path = document.path if who != CONSTANT else "/"
                    answers = asker.ask(
                        port,
                        path,
                        connections=many,
                        seconds=options.seconds,
                        processes=document.processes,
                    )
                    found.rates[document.name, many, who].append(answers.rate)
                    if who == OURS and document.processes is not None:
                        runs.append(answers)
        answers = asker.ask(
            scene.port,
            scene.documents[0].path,
            connections=max(options.connections),
            seconds=2 * options.seconds,
            rate=options.rate,
            processes=scene.count,
        )
        runs.append(answers)
    for who, supervisor in scene.supervisors.items():
        rate = supervisor.rate(options.seconds)
        found.rates[scene.documents[0].name, 1, who].append(rate)
    for percent in (50, 99):
        found.late[scene.count, percent].append(percentile(answers.milliseconds(), percent))
    if scene.changing:
        found.ages[scene.count].append(max(run.age(scene.starts) for run in runs))


@contextmanager
def _served(words: tuple[str | Path, ...]) -> Iterator[int]:
    """
    A server, which says its port.
    """
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise Failed(f"{Path(words[1]).name} does not listen")
        yield int(port)
    finally:
        end(process)


def _servers(report: Report) -> Servers:
    """
    The command lines of the peers.
    """
    servers: Servers = {CONSTANT: (sys.executable, SOURCES / "constant_twisted.py")}
    try:
        servers[AIOHTTP] = (peers.aiohttp(), SOURCES / "listing_aiohttp.py")
    except peers.NotInstalled as error:
        report.add(Row(what="listing", who=AIOHTTP, note=str(error)))
    return servers


def _tell(options: argparse.Namespace, scene: Scene, found: Figures, report: Report) -> None:
    many = scene.count == max(options.programs)
    for document in scene.documents:
        for connections in options.connections:
            what = f"{document.name}, {connections} connection{'s' * (connections > 1)}"
            rates = {
                who: tuple(found.rates[document.name, connections, who])
                for who in document.ports
            }
            listed = document.processes is not None
            note = f"while {CHANGES} a second are started again" if scene.changing else ""
            peers_of_it = [who for who in rates if who != OURS]
            if not peers_of_it:
                report.add(_rate(what, OURS, rates[OURS], note=note))
            for who in peers_of_it:
                row = _rate(what, OURS, rates[OURS], note=note)
                aim = AIMS[who] if many and listed else None
                against = ratios(rates[OURS], rates[who])
                report.add(evolve(row, ratios=against, to=who, aim=aim))
            for who in peers_of_it:
                report.add(_rate(what, who, rates[who], note=NOTES[who]))
    what = scene.documents[0].name
    for who in scene.supervisors:
        values = tuple(found.rates[what, 1, who])
        report.add(_rate(f"{what}, 1 connection", who, values, note=SUPERVISORS[who]))
    for percent in (50, 99):
        report.add(
            Row(
                what=f"{what}, {options.rate} requests/s, p{percent}",
                who=OURS,
                unit="ms",
                values=tuple(found.late[scene.count, percent]),
                aim=LATE if percent == 99 and scene.count == LATE_WITH else None,
                note=f"on up to {max(options.connections)} connections",
            )
        )
    if scene.changing:
        report.add(
            Row(
                what=f"{what}, age of what is shown, most",
                who=OURS,
                unit="ms",
                values=tuple(found.ages[scene.count]),
                aim=AGE,
                note="of all answers, by the programs' own clocks",
            )
        )


def _rate(what: str, who: str, values: tuple[float, ...], note: str) -> Row:
    return Row(what=what, who=who, unit="requests/s", values=values, note=note)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--programs", type=int, nargs="+", default=[0, 100, 1000])
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each measurement")
    parser.add_argument("--rate", type=int, default=100, help="requests a second")
    return parser


BENCHMARK = command.Benchmark(
    name="listing",
    parser=_parser(),
    measure=measure,
    short=("--programs", "0", "3", "--rounds", "1", "--seconds", "0.2"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
