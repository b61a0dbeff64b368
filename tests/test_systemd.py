"""
Agents under a real systemd, which is booted for that.

Where none can be (without root, without systemd, in a container that forbids mounts) they are
skipped, and say so.
"""

from __future__ import annotations

import contextlib  # trial takes a name "suppress" in a module for its own
import os
import re
import signal
from pathlib import Path

from tests.support.as_service import ETC, SERVICE, SOCKET, URL, SystemdTestCase, units
from tests.support.booted import AGENT, answer
from tests.support.living import running, stat_of
from tests.support.processes import PLAIN

TREE_OF_SLEEPS = "setsid sleep 7771 & sleep 7772 & exec sleep 7773"
"""
A program with something in a session of its own.
"""


class ServiceTests(SystemdTestCase):
    """
    C{smartmob.service}.
    """

    def test_start(self) -> None:
        """
        It is active once it answers, says how it fares, and keeps its files where the unit
        says, for its user alone.
        """
        self.control("start")
        self.answers()
        self.assertEqual(self.shows("ActiveState"), "active")
        self.assertEqual(self.shows("StatusText"), "0 running")
        state = self.machine.path("/var/lib/smartmob").stat()
        self.assertEqual((state.st_uid, state.st_mode & 0o7777), (60123, 0o700))
        self.assertTrue(self.machine.path("/var/lib/smartmob/lock").exists())
        self.control("stop")
        self.assertEqual(self.shows("Result"), "success")
        self.assertEqual(self.machine.processes(SERVICE), [])

    def test_programs(self) -> None:
        """
        Programs run under it as elsewhere: one that serves, one that is a shell's, those that
        came as an archive; the status counts them, and none is told of systemd.
        """
        python = self.machine.python
        said = "env; touch ~/it /tmp/it; exec sleep 7770"
        self.configure(f"[process:shell]\ncmd = {said}\nshell = true\n")
        self.control("start")
        serve = f"{python} -m http.server --bind 127.0.0.1 $PORT"
        made = self.create("some", web=serve, loop="echo $$; sleep 7770; true")
        for slug in ("some.web.0", "some.loop.0", "default.shell.0"):
            self.runs(slug)
        self.until(lambda: self.shows("StatusText") == "3 running", "the status")
        port = made["web"]["port"]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}))"
        self.until(
            lambda: self.machine.run(python, "-c", connect, check=False) == "", "the server"
        )
        self.assertEqual(self.machine.ask("GET", f"http://127.0.0.1:{port}/")[0], 200)
        logs = f"{URL}/process-logs/default.shell.0"
        self.until(lambda: "PATH=" in self.machine.ask("GET", logs)[1], "the environment")
        environment = self.machine.ask("GET", logs)[1]
        self.assertIn(f"USER={AGENT}", environment)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "INVOCATION_ID", "_DIRECTORY="):
            self.assertNotIn(name, environment)

    def test_cgroups(self) -> None:
        """
        Each program is in a group of its own below the unit's, and so is the agent.
        """
        self.configure("[process:one]\ncmd = sleep 7770\n")
        self.control("start")
        self.runs("default.one.0")
        unit = f"/system.slice/{SERVICE}"
        [program] = self.by_name("sleep 7770")
        for pid, group in ((self.main_pid(), "agent"), (program, "programs/_default.one.0")):
            found = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
            [line] = [line for line in found if line.startswith("0::")]
            self.assertTrue(line.endswith(f"{unit}/{group}"), line)

    def test_detached(self) -> None:
        """
        A detached program ends with the unit, unless the unit ends only its agent: then the
        next one adopts it.
        """
        self.configure("[process:long]\ncmd = sleep 7770\ndetach = true\n")
        found = []
        for mode in ("mixed", "process"):
            self.drop_in(SERVICE, "mode", f"[Service]\nKillMode={mode}\n")
            self.control("start")
            self.runs("default.long.0")
            [pid] = self.by_name("sleep 7770")
            self.control("restart")
            self.runs("default.long.0")
            found.append(self.by_name("sleep 7770") == [pid])
        self.assertEqual(found, [False, True])
        self.machine.ask("POST", f"{URL}/stop-process/default.long.0")

    def test_reload(self) -> None:
        """
        A reload is told to systemd from its beginning to its end; one that is refused as well,
        and why.
        """
        self.configure("[process:one]\ncmd = sleep 7770\n")
        self.control("start")
        pid = self.main_pid()
        before = self.shows("StateChangeTimestampMonotonic")
        self.configure("[process:one]\ncmd = sleep 7770\nnumprocesses = 2\n")
        self.control("reload")
        self.until(lambda: self.shows("StatusText") == "2 running", "the second")
        after = self.shows("StateChangeTimestampMonotonic")
        self.assertNotEqual(after, before)
        self.configure("[process:one]\ncmd = sleep 7770\nnumprocesses = many\n")
        self.control("reload")
        refused = re.compile(r"reload refused: .*agent\.conf:3.*; 2 running")
        self.until(lambda: refused.fullmatch(self.shows("StatusText")), "the reason")
        self.assertNotEqual(self.shows("StateChangeTimestampMonotonic"), after)
        self.assertEqual(self.shows("ActiveState"), "active")
        self.assertEqual(self.main_pid(), pid)

    def test_wrong(self) -> None:
        """
        One whose configuration is wrong is not started again and again.
        """
        self.configure("[process:one]\nnumprocesses = many\n")
        self.assertRaises(AssertionError, self.control, "start")
        self.assertEqual(self.shows("ActiveState"), "failed")
        self.assertEqual(self.shows("ExecMainStatus"), "2")
        self.assertEqual(self.shows("NRestarts"), "0")

    def test_grace(self) -> None:
        """
        Programs have the grace they are given, also where that is longer than systemd waits
        for others.
        """
        self.drop_in(SERVICE, "short", "[Service]\nTimeoutStopSec=1\n")
        farewell = (
            "trap 'sleep 2.5; touch ~/farewell; exit' TERM; touch ~/up; sleep 7770 & wait"
        )
        self.configure(f"[process:slow]\nshell = true\ncmd = {farewell}\n")
        self.control("start")
        home = "/var/lib/smartmob/"
        self.until(self.machine.path(f"{home}up").exists, "the program")
        self.control("stop")
        self.assertEqual(self.shows("Result"), "success", self.log())
        self.assertTrue(self.machine.path(f"{home}farewell").exists())
        self.assertEqual(self.machine.processes(SERVICE), [])

    def test_credentials(self) -> None:
        """
        Tokens that only root can read are handed down, and asked for.
        """
        token = "a-token-of-good-length"
        self.machine.write(f"{ETC}/tokens", f"{token}\n", 0o600)
        [line] = re.findall("^#(LoadCredential=.*)$", units()[SERVICE], re.MULTILINE)
        self.drop_in(SERVICE, "tokens", f"[Service]\n{line}\n")
        self.control("start")
        self.assertEqual(self.machine.ask("GET", f"{URL}/list-processes")[0], 401)
        asked = self.machine.ask("GET", f"{URL}/list-processes", token=token)
        self.assertEqual(asked, (200, {"processes": []}))

    def test_root(self) -> None:
        """
        Programs run as other users where the agent is root, as the documentation has it.
        """
        text = "[Service]\nUser=root\nGroup=root\nCapabilityBoundingSet=~\n"
        self.drop_in(SERVICE, "root", text)
        self.configure("[process:other]\ncmd = sleep 7770\nuid = nobody\n")
        self.control("start")
        self.runs("default.other.0")
        [pid] = self.by_name("sleep 7770")
        self.assertEqual(os.stat(f"/proc/{pid}").st_uid, PLAIN)


