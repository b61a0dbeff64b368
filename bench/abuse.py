"""
What becomes of an agent that is abused, and of those who use it meanwhile.

Each attack has an agent of its own, and is made twice.  Others ask it all the time: on a
connection that is kept, over a unix socket, and on a new connection each second.
"""

from __future__ import annotations

import argparse
import json
import math
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from time import sleep

from attrs import define, field, frozen

from bench import command, endpoints, system
from bench.agents import Agent, Refused, agent
from bench.attacks import OF_HTTP, Attack, Victim
from bench.building import SOURCES, build
from bench.crowd import Crowd
from bench.ending import end
from bench.figures import Aim, Failed, Report, Row, percentile
from bench.socket_attacks import OF_SOCKETS
from bench.websockets import SlowClient
from smartmob.tokens import new_token

ATTACKS = (*OF_HTTP, *OF_SOCKETS)

LATE_AIM = Aim(bound=100)
"""Milliseconds, of 99 in 100."""

GROWN_AIM = Aim(bound=5)
"""MiB that the second time may add."""

LEFT_AIM = Aim(bound=0)

COUNT = 1000
"""Connections, where there are many."""


@frozen
class Look:
    """
    What an agent has.

    @ivar memory: Its PSS, in bytes.
    """

    memory: int
    descriptors: int

    @classmethod
    def at(cls, made: Agent) -> Look:
        """
        Now.
        """
        return cls(system.pss([made.pid]), system.descriptors(made.pid))


@define
class Outcome:
    """
    What came of an attack.

    @ivar did: What the agent did, each time.
    @ivar looks: Before it, after the first time, and a while after the second.
    @ivar peak: The most memory that was resident meanwhile, in bytes.
    @ivar seconds: Of each kind of others, of their answers ...
    @ivar failures: ... and why there were none.
    """

    did: list[str] = field(factory=list)
    looks: list[Look] = field(factory=list)
    peak: int = 0
    seconds: dict[str, list[float]] = field(factory=dict)
    failures: list[str] = field(factory=list)


