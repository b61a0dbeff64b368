"""
Plugins in a whole agent: they do what they are for, and no other harm.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.support.agent_process import program
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.papers import TREE
from tests.support.plugging import app, plugin

EXAMPLES = TREE / "examples" / "plugins"

ENDLESS = """
from twisted.internet.defer import Deferred
class App:
    def stop(self):
        return Deferred()
"""

KEEPER = """
from smartmob import Plugin
__all__ = ["KeeperPlugin"]

class KeeperPlugin(Plugin):
    name = "keeper"
    def app(self, cfg):
        return Keeper(cfg.get("process:a", "numprocesses"))

class Keeper:
    def __init__(self, number):
        self.number = number

    def start(self, loop, manager):
        self.manager = manager
        manager.subscribe("proc.a.spawn", self.spawned)

    async def spawned(self, event):
        self.say("spawned", event["slug"])
        if event["slug"] == "default.a.0":
            self.manager.lines(event["slug"], self.line, tail=10)
            documents = await self.manager.scale("default", {"a": 2})
            self.say("scaled from", self.number, "to", len(documents))

    async def line(self, line):
        self.say("heard", line["line"])
        await self.manager.delete("default.a.1")
        self.say("deleted", [each["slug"] for each in self.manager.processes()])

    def say(self, *words):
        print(*words, flush=True)
