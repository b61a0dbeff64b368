"""
What a program finds when it is started.
"""

from __future__ import annotations

import os
import resource
import signal
import stat
from typing import Any

from twisted.trial.unittest import SkipTest

from tests.support.agent_process import AgentTestCase, program
from tests.support.applications import PYTHON, application, archive
from tests.support.living import until
from tests.support.remote import Document, Remote

INSPECTOR = """
import json, os, resource, stat

def there(number):
    try:
        return stat.S_IFMT(os.fstat(int(number)).st_mode)
    except OSError:
        return None

descriptors = {number: there(number) for number in os.listdir("/proc/self/fd")}
umask = os.umask(0)
open("made", "w").close()
print(json.dumps({
    "descriptors": {number: kind for number, kind in descriptors.items() if kind},
    "stdin": os.readlink("/proc/self/fd/0"),
    "pid": os.getpid(), "pgid": os.getpgid(0), "sid": os.getsid(0),
    "umask": umask,
    "cwd": os.getcwd(),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "env": dict(os.environ),
}))
"""

SHELL = """
echo to stdout > /dev/stdout
echo to stderr >> /dev/stderr
echo appended >> /dev/stdout
cat /dev/stdin
echo read all
sleep 1000
"""


class ChildTests(AgentTestCase):
    """
    Sections 'What a program gets' of the promises.
    """

    async def inspected(self, remote: Remote, **more: Any) -> Document:
        """
        What a program says of itself.
        """
        files = {
            "Procfile": f"web: FROM_PROCFILE=procfile OVER=procfile {PYTHON} main.py\n"
            "signals: cat /proc/self/status\n",
            ".env": "FROM_FILE = file\nOVER = file\nPS = file\nFROM_PROCFILE = file\n",
            "main.py": INSPECTOR,
        }
        url = self.origin.serve("/app", archive(files))
        await remote.create(url, restart="never", **more)
        await remote.state("app.web.0", "stopped", "failed")
        answer = await remote.ask("GET", "/process-logs/app.web.0")
        document = await remote.get("/process-status/app.web.0")
        await remote.create(url, "signals", process_type="signals", restart="never")
        await remote.state("app.signals", "stopped", "failed")
        signals = await remote.ask("GET", "/process-logs/app.signals")
        return {
            **answer.document,
            "document": document,
            "signals": dict(line.split(":\t") for line in signals.body.decode().splitlines()),
        }

    def assert_clean(self, found: Document) -> None:
        """
        A world of its own.
        """
        self.assertEqual(
            found["descriptors"],
            {"0": stat.S_IFCHR, "1": stat.S_IFIFO, "2": stat.S_IFIFO},
        )
        self.assertEqual(found["stdin"], "/dev/null")
        for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"):
            self.assertEqual(int(found["signals"][name], 16), 0, found["signals"])
        self.assertEqual(found["pgid"], found["pid"])
        self.assertEqual(found["sid"], found["pid"])
        self.assertEqual(found["umask"], 0o022)

    async def test_descriptors_and_signals(self) -> None:
        """
        Descriptors 0, 1 and 2 alone, no signal blocked or ignored, a session of its
        own, umask 022: whatever the agent was started with.
        """
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        ignoring = ("sh", "-c", 'trap "" HUP USR1 PIPE QUIT; exec "$@"', "sh")
        agent = self.spawn(
            *ignoring,
            *(program("smartmob-agent"), "--bind", "127.0.0.1:0"),
            *("--state-dir", str(self.state)),
            umask="0077",
            descriptors={3: read, 7: write, 20: read},
        )
        [url] = await agent.listens()
        self.assert_clean(await self.inspected(self.remote(url)))

    async def test_daemonised_twistd(self) -> None:
        """
        The same below a twistd that has gone to the background, with its umask of 077.
        """
        agent = self.spawn(
            *(program("twistd"), "--pidfile=agent.pid", "--logfile=agent.log"),
            *("smartmob", "--bind", "127.0.0.1:0", "--state-dir", str(self.state)),
        )
        self.assertEqual(await agent.exit(), 0, agent.err)
        log = self.folder / "agent.log"
        await until(lambda: log.exists() and "Listening on" in log.read_text(), "its URL")
        url = log.read_text().split("Listening on ")[1].split()[0]
        self.assert_clean(await self.inspected(self.remote(url)))

    async def test_asked_for(self) -> None:
        """
        A request may ask for another umask, niceness and limits.
        """
        _, remote = await self.start()
        found = await self.inspected(
            remote, umask="077", nice=5, limits={"open_files": 100, "core_bytes": 0}
        )
        self.assertEqual(found["umask"], 0o077)
        self.assertEqual(found["nice"], 5 + os.getpriority(os.PRIO_PROCESS, 0))
        self.assertEqual(found["files"], [100, 100])
        self.assertEqual(found["core"], [0, 0])

    async def test_streams(self) -> None:
        """
        C{/dev/stdout} and C{/dev/stderr} can be opened by name, and standard input is
        empty where none is redirected.
        """
        _, remote = await self.start()
        url = self.origin.serve(
            "/app", archive({"Procfile": "web: sh run.sh", "run.sh": SHELL})
        )
        await remote.create(url)
        console = await remote.attach(format="json", tail=10)
        lines = [await console.logged() for _ in range(4)]
        self.assertEqual(
            {(each["stream"], each["line"]) for each in lines},
            {
                ("stdout", "to stdout"),
                ("stdout", "appended"),
                ("stdout", "read all"),
                ("stderr", "to stderr"),
            },
        )

    async def test_output_closed(self) -> None:
        """
        A program that closes its output runs on until it ends.
        """
        _, remote = await self.start()
        script = "web: echo up; exec 1>&- 2>&-; read x; exit 3"
        url = self.origin.serve("/app", application(script))
        await remote.create(url, restart="never", redirect_input=True)
        console = await remote.attach(format="json", tail=1)
        await console.logged("up")
        pid = (await remote.get("/process-status/app.web.0"))["pid"]
        await until(lambda: not os.path.exists(f"/proc/{pid}/fd/1"), "closing")
        await remote.post("/write-stdin/app.web.0", {"data": "go\n"})
        exited = await console.event("exited")
        self.assertEqual(exited["code"], 3)

    async def test_environment(self) -> None:
        """
        The environment is the agent's, .env, the process's own variables, the Procfile's
        and the request's, the later ones winning, and none of the service manager's.
        """
        private = {
            "NOTIFY_SOCKET": "/nowhere",
            "WATCHDOG_USEC": "1",
            "WATCHDOG_PID": "1",
            "LISTEN_FDS": "0",
            "LISTEN_PID": "1",
            "CREDENTIALS_DIRECTORY": "/nowhere",
            "STATE_DIRECTORY": str(self.folder / "elsewhere"),
            "RUNTIME_DIRECTORY": "/nowhere",
            "INVOCATION_ID": "1",
            "JOURNAL_STREAM": "1:1",
            "MAINPID": "1",
            "SMARTMOB_URL": "http://nowhere",
        }
        inherited = {"OVER": "agent", "FROM_AGENT": "a $HOME", "FROM_FILE": "agent"}
        _, remote = await self.start(env={**private, **inherited})
        found = await self.inspected(
            remote, env={"OVER": "request", "FROM_REQUEST": "$PATH %s", "DYNO": "mine"}
        )
        env = found["env"]
        expected = {
            "FROM_AGENT": "a $HOME",
            "FROM_FILE": "file",
            "FROM_PROCFILE": "procfile",
            "FROM_REQUEST": "$PATH %s",
            "OVER": "request",
            "PS": "web.0",
            "DYNO": "mine",
            "PORT": str(found["document"]["port"]),
            "SMARTMOB_APP": "app",
            "SMARTMOB_NODE": "web.0",
            "SMARTMOB_SLUG": "app.web.0",
        }
        self.assertEqual({name: env.get(name) for name in expected}, expected)
        self.assertEqual(set(private) & set(env), set())
        self.assertEqual(env["PATH"], os.environ["PATH"])
        self.assertTrue(found["cwd"].startswith(f"{self.state}/releases/"), found["cwd"])
        self.assertFalse((self.folder / "elsewhere").exists())

    async def test_port(self) -> None:
        """
        C{PORT} stays the same over restarts; where a request sets one, that is used and
        shown.
        """
        _, remote = await self.start()
        url = self.origin.serve("/app", application("web: echo $PORT; exec sleep 1000"))
        ports = []
        for node, env in (("a", {}), ("b", {"PORT": "12345"}), ("c", {"PORT": "none"})):
            await remote.create(url, node, env=env)
            console = await remote.attach(f"app.{node}", tail=1)
            port = await console.next()
            await remote.post(f"/restart-process/app.{node}")
            self.assertEqual(await console.next(), port)
            ports.append((port, (await remote.get(f"/process-status/app.{node}"))["port"]))
        self.assertEqual(ports[0], (str(ports[0][1]), ports[0][1]))
        self.assertEqual(ports[1:], [("12345", 12345), ("none", None)])

    async def test_release(self) -> None:
        """
        Processes of one app from the same bytes share a release, what programs write
        there stays over restarts, and another app has another.
        """
        _, remote = await self.start()
        command = "web: echo $PS >> written; pwd; cat written; exec sleep 1000"
        url = self.origin.serve("/app", application(command))
        await remote.create(url, "a")
        one = await remote.attach("app.a", tail=10)
        folder = (await one.lines(2))[0]
        await remote.create(url, "b")
        two = await remote.attach("app.b", tail=10)
        self.assertEqual(await two.lines(3), [folder, "a", "b"])
        await remote.post("/restart-process/app.a")
        self.assertEqual(await one.lines(4), [folder, "a", "b", "a"])
        await remote.create(url, "a", app="other")
        three = await remote.attach("other.a", tail=10)
        other, written = await three.lines(2)
        self.assertNotEqual(other, folder)
        self.assertEqual(written, "a")
        await remote.post("/delete-process/app.a")
        self.assertTrue(os.path.isdir(folder))
        await remote.post("/delete-process/app.b")
        self.assertFalse(os.path.exists(folder))
        self.assertTrue(os.path.isdir(other))