class FailureTests(SystemdTestCase):
    """
    What comes of an agent that is no more, or hangs.
    """

    def programs(self) -> list[int]:
        """
        Have programs run.

        @return: All there is then.
        """
        self.configure(f"[process:some]\nshell = true\ncmd = {TREE_OF_SLEEPS}\n")
        self.control("start")
        self.until(lambda: len(self.by_name("sleep 777")) == 3, "three programs")
        return self.machine.processes(SERVICE)

    def test_killed(self) -> None:
        """
        One that was killed is started again, and nothing of before is left; what clients have
        created is there again, as it was.
        """
        self.programs()
        created = self.create("some", runs="exec sleep 7774", stops="exec sleep 7775")
        stopped = created["stops"]["stop"]
        self.assertEqual(self.machine.ask("POST", stopped)[0], 200)
        self.runs("some.runs.0")
        before = self.machine.processes(SERVICE)
        os.kill(self.main_pid(), signal.SIGKILL)
        self.started_again(before)
        self.runs("some.runs.0")
        for name, state in (("runs", "running"), ("stops", "stopped")):
            document = self.process(f"some.{name}.0")
            self.assertEqual(document["state"], state)
            for key in ("created_at", "port"):
                self.assertEqual(document[key], created[name][key])

    def test_allKilled(self) -> None:
        """
        Nor is anything left where its helpers are killed at the same moment.
        """
        before = self.programs()
        programs = self.by_name("sleep 777")
        for pid in before:
            if pid not in programs:
                with contextlib.suppress(ProcessLookupError):  # some end as soon as another has
                    os.kill(pid, signal.SIGKILL)
        self.started_again(before)
        self.answers()

    def test_hangs(self) -> None:
        """
        One that does nothing any more is killed and started again; the log says where it hung.
        """
        self.drop_in(SERVICE, "watchdog", "[Service]\nWatchdogSec=2\n")
        before = self.programs()
        os.kill(self.main_pid(), signal.SIGSTOP)
        self.started_again(before)
        self.assertIn("Fatal Python error: Aborted", self.log())
        self.answers()

    def test_guardianHangs(self) -> None:
        """
        So is one whose guardian hangs.
        """
        self.drop_in(SERVICE, "watchdog", "[Service]\nWatchdogSec=2\n")
        before = self.programs()
        agent = str(self.main_pid())
        [guardian] = [pid for pid in before if stat_of(pid)[1] == agent]
        os.kill(guardian, signal.SIGSTOP)
        self.started_again(before)
        self.assertIn("Fatal Python error: Aborted", self.log())
        self.answers()

    def test_fed(self) -> None:
        """
        One that works is left alone for longer than it may be silent.
        """
        self.drop_in(SERVICE, "watchdog", "[Service]\nWatchdogSec=1\n")
        self.control("start")
        signs: set[str] = set()

        def enough() -> bool:
            signs.add(self.shows("WatchdogTimestampMonotonic"))
            return len(signs) > 3

        self.until(enough, "signs of its life")
        self.assertEqual(self.shows("NRestarts"), "0")