"""


class PluginTests(ConfiguredTestCase):
    """
    An agent with plugins.
    """

    def setUp(self) -> None:
        """
        There are none yet.
        """
        super().setUp()
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()

    def put(self, path: str, text: str | bytes = b"") -> Path:
        """Write a file of a plugin; tests' own modules are not known to agents."""
        file = self.plugins / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, str):
            text = text.replace("from tests.support.plugging import TOLD\n", "").encode()
        file.write_bytes(text)
        return file

    async def with_plugins(self, *sections: str, **more: Any) -> Any:
        """An agent with a file that names the plugins folder."""
        self.write(*sections)
        text = self.file.read_text().replace("[gaffer]\n", "[gaffer]\nplugin_dir = plugins\n")
        self.file.write_text(text)
        agent = self.spawn_agent("-v", "-c", str(self.file), bind=(), **more)
        [url] = await agent.listens()
        return agent, self.remote(url)

    async def test_threads(self) -> None:
        """
        Threads of a plugin are nothing that an agent's end waits for.
        """
        waiting = "import threading, time\n" + app(
            """
            def start(self, loop, manager):
                loop.callInThread(time.sleep, 1000)
                threading.Thread(target=time.sleep, args=(1000,)).start()
                print("waiting", flush=True)
            """
        )
        self.put("waiting/waiting.py", waiting)
        pidfile = self.folder / "pid"
        self.write(section("a"))
        agent = self.spawn_agent(
            *("-c", str(self.file), "-p", str(self.plugins), "--pidfile", str(pidfile)), bind=()
        )
        await agent.listens()
        await agent.hears(lambda: b"waiting" in agent.out, "its start")
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertFalse(pidfile.exists())
        await agent.nothing_left()

    async def test_documented(self) -> None:
        """The documented plugin runs word for word, and its site beside it."""
        agent, remote = await self.start("-v", "-p", str(EXAMPLES))
        await self.hang_up(agent)
        states = {
            report["name"]: report["state"]
            for report in (await remote.get("/plugins"))["plugins"]
        }
        self.assertEqual(states, {"dummy": "running", "hello": "site"})
        page = await remote.ask("GET", "/_plugin/hello/")
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn(b"processes.js", page.body)
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        await agent.says_no_more()
        self.assertEqual(agent.out, b"start dummy app\nstop dummy\n")

    async def test_missing(self) -> None:
        """A mandatory plugin that is missing ends the start, however it is started."""
        self.put("a/it.py", plugin(name="a", mandatory=["somedep"]))
        options = ("--bind", "127.0.0.1:0", "-p", str(self.plugins))
        for command in (
            (program("smartmob-agent"),),
            (program("twistd"), "-n", "--pidfile=", "smartmob"),
        ):
            agent = self.spawn(*command, *options)
            self.assertEqual(await agent.exit(), 2)
            await agent.says_no_more()
            self.assertEqual(
                agent.err.decode(),
                "smartmob: plugin 'a' needs the plugin 'somedep', which is missing\n",
            )
            await agent.nothing_left()

    async def test_missingAtReload(self) -> None:
        """One that goes missing refuses the reload, and all is as it was."""
        self.put("a/it.py", plugin(name="a", mandatory=["b"]))
        b = self.put("b/it.py", plugin(name="b"))
        _, remote = await self.with_plugins(section("x"))
        b.unlink()
        b.parent.rmdir()
        self.file.write_text(self.file.read_text().replace("process:x", "process:y"))
        answer = await remote.ask("POST", "/reload", b"{}")
        self.assertEqual(answer.status, 400)
        self.assertIn(b"'b', which is missing", answer.body)
        listing = await remote.get("/list-processes")
        self.assertEqual([each["slug"] for each in listing["processes"]], ["default.x.0"])

    async def test_harmless(self) -> None:
        """Broken ones are reported, and neither start, work nor end suffer from them."""
        self.put("syntax/it.py", "def (")
        self.put("missing/it.py", "import no_such_module")
        self.put("exits/it.py", "raise SystemExit(3)")
        self.put("raises/it.py", app("def start(self, *_):\n    1 / 0", name="raises"))
        self.put("dies/it.py", app("async def start(self, *_):\n    exit()", name="dies"))
        self.put("endless/it.py", f"{plugin('return App()', 'endless')}\n{ENDLESS}")
        opened = self.put("open/it.py", plugin(name="open"))
        opened.chmod(0o666)
        agent, remote = await self.with_plugins(section("x"))
        await remote.state("default.x.0", "running")
        answer = await remote.ask("GET", "/plugins")
        reports = {report["name"]: report for report in answer.document["plugins"]}
        states = {name: report["state"] for name, report in reports.items()}
        broken = dict.fromkeys(("syntax", "missing", "exits", "raises", "dies"), "failed")
        self.assertEqual(states, {**broken, "endless": "running", "open": "refused"})
        self.assertIn("SyntaxError: ", reports["syntax"]["error"])
        self.assertNotIn(b"Traceback", answer.body)
        self.assertIn(b"Traceback", agent.err)
        began = time.monotonic()
        os.kill(agent.pid, signal.SIGTERM)
        self.assertEqual(await agent.exit(), 0)
        self.assertLess(time.monotonic() - began, 30)

    async def test_processes(self) -> None:
        """A plugin can do to processes what REST can, and hears of them."""
        self.put("keeper/plugin/__init__.py", KEEPER)
        agent, _ = await self.with_plugins(section("a", numprocesses=1))
        await agent.hears(lambda: b"deleted ['default.a.0']" in agent.out, "deletion")
        said = agent.out.decode().splitlines()
        self.assertEqual(said[0], "spawned default.a.0")
        self.assertIn("scaled from 1 to 2", said)
        self.assertIn("heard up", said)

    async def test_reload(self) -> None:
        """New plugins and sites are there after a reload, sites even before."""
        agent, remote = await self.with_plugins()
        self.assertEqual((await remote.get("/plugins"))["plugins"], [])
        self.put("late/it.py", app("def start(self, *_):\n    print('late', flush=True)"))
        self.put("late/_site/index.html", b"<p>")
        self.assertEqual((await remote.ask("GET", "/_plugin/late/")).status, 200)
        await self.hang_up(agent)
        await agent.hears(lambda: b"late\n" in agent.out, "plugin")

    async def test_large(self) -> None:
        """A large file arrives whole."""
        data = os.urandom(16 << 20)
        self.put("it/_site/large.bin", data)
        _, remote = await self.with_plugins()
        answer = await remote.ask("GET", "/_plugin/it/large.bin")
        self.assertEqual(hashlib.sha256(answer.body).digest(), hashlib.sha256(data).digest())

    async def test_nothingWritten(self) -> None:
        """Nothing is written into a plugins folder."""
        self.put("it/pack/__init__.py", "from .inner import It\n__all__ = ['It']")
        self.put("it/pack/inner.py", plugin())
        before = sorted(self.plugins.rglob("*"))
        await self.with_plugins(env={"PYTHONDONTWRITEBYTECODE": ""})
        self.assertEqual(sorted(self.plugins.rglob("*")), before)