class DescriptorTests(AgentTestCase):
    """
    How many files may be open.
    """

    def setUp(self) -> None:
        """
        See that there is room.
        """
        super().setUp()
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
            raise SkipTest("fewer than 4096 files may be open here")

    async def test_soft_limit(self) -> None:
        """
        A program sees the soft limit that the agent was started with, which the agent
        has raised for itself.
        """
        agent, remote = await self.start(files=(1024, 4096))
        url = self.origin.serve("/app", application("web: ulimit -Sn; ulimit -Hn; sleep 1000"))
        await remote.create(url)
        console = await remote.attach(tail=2)
        self.assertEqual(await console.lines(2), ["1024", "4096"])
        self.assertEqual(resource.prlimit(agent.pid, resource.RLIMIT_NOFILE), (4096, 4096))

    async def test_out_of_descriptors(self) -> None:
        """
        With few descriptors, creates beyond them are 503, all others run on, and after
        deletes there is room again.
        """
        agent, remote = await self.start(files=(256, 256))
        url = self.origin.serve("/app", application("web: echo up; exec sleep 1000"))
        created = await self.fill(remote, url, 0)
        self.assertGreater(created, 20)
        pids = await self.all_running(remote, created)
        for number in range(created // 2):
            await remote.post(f"/delete-process/app.web.{number}")
        again = await self.fill(remote, url, 1000)
        self.assertGreater(again, created // 4)
        after = await self.all_running(remote, created - created // 2 + again)
        kept = {slug: pid for slug, pid in pids.items() if slug in after}
        self.assertEqual(len(kept), created - created // 2)
        self.assertEqual({slug: after[slug] for slug in kept}, kept)
        await remote.post("/delete-app/app")
        self.assertEqual(self.files(), [])
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)

    async def fill(self, remote: Remote, url: str, first: int) -> int:
        """
        Create processes until there are no descriptors left.

        @return: How many.
        """
        number = 0
        while True:
            document = await remote.post(
                "/create-process",
                {
                    "app": "app",
                    "node": f"web.{first + number}",
                    "process_type": "web",
                    "source_url": url,
                },
                None,
            )
            if "slug" not in document:
                self.assertEqual(
                    (document["status"], document["code"]), (503, "out-of-descriptors")
                )
                return number
            number += 1
            self.assertLess(number, 256)

    async def all_running(self, remote: Remote, number: int) -> dict[str, int]:
        """
        All processes run, and have never ended.

        @return: Their pids.
        """
        listing = (await remote.get("/list-processes"))["processes"]
        self.assertEqual(len(listing), number)
        found = {}
        for each in listing:
            document = await remote.state(each["slug"], "running", "backoff", "failed")
            self.assertEqual(
                (document["state"], document["restarts"], document["last_exit"]),
                ("running", 0, None),
                document["reason"],
            )
            found[each["slug"]] = document["pid"]
        return found