class SocketTests(SystemdTestCase):
    """
    C{smartmob.socket}.
    """

    def test_first(self) -> None:
        """
        The first connection starts the agent, which is told nothing of it; a connection made
        while there is none waits for the next.
        """
        self.control("start", SOCKET)
        self.assertEqual(self.shows("ActiveState"), "inactive")
        self.answers()
        self.assertEqual(self.shows("ActiveState"), "active")
        self.drop_in(SERVICE, "slow", "[Service]\nRestartSec=1\n")
        self.machine.run("systemctl", "daemon-reload")
        pid = self.main_pid()
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: not running([pid]), "its end")
        asking = self.machine.asking("GET", f"{URL}/ping")
        self.assertEqual(answer(asking), (200, "OK"))
        self.assertNotEqual(self.main_pid(), pid)

    def test_named(self) -> None:
        """
        A configuration names it by index or name; after the agent has ended, it is there for
        the next one.
        """
        local = "[Socket]\nListenStream=/run/api.sock\n"
        self.drop_in(SOCKET, "local", "[Socket]\nListenStream=\n" + local)
        for bind in ("systemd:domain=UNIX:index=0", "systemd:name=api"):
            self.configure(
                f"[smartmob]\nhttp_endpoints = x\n[endpoint:x]\nbind = {bind}, 127.0.0.1:0\n"
            )
            self.control("start", SOCKET)
            self.answers("unix:/run/api.sock:")
            self.until(lambda: "on unix:/run/api.sock" in self.log(), "the log")
            self.control("stop")

    def test_tooWide(self) -> None:
        """
        One that other machines can reach is refused without tokens, as any address is.
        """
        self.drop_in(SOCKET, "wide", "[Socket]\nListenStream=\nListenStream=8080\n")
        self.control("start", SOCKET)
        self.assertRaises(AssertionError, self.control, "start")
        self.assertEqual(self.shows("ExecMainStatus"), "2")
        self.assertIn("can be reached from other machines", self.log())


class TemplateTests(SystemdTestCase):
    """
    C{smartmob@.service}.
    """

    def test_two(self) -> None:
        """
        Two agents, each with a configuration and a state folder of its own.
        """
        names = {"one": 8081, "two": 8082}
        for name, port in names.items():
            bind = f"[endpoint:x]\nbind = 127.0.0.1:{port}\n"
            process = f"[process:{name}]\ncmd = sleep 7770\n"
            text = f"[smartmob]\nhttp_endpoints = x\n{bind}{process}"
            self.machine.write(f"{ETC}/{name}.conf", text)
            self.control("start", f"smartmob@{name}.service")
        for name, port in names.items():
            listing = self.machine.ask("GET", f"http://127.0.0.1:{port}/list-processes")[1]
            slugs = [process["slug"] for process in listing["processes"]]
            self.assertEqual(slugs, [f"default.{name}.0"])
            self.assertTrue(self.machine.path(f"/var/lib/smartmob-{name}/lock").exists())
        self.control("stop", "smartmob@one.service")
        self.assertEqual(self.machine.processes("smartmob@one.service"), [])
        self.answers("http://127.0.0.1:8082")
