"""
The keys of C{[process:NAME]} by which a process lives: how many there are and in what
order, when they are started again, how they end, what becomes of their lines.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.support.configured_agent import section
from tests.support.living import running
from tests.support.remote import Document, Remote
from tests.support.telling import TellingTestCase, once

PYTHON = f"{sys.executable} -ISu -c"

STUBBORN = (
    f'{PYTHON} "import signal; signal.signal(15, signal.SIG_IGN); '
    "print('up'); [signal.pause() for _ in iter(int, 1)]\""
)
"""Ignores TERM."""

LISTENER = (
    f'{PYTHON} "import os, signal; signal.signal(10, lambda *_: os._exit(7)); '
    "print('up'); signal.pause()\""
)
"""Ends with 7 on USR1."""


class InstancesTests(TellingTestCase):
    """
    How many there are, and in what order.
    """

    async def test_number(self) -> None:
        """
        There are as many as C{numprocesses} says, each with a node and a port of its own; 0
        are none, and C{start = false} is there and does not run until it is asked to.
        """
        _, remote = await self.configured(
            section("three", numprocesses=3),
            section("none", numprocesses=0),
            section("later", start="false", numprocesses=2),
        )
        for number in range(3):
            await remote.state(f"default.three.{number}", "running")
        found = (await remote.get("/list-processes"))["processes"]
        self.assertEqual(
            [(each["slug"], each["state"]) for each in found],
            [
                *((f"default.three.{number}", "running") for number in range(3)),
                *((f"default.later.{number}", "stopped") for number in range(2)),
            ],
        )
        self.assertEqual({each["process_type"] for each in found}, {"three", "later"})
        ports = set()
        for each in found[:3]:
            [line] = [
                line
                for line in Path(f"/proc/{each['pid']}/environ").read_bytes().split(b"\0")
                if line.startswith(b"PORT=")
            ]
            self.assertEqual(line, f"PORT={each['port']}".encode())
            ports.add(line)
        self.assertEqual(len(ports), 3)
        await remote.post("/start-process/default.later.1")
        await remote.state("default.later.1", "running")
        other = await remote.get("/process-status/default.later.0")
        self.assertEqual(other["state"], "stopped")

    async def test_priority(self) -> None:
        """
        By priority, and then as in the file, they are listed and first started; created
        ones come after them.
        """
        _, remote = await self.configured(
            section("d"),
            section("c", priority=10, numprocesses=2),
            section("b", priority=2),
            section("a", priority=-1),
            section("e"),
        )
        wanted = ["a.0", "b.0", "c.0", "c.1", "d.0", "e.0"]
        for node in wanted:
            await remote.state(f"default.{node}", "running")
        await remote.create("http://127.0.0.1:1/x", app="a")
        found = (await remote.get("/list-processes"))["processes"]
        self.assertEqual([each["node"] for each in found], [*wanted, "web.0"])
        events = await remote.events(topic="start", after=0)
        started = [(await events.document())["node"] for _ in wanted]
        self.assertEqual(started, wanted)

    async def test_stopOne(self) -> None:
        """
        Stopping one of three leaves the other two as they are.
        """
        _, remote = await self.configured(section("a", numprocesses=3))
        before = [
            (await remote.state(f"default.a.{number}", "running"))["pid"] for number in range(3)
        ]
        await remote.post("/stop-process/default.a.1")
        found = (await remote.get("/list-processes"))["processes"]
        self.assertEqual([each["state"] for each in found], ["running", "stopped", "running"])
        self.assertEqual([each["pid"] for each in found], [before[0], None, before[2]])
        self.assertEqual(running(before), [before[0], before[2]])


class RestartsTests(TellingTestCase):
    """
    When a program that ended is started again.
    """

    async def runs(self, remote: Remote, slug: str) -> int:
        """
        How often a program ran until it failed.
        """
        document = await remote.state(slug, "failed")
        answer = await remote.ask("GET", f"/process-logs/{slug}?stream=stdout")
        runs = answer.body.decode().splitlines().count("run")
        self.assertEqual(document["restarts"], runs - 1)
        return runs

    async def test_flapping(self) -> None:
        """
        In all its spellings: so many attempts, and again after each of so many pauses. A
        pause longer than the window counts too, and so does 0 pauses.
        """
        command = "/bin/sh -c 'echo run; exit 1'"
        _, remote = await self.configured(
            section("commas", command, flapping="3, 20., 0.1, 2"),
            section("spaces", command, flapping="3 20. .1 2"),
            section(
                "names",
                command,
                flapping="attempts=3, window=20., retry_in=.1, max_retry=2",
            ),
            section("longer", command, flapping="2, 1.5, 1.6, 1"),
            section("once", command, flapping="4 20 1000 0"),
            section("missing", "./nothing", flapping="2, 20, 0, 1"),
        )
        for name, runs in (
            *(("commas", 9), ("spaces", 9), ("names", 9), ("longer", 4), ("once", 4)),
        ):
            self.assertEqual(await self.runs(remote, f"default.{name}.0"), runs, name)
        document = await remote.state("default.missing.0", "failed")
        self.assertEqual(document["restarts"], 3)
        events = await remote.events(topic="flap", after=0)
        names = [(await events.document())["name"] for _ in range(8)]
        counts = {name: names.count(name) for name in names}
        self.assertEqual(
            counts, {"commas": 2, "spaces": 2, "names": 2, "longer": 1, "missing": 1}
        )

    async def test_one(self) -> None:
        """
        One of three that fails leaves the other two as they are.
        """
        _, remote = await self.configured(
            section(
                "a",
                "/bin/sh -c 'case $PS in *.1) echo run; exit 1; esac; exec sleep 1000'",
                numprocesses=3,
                flapping="3, 20., 0.1, 2",
            )
        )
        self.assertEqual(await self.runs(remote, "default.a.1"), 9)
        for node in ("a.0", "a.2"):
            document = await remote.state(f"default.{node}", "running")
            self.assertEqual((document["restarts"], document["last_exit"]), (0, None))
        # An operator's word ends it, and it may flap anew.
        await remote.post("/start-process/default.a.1")
        document = await remote.state("default.a.1", "failed")

    async def test_restart(self) -> None:
        """
        C{never} and C{on-failure}, for programs that fail and programs that do not.
        """
        command = "/bin/sh -c 'echo run >> %s; test $(wc -l < %s) -gt 2%s'"

        def counted(name: str, rest: str = "", **keys: object) -> str:
            return section(name, command % (name, name, rest), **keys)

        _, remote = await self.configured(
            counted("never", restart="never"),
            counted("until", restart="on-failure"),
            counted("fine", "; exit 0", restart="on-failure"),
            counted("always", "; sleep 0.2", restart="always"),
        )
        for name, state, code, runs in (
            ("never", "failed", 1, 1),
            ("until", "stopped", 0, 3),
            ("fine", "stopped", 0, 1),
        ):
            document = await remote.state(f"default.{name}.0", "stopped", "failed")
            said = (document["state"], document["last_exit"]["code"], document["restarts"])
            self.assertEqual(said, (state, code, runs - 1), name)
            self.assertEqual((self.folder / name).read_text(), "run\n" * runs, name)
        while (await remote.get("/process-status/default.always.0"))["restarts"] < 2:
            continue


class EndsTests(TellingTestCase):
    """
    How a program is ended.
    """

    async def stopped(self, remote: Remote, name: str) -> Document:
        """
        The last exit of a program that was stopped once it was up.
        """
        slug = f"default.{name}.0"
        console = await remote.attach(slug, tail=1)
        self.assertEqual(await console.next(), "up")
        last: Document = (await remote.post(f"/stop-process/{slug}"))["last_exit"]
        return last

    async def test_gracefulTimeout(self) -> None:
        """
        Who ignores the stop signal is killed after C{graceful_timeout}, and that is told;
        who does not is not.
        """
        _, remote = await self.configured(
            section("stubborn", STUBBORN, graceful_timeout="0.3"),
            section("polite", graceful_timeout=0.3),
        )
        last = await self.stopped(remote, "stubborn")
        self.assertEqual(last["signal"], "KILL")
        self.assertEqual(len(last["killed"]), 1)
        last = await self.stopped(remote, "polite")
        self.assertEqual((last["signal"], last["killed"]), ("TERM", []))

    async def test_stopSignal(self) -> None:
        """
        It is the one that C{stop_signal} names, by name or number.
        """
        _, remote = await self.configured(
            section("name", LISTENER, stop_signal="USR1"),
            section("number", LISTENER, stop_signal=int(signal.SIGUSR1)),
            section("usual"),
        )
        for name in ("name", "number"):
            last = await self.stopped(remote, name)
            self.assertEqual((last["code"], last["killed"]), (7, []))
        self.assertEqual((await self.stopped(remote, "usual"))["signal"], "TERM")

    async def test_stopTimeout(self) -> None:
        """
        When the agent ends, C{stop_timeout} bounds every C{graceful_timeout}.
        """
        self.write(section("a", STUBBORN, graceful_timeout=3600))
        text = self.file.read_text()
        self.file.write_text(text.replace("[gaffer]", "[gaffer]\nstop_timeout = 0.5"))
        agent = self.spawn_agent("-c", str(self.file), bind=())
        [url] = await agent.listens()
        console = await self.remote(url).attach("default.a.0", tail=1)
        self.assertEqual(await console.next(), "up")
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertEqual(agent.below(), [])


class LinesTests(TellingTestCase):
    """
    What becomes of what programs write, and what they read.
    """

    async def test_redirectOutput(self) -> None:
        """
        Two labels are the streams of consoles and logs, one twice merges them in order, one
        alone throws standard error away; an empty value is as none.
        """
        command = "/bin/sh -c 'read _; for i in 1 2 3; do echo o$i; echo e$i >&2; done'"
        keys: dict[str, Any] = {"redirect_input": "true"}
        _, remote = await self.configured(
            once("two", command, redirect_output="out, err", **keys),
            once("same", command, redirect_output="all all", **keys),
            once("one", command, redirect_output="only", **keys),
            once("empty", command, redirect_output="", **keys),
            once("none", command, **keys),
        )
        out, err = ["o1", "o2", "o3"], ["e1", "e2", "e3"]
        both = ["o1", "e1", "o2", "e2", "o3", "e3"]
        wanted = {
            "two": {"out": out, "err": err},
            "same": {"all": both},
            "one": {"only": out},
            "empty": {"stdout": out, "stderr": err},
            "none": {"stdout": out, "stderr": err},
        }
        for name, streams in wanted.items():
            slug = f"default.{name}.0"
            await remote.state(slug, "running")
            console = await remote.attach(slug, format="json")
            await remote.post(f"/write-stdin/{slug}", {"data": "go\n"})
            heard: dict[str, list[str]] = {}
            for _ in range(sum(map(len, streams.values()))):
                line = await console.logged()
                heard.setdefault(line["stream"], []).append(line["line"])
            self.assertEqual(heard, streams, name)
            await remote.state(slug, "stopped")
            answer = await remote.ask("GET", f"/process-logs/{slug}")
            self.assertEqual(
                sorted(answer.body.decode().splitlines()),
                sorted(line for lines in streams.values() for line in lines),
            )
            for stream, lines in streams.items():
                answer = await remote.ask("GET", f"/process-logs/{slug}?stream={stream}")
                self.assertEqual(answer.body.decode().splitlines(), lines, (name, stream))

    async def test_redirectInput(self) -> None:
        """
        Who has C{redirect_input} reads what is written to it, up to its end; who has not
        reads nothing, and a write is refused.
        """
        _, remote = await self.configured(
            section("a", "cat", redirect_input="yes"),
            once("b", "/bin/sh -c 'readlink /proc/self/fd/0; cat'"),
            section("c"),
        )
        await remote.state("default.a.0", "running")
        console = await remote.attach("default.a.0", format="json", stdin=1)
        console.send("one\n")
        self.assertEqual((await console.logged())["line"], "one")
        await remote.post("/write-stdin/default.a.0", {"data": "two\n", "eof": True})
        self.assertEqual((await console.logged())["line"], "two")
        await console.event("exited", code=0)
        self.assertEqual(await self.lines(remote, "default.b.0"), ["/dev/null"])
        await remote.state("default.c.0", "running")
        document = await remote.post("/write-stdin/default.c.0", {"data": "x"}, 409)
        self.assertEqual(document["code"], "no-input")

    async def test_output(self) -> None:
        """
        With C{output = block} a program waits for its slowest reader, which misses nothing;
        else the reader does.
        """
        seq = "/bin/sh -c 'read _; seq -f %01000g 30000'"
        _, remote = await self.configured(
            once("waits", seq, output="block", redirect_input=1),
            once("goes", seq, redirect_input=1),
        )
        for name in ("waits", "goes"):
            await remote.state(f"default.{name}.0", "running")
        slow = await remote.attach("default.waits.0", format="json")
        other = await remote.attach("default.goes.0", format="json")
        for console in (slow, other):
            await console.event("attached")
            console.hold()
        for name in ("waits", "goes"):
            await remote.post(f"/write-stdin/default.{name}.0", {"data": "\n"})
        while not (await remote.get("/process-status/default.waits.0"))["blocked"]:
            continue
        await remote.state("default.goes.0", "stopped")
        for console in (slow, other):
            console.go_on()
        await other.event("dropped")
        for number in range(1, 30_001):
            document = await slow.document()
            self.assertEqual(document.get("seq"), number, document)
        document = await remote.state("default.waits.0", "stopped")
        self.assertFalse(document["blocked"])