@contextmanager
def bystanders(made: Agent, folder: Path, outcome: Outcome) -> Iterator[None]:
    """
    Others, as long as this lasts.
    """
    process = subprocess.Popen(
        [sys.executable, SOURCES / "bystanders.py", str(made.port), folder / "socket"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield
        out, _ = process.communicate(timeout=60)
    finally:
        end(process)
    for kind, (seconds, failures) in json.loads(out).items():
        outcome.seconds.setdefault(kind, []).extend(seconds)
        outcome.failures += [f"{kind}: {failure}" for failure in failures]


def abuse(
    attack: Attack,
    folder: Path,
    built: dict[str, Path],
    certificate: Path,
    storm: RLock,
    options: argparse.Namespace,
) -> Outcome:
    """
    One agent, and one attack.
    """
    outcome = Outcome()
    with ExitStack() as stack:
        with storm:
            made = stack.enter_context(_victim(attack, folder, certificate, options))
            sleep(options.pause)
        victim = Victim(
            made=made,
            port=made.port,
            secure=_secure(made),
            slug="bench.cat.0",
            state=folder / "state",
            built=built,
            count=options.count,
            seconds=options.seconds,
            hold=options.hold,
            storm=storm,
        )
        _use(victim, attack)
        outcome.looks.append(Look.at(made))
        system.forget_peak(made.pid)
        for pause in (options.pause, options.settle):
            with ExitStack() as alone:
                if not attack.waits:
                    alone.enter_context(storm)
                alone.enter_context(bystanders(made, folder, outcome))
                sleep(options.before)
                outcome.did.append(attack.run(victim))
            sleep(pause)
            outcome.looks.append(Look.at(made))
        outcome.peak = system.peak(made.pid)
    return outcome


def _victim(
    attack: Attack, folder: Path, certificate: Path, options: argparse.Namespace
) -> AbstractContextManager[Agent]:
    """
    An agent with three endpoints, a program, and what else the attack needs.
    """
    folder.mkdir(parents=True)
    file = endpoints.configure(folder, certificate)
    lines = ["[process:bench:cat]", "cmd = cat", "numprocesses = 1", "redirect_input = true"]
    if attack.processes:
        count = max(1, attack.processes * options.count // COUNT)
        lines += ["[process:listed]", "cmd = true", f"numprocesses = {count}", "start = false"]
    with file.open("a", encoding="ascii") as more:
        more.write("".join(f"{line}\n" for line in lines))
    words: tuple[str | Path, ...] = ("-c", file)
    if attack.tokens:
        tokens = folder / "tokens"
        tokens.touch(0o600)
        tokens.write_text(f"{new_token()}\n", encoding="ascii")
        words += ("--token-file", tokens)
    return agent(folder, *words, endpoints=3)


def _use(victim: Victim, attack: Attack) -> None:
    """
    What is imported and made once is before it begins.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    Crowd.gather(victim.secure, 1, b"x", context=context).leave()
    for method, path in (("GET", "/list-processes"), ("POST", "/create-process")):
        with suppress(Refused):
            victim.made.ask(method, path, {})
    if not attack.tokens:
        SlowClient(victim.port, f"/attach-console/{victim.slug}").close()


def _secure(made: Agent) -> int:
    url = next(url for url in made.urls if url.startswith("https:"))
    return int(url.rpartition(":")[2])


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report: first with what takes long and is little work, all at once; then with
    the rest, one after the other.
    """
    built = build(folder, "connect")
    certificate = endpoints.certify(folder)
    storm = RLock()
    chosen = [each for each in ATTACKS if options.only in each.name]
    for waits in (True, False):
        some = [each for each in chosen if each.waits is waits]
        with ThreadPoolExecutor(max(1, len(some))) as pool:
            found = [
                pool.submit(abuse, each, folder / each.key, built, certificate, storm, options)
                for each in some
            ]
            for each, outcome in zip(some, found, strict=True):
                try:
                    _tell(report, each, outcome.result())
                except Failed as error:
                    report.add(Row(what=each.name, who="smartmob", note=str(error)))


def _tell(report: Report, attack: Attack, outcome: Outcome) -> None:
    late = {kind: percentile(found, 99) * 1e3 for kind, found in outcome.seconds.items()}
    said = ", ".join(f"{kind} {value:.1f}" for kind, value in late.items())
    if outcome.failures:
        said += f"; {len(outcome.failures)} not answered, such as {outcome.failures[0]}"
    _, first, second = outcome.looks
    memory = ", ".join(f"{look.memory / system.MIB:.1f}" for look in outcome.looks)
    for figure, unit, value, aim, note in (
        (
            "others' answers, 99 in 100",
            "ms",
            math.inf if outcome.failures else max(late.values()),
            LATE_AIM,
            f"{outcome.did[-1]}; {said}",
        ),
        (
            "memory, the second time over the first",
            "MiB",
            (second.memory - first.memory) / system.MIB,
            GROWN_AIM,
            f"{memory}; {outcome.peak / system.MIB:.0f} resident at its peak",
        ),
        (
            "descriptors, the second time over the first",
            "more",
            abs(second.descriptors - first.descriptors),
            LEFT_AIM,
            ", ".join(str(look.descriptors) for look in outcome.looks),
        ),
    ):
        report.add(
            Row(
                what=f"{attack.name}: {figure}",
                who="smartmob",
                unit=unit,
                values=(value,),
                aim=aim,
                note=note,
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="connections")
    parser.add_argument("--seconds", type=float, default=3.0, help="of what does not end")
    parser.add_argument(
        "--hold", type=float, default=100.0, help="seconds until clients give up"
    )
    parser.add_argument("--before", type=float, default=1.0, help="seconds of others alone")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds after the first time")
    parser.add_argument("--settle", type=float, default=10.0, help="seconds after the second")
    parser.add_argument("--only", default="", help="attacks with this in their name")
    return parser


BENCHMARK = command.Benchmark(
    name="abuse",
    parser=_parser(),
    measure=measure,
    short=(
        *("--count", "20", "--seconds", "0.1", "--hold", "0.5"),
        *("--before", "0.2", "--pause", "0.1", "--settle", "0.1"),
    ),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
