"""
Real programs that mean harm to the agent that runs them, and what they achieve.

What runs as the agent's own user may do what the agent may; these are about programs that
run as another, and about what no program should reach.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SkipTest

from smartmob.launch.helper import COMPILED, PYTHON, VARIABLE
from tests.support.agent_process import AgentProcess, program
from tests.support.applications import application, archive
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.hostility import BOMB, CALLER, STRANGER, attempts, python_for
from tests.support.living import children, until
from tests.support.remote import Remote
from tests.support.twins import require_compiled
from tests.support.users import another_user

TOKEN = "a-token-of-the-tests-and-of-nobody-else"


class HostileCase(ConfiguredTestCase):
    """
    An agent whose file says who its programs are, and what they may use.  It listens on a
    socket, too.

    @ivar socket: That.
    @ivar more: Further sections.
    """

    def setUp(self) -> None:
        """
        Say where it is.
        """
        super().setUp()
        self.socket = self.folder / "agent.sock"
        self.more = ""

    async def agent(
        self, env: Mapping[str, str] | None = None, **keys: object
    ) -> tuple[AgentProcess, Remote]:
        """
        Start it.
        """
        self.folder.chmod(0o711)  # the way to the state folder is for the operator to open
        said = "".join(f"{key} = {value}\n" for key, value in keys.items())
        self.file.write_text(
            f"[smartmob]\nhttp_endpoints = a\n{said}[endpoint:a]\n"
            f"bind = 127.0.0.1:0, unix:{self.socket}\n{self.more}"
        )
        process = self.spawn_agent("-v", "-c", str(self.file), bind=(), env=env)
        url, _ = await process.listens(2)
        return process, self.remote(url)

    async def lines(self, remote: Remote, slug: str) -> list[str]:
        """
        What a program said that has ended.
        """
        document = await remote.state(slug, "stopped", "failed")
        answer = await remote.ask("GET", f"/process-logs/{slug}")
        said = answer.body.decode().splitlines()
        self.assertEqual(document["state"], "stopped", (document, said))
        return said


def processes_of(uid: int) -> int:
    """
    How many a user has, as its limit counts them: threads.
    """
    found = 0
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if each.stat().st_uid == uid:
                found += len(os.listdir(each / "task"))
        except OSError:
            continue  # it has ended
    return found


class AnyUserTests(HostileCase):
    """
    A program that runs as the agent's user.
    """

    async def test_caller(self) -> None:
        """
        It may call its own agent like everybody else, and no more: without a token it is told
        nothing; and neither its environment, nor that of anything it sees, has one.
        """
        tokens = self.folder / "tokens"
        tokens.write_text(f"{TOKEN} admin")
        tokens.chmod(0o600)
        (self.folder / "caller.py").write_text(CALLER)
        command = f"{sys.executable} -I -S caller.py"
        self.write(section("caller", command, start="false", restart="never"))
        options = ("-c", str(self.file), "--token-file", str(tokens))
        agent = self.spawn_agent(*options, bind=())
        [url] = await agent.listens()
        (self.folder / "url").write_text(url)
        remote = self.remote(url)
        head = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        started = await remote.ask("POST", "/start-process/default.caller.0", b"{}", head)
        self.assertEqual(started.status, 200, started.body)
        said = self.folder / "said"
        await until(said.exists, "what the program found out")
        answers, seen = json.loads(said.read_text())
        self.assertEqual(answers, [401] * 6 + [200])
        self.assertEqual(seen, [])


class AnotherUserTests(HostileCase):
    """
    A program that runs as another user than the agent.
    """

    async def test_intruder(self) -> None:
        """
        It reads nothing of the agent's, of its helpers' and of its folder, changes nothing
        there, signals none of them, and gets no more than it was given.
        """
        another_user()
        self.more = section("kept", detach="true")
        agent, remote = await self.agent(uid=STRANGER, gid=STRANGER, core_bytes=0)
        secret = self.folder / "tokens"
        secret.write_text(TOKEN)
        secret.chmod(0o600)
        [guardian] = children(agent.pid)
        await remote.state("default.kept.0", "running")
        state = self.state
        [door] = state.glob("detached/*.sock")
        keeper = door.stem
        commands = {
            # That it can look at all: else all the others would say nothing.
            "own release": "cat Procfile",
            "own folder": "touch made",
            "token": f"cat {secret}",
            "list state": f"ls {state}",
            "list releases": f"ls {state}/releases",
            "lock": f"cat {state}/lock",
            "lock it": f"flock -n {state}/lock true",
            "archives": f"ls {state}/archives",
            "downloads": f"ls {state}/downloads",
            "list detached": f"ls {state}/detached",
            "record": f"cat {state}/detached/default.kept.0.json",
            "output": f"cat {state}/detached/default.kept.0.out",
            "door": f"test -e {door}",
            "socket": f"test -r {self.socket} || test -w {self.socket}",
            "write state": f"touch {state}/x",
            "write releases": f"touch {state}/releases/x",
            "write beside": 'touch "$PWD"/../x',
            "rename release": 'mv "$PWD" "$PWD"-x',
            "link release": 'ln -s / "$PWD"-x',
            "nice": "renice -n -1 -p $$",
            "limit": "ulimit -Hc 1",
        }
        helpers = {"guardian": guardian, "reaper": "$PPID", "keeper": keeper}
        for name, pid in {"agent": agent.pid, **helpers}.items():
            commands |= {
                f"{name} environ": f"cat /proc/{pid}/environ",
                f"{name} memory": f"head -c 1 /proc/{pid}/mem",
                f"{name} maps": f"cat /proc/{pid}/maps",
                f"{name} descriptors": f"ls /proc/{pid}/fd/",
                f"{name} folder": f"ls /proc/{pid}/cwd/",
                f"{name} signal": f"kill -0 {pid}",
                f"{name} niceness": f"renice -n 1 -p {pid}",
            }
        script = attempts(commands)
        url = self.origin.serve("/a", archive({"Procfile": "web: sh ./try\n", "try": script}))
        await remote.create(url, restart="never")
        said = await self.lines(remote, "app.web.0")
        yes = [line.removesuffix(" yes") for line in said if line.endswith(" yes")]
        self.assertEqual(yes, ["own release", "own folder"])
        self.assertEqual(len(said), len(commands))

    async def test_links(self) -> None:
        """
        What it makes of its release leads nobody out of there: neither who removes it, nor
        its own next run.
        """
        another_user()
        outside = self.folder / "outside"
        outside.mkdir(mode=0o755)
        (outside / "kept").write_text("kept")
        before = outside.stat()
        _, remote = await self.agent(uid=STRANGER, gid=STRANGER)
        script = f"""
            mkdir -p deep/er/deepest && chmod 0 deep/er && mkfifo fifo
            ln -s . loop; ln -s {outside} away; ln -s / all; ln -sf {outside}/kept Procfile
            rm -r sub && ln -s {outside} sub
        """
        procfile = "web: cat kept || { cd .. && sh ./run; }\n"
        files = {"Procfile": procfile, "run": script, "sub/x": ""}
        url = self.origin.serve("/a", archive(files))
        await remote.create(url, cwd="sub", restart="never")
        self.assertNotIn("kept", await self.lines(remote, "app.web.0"))
        # The link is followed with the rights of the program, as its own chdir(2) would be.
        await remote.post("/start-process/app.web.0")
        self.assertEqual((await self.lines(remote, "app.web.0"))[-1], "kept")
        await remote.post("/delete-process/app.web.0")
        self.assertEqual(self.files(), [])
        self.assertEqual((outside / "kept").read_text(), "kept")
        after = outside.stat()
        self.assertEqual((after.st_mode, after.st_uid), (before.st_mode, before.st_uid))


class FullDiskTests(HostileCase):
    """
    A program that fills the disk of the state folder.
    """

    async def test_full(self) -> None:
        """
        The agent goes on, and says of what needs room that there is none; once the program is
        deleted, there is.
        """
        words = ("unshare", "--mount", "sh", "-c")
        mount = (
            f'mkdir {self.state} && mount -t tmpfs -o size=16m none {self.state} && exec "$@"'
        )
        tried = subprocess.run([*words, "true"], capture_output=True, check=False)
        if tried.returncode:
            raise SkipTest(f"FULL DISKS ARE NOT TESTED: {tried.stderr.decode()}")
        self.write(section("filed", start="false"))
        options = ("--state-dir", str(self.state), "-c", str(self.file))
        agent = self.spawn(*words, mount, "sh", program("smartmob-agent"), *options)
        [url] = await agent.listens()
        remote = self.remote(url)
        filling = "web: cat /dev/zero 2>&1 > much; echo full; exec sleep 1000\n"
        await remote.create(self.origin.serve("/a", archive({"Procfile": filling})))
        console = await remote.attach(tail=2)
        self.assertIn("No space", await console.line())
        self.assertEqual(await console.line(), "full")
        self.assertEqual((await remote.ask("GET", "/ping")).body, b"OK")
        await remote.post("/start-process/default.filed.0")
        await remote.state("default.filed.0", "running")
        other = self.origin.serve("/b", archive({"Procfile": "web: sleep 1000\n"}))
        request = {"app": "other", "node": "web.0", "process_type": "web", "source_url": other}
        answer = await remote.ask("POST", "/create-process", json.dumps(request).encode())
        self.assertEqual((answer.status, answer.document["code"]), (507, "state-not-written"))
        answer = await remote.ask("POST", "/stop-process/default.filed.0", b"{}")
        self.assertEqual((answer.status, answer.document["code"]), (507, "state-not-written"))
        await remote.state("default.filed.0", "stopped")
        await remote.post("/delete-process/app.web.0")
        await remote.post("/create-process", request, 201)
        await remote.state("other.web.0", "running")


class BombTests(HostileCase):
    """
    Programs that fork without end, where the number of processes is limited.
    """

    async def check(self, guardian: str) -> None:
        """
        The agent answers, starts others, and ends the bomb.
        """
        uid = STRANGER if os.geteuid() == 0 else os.geteuid()
        python = python_for(uid)
        keys = {"uid": uid, "gid": uid} if uid != os.geteuid() else {}
        room = processes_of(uid) + 40
        agent, remote = await self.agent({VARIABLE: guardian}, **keys)
        bomb = application(f"web: {python} -I -S main.py", main=BOMB)
        url = self.origin.serve("/bomb", bomb)
        limits = {"processes": room}
        await remote.create(url, restart="never", limits=limits, graceful_timeout=0.2)
        console = await remote.attach(tail=1)
        self.assertEqual(await console.line(), "full")
        for _ in range(10):
            self.assertEqual((await remote.ask("GET", "/ping")).body, b"OK")
        other = application("web: echo up")
        await remote.create(self.origin.serve("/other", other), app="other", restart="never")
        self.assertEqual(await self.lines(remote, "other.web.0"), ["up"])
        await remote.post("/delete-process/app.web.0")
        await remote.post("/delete-process/other.web.0")
        await agent.alone()

    async def test_compiled(self) -> None:
        """
        With the compiled guardian.
        """
        require_compiled()
        await self.check(COMPILED)

    async def test_python(self) -> None:
        """
        With the one in Python.
        """
        await self.check(PYTHON)
