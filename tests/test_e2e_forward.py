"""
Lines on their way out of a real agent: to files, to syslog, to Fluentd.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.trial.unittest import SkipTest

from tests.support.configured_agent import section
from tests.support.fluentd import Fluentd
from tests.support.living import until
from tests.test_e2e_config_agent import AgentKeysTestCase

reactor: Any = installed_reactor

COUNTS = """sh -c 'for i in 1 2 3; do echo "line $i"; echo "error $i" >&2; done; printf end'"""
"""Seven lines, of which the last has no end."""


SAYS_BYE = """sh -c 'trap "echo bye; exit" TERM; echo up; while :; do sleep 0.1; done'"""


RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
module(load="imtcp")
input(type="imuxsock" Socket="{place}/log" CreatePath="on")
input(type="imtcp" port="0" address="127.0.0.1" listenPortFileName="{place}/port")
template(name="all" type="string" string="{fields}\\n")
action(type="omfile" file="{place}/out" template="all")
"""
"""Writes what it finds in messages to a file."""


class ForwardTests(AgentKeysTestCase):
    """
    C{[forward:NAME]} sections.
    """

    def text(self, name: str) -> str:
        """
        What is in a file beside the configuration, if it is there.
        """
        path: Path = self.file.parent / name
        return path.read_text() if path.exists() else ""

    def fluentd(self, acks: bool = True) -> tuple[Fluentd, int]:
        """
        One that listens, and its port.
        """
        made = Fluentd(acks=acks)
        port = reactor.listenTCP(0, made, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return made, port.getHost().port

    async def test_all(self) -> None:
        """
        Every line of a program comes to each place, those of its end too.
        """
        fluentd, port = self.fluentd()
        log = self.folder / "log"
        syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        syslog.bind(os.fspath(log))
        syslog.setblocking(False)
        self.addCleanup(syslog.close)
        await self.agent(
            "[smartmob]\nhttp_endpoints = e",
            "[endpoint:e]\nbind = unix:sock",
            section("web", COUNTS, restart="never"),
            "[forward:plain]\npath = logs/{slug}.{stream}.log",
            "[forward:full]\npath = logs/all.log\nformat = json",
            f"[forward:syslog]\nsyslog = unix:{log}\nstreams = stderr\ntag = {{node}}",
            f"[forward:fluentd]\nfluentd = tcp:127.0.0.1:{port}\ntag = app.{{process_type}}",
        )
        numbers = (1, 2, 3)
        wanted = "".join(f"line {number}\n" for number in numbers) + "end\n"
        await until(
            lambda: self.text("logs/default.web.0.stdout.log") == wanted, "the plain lines"
        )
        await until(lambda: self.text("logs/all.log").count("\n") == 7, "the documents")
        documents = [json.loads(line) for line in self.text("logs/all.log").splitlines()]
        self.assertEqual([each["seq"] for each in documents], [*range(1, 8)])
        await fluentd.until(lambda: len(fluentd.lines()) == 7)
        self.assertEqual(sorted(fluentd.lines()), sorted(each["line"] for each in documents))
        self.assertEqual({tag for tag, _, _ in fluentd.messages}, {"app.web"})
        messages: list[bytes] = []

        def all_there() -> bool:
            with contextlib.suppress(BlockingIOError):
                messages.append(syslog.recv(1000))
            return len(messages) == 3

        await until(all_there, "three messages")
        for number, message in zip(numbers, messages, strict=True):
            head = rb"^<30>[A-Z][a-z]{2} [ 1-3][0-9] [0-9:]{8} web\.0\[\d+\]: "
            self.assertRegex(message, head)
            self.assertTrue(message.endswith(b": error %d" % number), message)

    async def test_ends(self) -> None:
        """
        What programs say as the agent ends comes too.
        """
        fluentd, port = self.fluentd()
        agent, _ = await self.agent(
            "[smartmob]\nhttp_endpoints = e",
            "[endpoint:e]\nbind = unix:sock",
            section("web", SAYS_BYE),
            "[forward:files]\npath = all.log\nformat = stamped\nstreams = stdout",
            f"[forward:fluentd]\nfluentd = tcp:127.0.0.1:{port}\nstreams = stdout",
        )
        await until(lambda: "up" in self.text("all.log"), "the first line")
        await self.ends(agent)
        said = [line.split(" | ")[1] for line in self.text("all.log").splitlines()]
        self.assertEqual(said, ["up", "bye"])
        await fluentd.until(lambda: fluentd.lines() == ["up", "bye"])

    async def ends(self, agent: Any) -> None:
        """
        Have the agent end, as it is asked to.
        """
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)

    async def test_dead(self) -> None:
        """
        Where nobody takes lines, and where a disk is not writable, the agent does all else,
        and ends as soon as ever.
        """
        folder = self.folder / "etc" / "nowhere"
        folder.parent.mkdir()
        folder.write_text("no folder")
        fluentd, port = self.fluentd(acks=False)
        agent, _ = await self.agent(
            "[smartmob]\nhttp_endpoints = e",
            "[endpoint:e]\nbind = unix:sock",
            section("web", "sh -c 'while :; do echo x; sleep 0.01; done'"),
            "[forward:files]\npath = nowhere/{slug}.log",
            f"[forward:fluentd]\nfluentd = tcp:127.0.0.1:{port}\nstreams = stdout",
            "[forward:syslog]\nsyslog = unix:missing",
        )
        await fluentd.until(lambda: len(fluentd.messages) > 0)
        await agent.hears(lambda: b"[forward:files]" in agent.err, "that it can't be written")
        await agent.hears(lambda: b"[forward:syslog]" in agent.err, "that nobody is there")
        await self.ends(agent)

    async def test_reload(self) -> None:
        """
        SIGHUP takes over what the sections say by then, for programs that run.
        """
        sections = [
            "[smartmob]\nhttp_endpoints = e",
            "[endpoint:e]\nbind = unix:sock",
            section("web", "sh -c 'while :; do echo x; sleep 0.05; done'"),
        ]
        agent, _ = await self.agent(*sections)
        self.file.write_text("\n".join([*sections, "[forward:a]\npath = a.log"]))
        os.kill(agent.pid, signal.SIGHUP)
        await until(lambda: self.text("a.log"), "lines")
        self.file.write_text("\n".join([*sections, "[forward:a]\npath = b.log"]))
        os.kill(agent.pid, signal.SIGHUP)
        await until(lambda: self.text("b.log"), "lines elsewhere")
        self.file.write_text("\n".join([*sections, "[forward:a]\npath = x\nformat = odd"]))
        os.kill(agent.pid, signal.SIGHUP)
        await agent.hears(lambda: b"not reloaded" in agent.err, "that it is wrong")
        before = len(self.text("b.log"))
        await until(lambda: len(self.text("b.log")) > before, "more lines")
        self.assertFalse((self.file.parent / "x").exists())

    async def test_rsyslog(self) -> None:
        """
        A real rsyslog (Debian has it) finds everything in its place, over each way in.
        """
        rsyslogd = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if rsyslogd is None:
            raise SkipTest("there is no rsyslogd")
        place = self.folder / "rsyslog"
        place.mkdir()
        configuration = place / "rsyslog.conf"
        names = "inputname programname procid msgid syslogfacility-text syslogseverity-text msg"
        fields = " ".join(f"%{name}%" for name in names.split())
        configuration.write_text(RSYSLOG.format(place=place, fields=fields))
        words = (rsyslogd, "-n", "-f", str(configuration), "-i", str(place / "pid"))
        with (place / "err").open("wb") as err:
            rsyslog = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=err, stdout=err)
        self.addCleanup(rsyslog.wait, 60)
        self.addCleanup(rsyslog.kill)
        port = place / "port"

        def listens() -> bool:
            self.assertIsNone(rsyslog.poll(), (place / "err").read_text())
            return port.exists() and port.read_text().strip() != "" and (place / "log").exists()

        await until(listens, "rsyslog")
        await self.agent(
            "[smartmob]\nhttp_endpoints = e",
            "[endpoint:e]\nbind = unix:sock",
            section("web", "echo 'hello: [1] world'", restart="never"),
            f"[forward:local]\nsyslog = unix:{place}/log\nfacility = local3",
            f"[forward:tcp]\nsyslog = tcp:127.0.0.1:{port.read_text().strip()}\nseverity = err",
        )
        out = place / "out"
        await until(lambda: out.exists() and out.read_text().count("\n") == 2, "messages")
        tcp, local = sorted(out.read_text().splitlines())
        self.assertRegex(tcp, r"^imtcp default.web.0 \d+ stdout daemon err hello: \[1\] world$")
        self.assertRegex(
            local, r"^imuxsock default.web.0 \d+ - local3 info  hello: \[1\] world$"
        )
