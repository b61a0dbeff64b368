"""
Agents as services of a real systemd.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smartmob.units import NAMES
from tests.support.booted import OPT, PATIENCE, Booted, booted
from tests.support.living import running

SERVICE = "smartmob.service"
SOCKET = "smartmob.socket"
URL = "http://127.0.0.1:8080"
LOG = "/run/agent.log"
ETC = "/etc/smartmob"

DROP_IN = f"""\
[Service]
StandardOutput=append:{LOG}
StandardError=append:{LOG}
RestartSec=200ms
"""


@cache
def units() -> dict[str, str]:
    """
    The units, as the agent shows them there.
    """
    shown = f"{OPT}/bin/smartmob-agent"
    return {name: booted().run(shown, "--print-unit", name) for name in NAMES}


def archive(**programs: str) -> bytes:
    """
    An archive of an application.
    """
    memory = io.BytesIO()
    text = "".join(f"{name}: {command}\n" for name, command in programs.items()).encode()
    with tarfile.open(fileobj=memory, mode="w:gz") as file:
        entry = tarfile.TarInfo("Procfile")
        entry.size = len(text)
        file.addfile(entry, io.BytesIO(text))
    return memory.getvalue()


class SystemdTestCase(SynchronousTestCase):
    """
    Tests with a machine that has systemd, the units and nothing else.

    @ivar machine: That.
    """

    def setUp(self) -> None:
        """
        Have it as if nothing had ever run there.
        """
        self.machine: Booted = booted()
        self.addCleanup(self.clear)
        for name, text in units().items():
            self.machine.write(f"/etc/systemd/system/{name}", text)
        for name in (SERVICE, "smartmob@.service"):
            self.drop_in(name, "test", DROP_IN)

    def clear(self) -> None:
        """
        Remove what the test has made.
        """
        control = self.machine.run
        control("systemctl", "stop", "smartmob*.socket", "smartmob*.service")
        control("systemctl", "reset-failed")
        folders = "/var/lib/smartmob* /etc/systemd/system/* /etc/default/smartmob*"
        control("sh", "-c", f"rm -rf {folders} {ETC} {LOG}")
        control("systemctl", "daemon-reload")

    def drop_in(self, unit: str, name: str, text: str) -> None:
        """
        Change a unit.
        """
        self.machine.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)

    def configure(self, text: str, name: str = "agent.conf") -> None:
        """
        Give the agent a configuration.
        """
        self.machine.write(f"{ETC}/{name}", text)
        self.machine.write("/etc/default/smartmob", f"SMARTMOB_OPTIONS={ETC}/agent.conf\n")

    def control(self, verb: str, unit: str = SERVICE) -> None:
        """
        What an operator does with it.
        """
        self.machine.run("systemctl", "daemon-reload")
        try:
            self.machine.run("systemctl", verb, unit)
        except AssertionError as error:
            raise AssertionError(f"{error}{self.log()}") from None

    def log(self) -> str:
        """
        What the agent has said.
        """
        path = self.machine.path(LOG)
        return path.read_text() if path.exists() else ""

    def shows(self, name: str, unit: str = SERVICE) -> str:
        """
        A property of a unit.
        """
        return self.machine.run("systemctl", "show", "--value", "-p", name, unit).strip()

    def until(self, condition: Callable[[], object], what: str) -> None:
        """
        Wait for something that nobody tells us of.
        """
        start = time.monotonic()
        while not condition():
            waited = time.monotonic() - start
            assert waited < PATIENCE, f"waited in vain for {what}\n{self.log()}"
            time.sleep(0.05)

    def main_pid(self, unit: str = SERVICE) -> int:
        """
        The agent, by the number it has here.
        """
        return self.by_name("twistd", unit)[0]

    def by_name(self, name: str, unit: str = SERVICE) -> list[int]:
        """
        The processes of a unit that are called so.
        """
        return [
            pid
            for pid in self.machine.processes(unit)
            if name in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        ]

    def started_again(self, before: list[int]) -> None:
        """
        Wait until it was started once more, and see that nothing of before is left.
        """
        self.until(lambda: self.shows("NRestarts") != "0", "a restart")
        self.until(lambda: self.shows("ActiveState") == "active", "an agent that is ready")
        self.assertEqual(running(before), [])

    def create(self, app: str, **programs: str) -> dict[str, dict[str, Any]]:
        """
        Send an application, and have its programs run.
        """
        status, sent = self.machine.ask("PUT", f"{URL}/archives", archive(**programs))
        self.assertEqual(status, 201, sent)
        made = {}
        for name in programs:
            request = {"app": app, "node": f"{name}.0", "process_type": name}
            request["source_url"] = sent["source_url"]
            body = json.dumps(request).encode()
            status, made[name] = self.machine.ask("POST", f"{URL}/create-process", body)
            self.assertEqual(status, 201, made[name])
        return made

    def process(self, slug: str) -> dict[str, Any]:
        """
        The document of a process.
        """
        status, document = self.machine.ask("GET", f"{URL}/process-status/{slug}")
        self.assertEqual(status, 200, document)
        assert isinstance(document, dict)
        return document

    def runs(self, slug: str) -> None:
        """
        Wait until a process runs.
        """
        self.until(lambda: self.process(slug)["state"] == "running", f"{slug} to run")

    def answers(self, url: str = URL) -> None:
        """
        See that there is an agent.
        """
        self.assertEqual(self.machine.ask("GET", f"{url}/ping"), (200, "OK"))
