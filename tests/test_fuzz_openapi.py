"""
Whole agents, tried by what their description says of them: requests that should be taken,
and requests that should not, of every operation.
"""

from __future__ import annotations

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from smartmob.web.operations import OPERATIONS
from tests.support.agent_process import AgentProcess, AgentTestCase, program
from tests.support.applications import PYTHON, application
from tests.support.fuzzing import FACTOR, seed
from tests.support.papers import TREE

reactor: Any = installed_reactor

EXAMPLES = 2
"""Requests of each operation and kind that chance draws, besides those that it does not."""

LONGEST = 240 + 60 * FACTOR
"""Seconds that one run may take."""

READER = """
import sys
for line in sys.stdin:
    print(line, end="")
"""

TOKEN = "a-token-that-is-long-enough"

CONFIG = TREE / "tests" / "support" / "schemathesis.toml"


class Schemathesis(ProcessProtocol):
    """
    A run of it.

    @ivar said: What it said.
    @ivar over: Fires with its exit code.
    """

    def __init__(self) -> None:
        self.said = b""
        self.over: Deferred[int | None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        """It says something."""
        self.said += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        """It is over."""
        self.over.callback(getattr(reason.value, "exitCode", None))

    def end(self) -> None:
        """End it, where it goes on."""
        if not self.over.called:
            transport: Any = self.transport
            transport.signalProcess("KILL")


class OpenApiFuzzTests(AgentTestCase):
    """
    What no answer may be: a failure of the agent, and one that is not described.
    """

    timeout = LONGEST + 60

    def begun(self, *options: str) -> AgentProcess:
        """
        An agent with a plugin's site, and an archive that it may have, which is all that it
        may have: nothing that is made up leaves this machine.
        """
        site = self.folder / "plugins" / "dummy" / "_site"
        site.mkdir(parents=True)
        for name in ("index.html", "style.css"):
            (site / name).write_text(name)
        archive = application(f"web: {PYTHON} main.py\nclock: {PYTHON} main.py\n", main=READER)
        self.source = self.origin.serve("/app.tar.gz", archive)
        file = self.folder / "smartmob.ini"
        file.write_text(
            f"[smartmob]\nallowed_sources = {self.source}\n"
            f"plugins_dir = {self.folder / 'plugins'}\n"
        )
        return self.spawn_agent("-c", str(file), *options)

    async def tried(
        self, agent: AgentProcess, *options: str, token: str = ""
    ) -> Mapping[str, Counter[int]]:
        """
        Have an agent tried, and end it.

        @param options: Of schemathesis.
        @return: How often each operation was answered with which status.
        """
        [url] = await agent.listens()
        # From a file, since it leaves out the operation that a description is loaded from.
        file = self.folder / "openapi.json"
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        file.write_bytes((await self.remote(url).ask("GET", "/openapi.json", None, shown)).body)
        tally = self.folder / "tally"
        begin = seed()
        run = Schemathesis()
        command = [
            *("schemathesis", "--config-file", str(CONFIG)),
            *("run", str(file), "--url", url, "--no-color", "--seed", str(begin)),
            *("--max-examples", str(EXAMPLES * FACTOR)),
            *(["--generation-deterministic"] if FACTOR == 1 else []),
            *(f"--header={name}: {value}" for name, value in shown.items()),
            *options,
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(TREE),
            "FUZZED_AGENT": url,
            "FUZZED_SOURCE": self.source,
            "FUZZED_TOKEN": token,
            "FUZZED_TALLY": str(tally),
            "FUZZED_SEED": str(begin),
        }
        reactor.spawnProcess(
            run, program("schemathesis"), command, environment, str(self.folder)
        )
        self.addCleanup(run.end)
        stop = reactor.callLater(LONGEST, run.end)
        code = await run.over
        if stop.active():
            stop.cancel()
        said = run.said.decode(errors="replace")
        self.assertEqual(code, 0, f"with seed {begin}, last {_last(tally)}:\n{said}")
        self.assertNotIn(b"Traceback", agent.err)
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        return _read(tally)

    def check(self, answers: Mapping[str, Counter[int]], every: Sequence[int]) -> None:
        """
        See that every operation was tried, and that each of some statuses came.
        """
        self.assertEqual(set(answers), set(OPERATIONS))
        came = {status for statuses in answers.values() for status in statuses}
        self.assertEqual(set(every) - came, set())

    async def test_open(self) -> None:
        """
        An agent that asks nobody who they are answers to every operation as is described.
        """
        answers = await self.tried(self.begun(), "--exclude-checks=ignored_auth")
        self.check(answers, (101, 200, 201, 202, 301, 400, 403, 404, 405, 409, 415, 426))
        for name, statuses in answers.items():
            options = 0 if name.startswith("sign") else 204  # which is of OPTIONS elsewhere
            well = [status for status in statuses if status < 400 and status != options]
            self.assertNotEqual(well, [], f"{name} was never answered well: {statuses}")

    async def test_tokens(self) -> None:
        """
        One with tokens does, too, and what needs one is not to be had without, or with
        another.
        """
        tokens = self.folder / "tokens"
        tokens.write_text(f"{TOKEN}\n")
        tokens.chmod(0o600)
        # What comes without chance is the same as above.
        phases = ["--phases=examples,fuzzing,stateful"] if FACTOR == 1 else []
        answers = await self.tried(
            self.begun("--token-file", str(tokens)), *phases, token=TOKEN
        )
        self.check(answers, (200, 201, 202, 400, 404))


def _last(tally: Path) -> str:
    """
    The last answer: where a run hangs, it is the one before.
    """
    return (tally.read_text(encoding="ascii").splitlines() or ["nothing"])[-1]


def _read(tally: Path) -> Mapping[str, Counter[int]]:
    """
    How often each operation was answered with which status.
    """
    answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for line in tally.read_text(encoding="ascii").splitlines():
        name, status = line.split()
        answers[name][int(status)] += 1
    return answers
