"""
The wheel, as somebody gets it who has nothing of the checkout: built, installed
into an environment of its own, and used from there from beginning to end.
"""

from __future__ import annotations

import io
import os
import signal
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import psutil
from twisted.internet import reactor
from twisted.internet.defer import DeferredQueue
from twisted.internet.interfaces import IReactorTCP
from twisted.trial.unittest import SkipTest, TestCase

from smartmob.client.api import connected
from smartmob.client.console import attach
from smartmob.client.own import OwnAgent
from smartmob.client.shelf import shelf
from smartmob.units import NAMES
from tests.support.papers import TREE
from tests.support.told_to_root import beside_local_users
from tests.support.wheels import compiler, installed, run


class WheelTests(TestCase):
    """
    One wheel, in one environment, for all tests.

    @cvar pure: Nothing was compiled for it.
    """

    timeout = 240
    pure = False

    def setUp(self) -> None:
        """
        Build and install it, unless a test before has.
        """
        if tuple(map(int, version("setuptools").split(".")[:2])) < (70, 1):
            raise SkipTest("building a wheel here needs setuptools 70.1 or newer")
        self.wheel, self.bin = installed(pure=self.pure)
        self.kind = "python" if self.pure or compiler() is None else "compiled"
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def test_contents(self) -> None:
        """
        It has all modules, the marker for type checkers, the example and the
        plugin; no tests, nothing of Twisted's, nothing of the checkout besides.
        """
        with zipfile.ZipFile(self.wheel) as archive:
            names = set(archive.namelist())
        modules = {
            str(path.relative_to(TREE))
            for path in (TREE / "smartmob").rglob("*.py")
            if not path.is_relative_to(TREE / "smartmob" / "hello")
        }
        self.assertEqual(modules - names, set())
        data = ("py.typed", "web/sign_in_page.html")
        for name in (*data, "hello/Procfile", "hello/web.py", "hello/clock.py"):
            self.assertIn(f"smartmob/{name}", names)
        self.assertEqual(
            [name for name in names if name.startswith("twisted/")],
            ["twisted/plugins/smartmob_plugin.py"],
        )
        tops = {name.partition("/")[0] for name in names}
        data_of, info = sorted(tops - {"smartmob", "twisted"})
        self.assertTrue(data_of.endswith(".data"), data_of)
        self.assertTrue(info.endswith(".dist-info"), info)

    def test_units(self) -> None:
        """
        The units for systemd are installed beside other data, and shown with the path of the
        twistd of that environment.
        """
        twistd = self.bin / "twistd"  # which Twisted brings, where it is not another's
        twistd.touch(0o755)
        self.addCleanup(twistd.unlink)
        share = self.bin.parent / "share" / "smartmob" / "systemd"
        self.assertEqual({path.name for path in share.iterdir()}, set(NAMES))
        for name in NAMES:
            shown = run(self.bin / "smartmob-agent", "--print-unit", name, cwd=self.folder)
            plain = (share / name).read_text()
            self.assertEqual(shown, plain.replace("ExecStart=twistd ", f"ExecStart={twistd} "))

    def test_compiled(self) -> None:
        """
        There are an executable and a library in it, for all Pythons on machines of a kind, or
        it is for all machines.
        """
        if self.kind == "python":
            self.assertTrue(self.wheel.stem.endswith("-py3-none-any"), self.wheel)
        else:
            self.assertRegex(self.wheel.stem, "-py3-none-linux_[a-z0-9_]+$")
        products = ("launch/compiled/smartmob-guardian", "lines/compiled/frames.so")
        with zipfile.ZipFile(self.wheel) as archive:
            modes = {
                name: archive.getinfo(name).external_attr >> 16 & 0o777
                for name in archive.namelist()
                if "/compiled/" in name
            }
        made = () if self.kind == "python" else products
        self.assertEqual(modes, {f"smartmob/{product}": 0o755 for product in made})
        if not self.pure and compiler() is None:
            raise SkipTest("no C compiler on this machine, so no wheel with what it makes")

    def test_programs(self) -> None:
        """
        Its programs are there, say the same version, and are those of the wheel.
        """
        where = "import smartmob; print(smartmob.__file__)"
        found = Path(run(self.bin / "python", "-c", where, cwd=self.folder).strip())
        self.assertTrue(found.is_relative_to(self.bin.parent), found)
        known = f"smartmob {version('smartmob')}"
        for program, kind in (
            ("smartmob-agent", f" (guardian: {self.kind}, frames: {self.kind})"),
            ("smartmob", ""),
        ):
            said = run(self.bin / program, "--version", cwd=self.folder)
            self.assertEqual(said, f"{known}{kind}\n")

    def test_unusable(self) -> None:
        """
        The agent does without the executable where it can't be executed, and without the
        library where it can't be loaded.
        """
        for path in self.bin.parent.rglob("smartmob-guardian"):
            self.addCleanup(path.chmod, 0o755)
            path.chmod(0o644)
        for path in self.bin.parent.rglob("frames.so"):
            self.addCleanup(path.write_bytes, path.read_bytes())
            path.write_bytes(b"no library")
        said = run(self.bin / "smartmob-agent", "--version", cwd=self.folder)
        kinds = "(guardian: python, frames: python)"
        self.assertEqual(said, f"smartmob {version('smartmob')} {kinds}\n")

    def test_plugin(self) -> None:
        """
        twistd and twist have found the agent.
        """
        for module in ("twisted.scripts.twistd", "twisted.application.twist"):
            code = f"from {module} import run; run()"
            if module.endswith("twist"):
                code = "from twisted.application.twist._twist import Twist; Twist.main()"
            listed = run(self.bin / "python", "-c", code, "--help", cwd=self.folder)
            self.assertIn("smartmob ", listed)

    async def test_endToEnd(self) -> None:
        """
        A program comes from an archive, its lines arrive, it comes back when it is
        killed, and after it is deleted and the agent has ended nothing is left.
        """
        said: list[str] = []
        agent = OwnAgent(said.append)
        state = self.folder / "state"
        options = ["--bind", "127.0.0.1:0", "--state-dir", str(state)]
        transport = reactor.spawnProcess(
            agent,
            str(self.bin / "smartmob-agent"),
            ["smartmob-agent", *options],
            env={"PATH": os.defpath},
            path="/",
        )
        self.addCleanup(agent.signal, "KILL")
        url = await agent.listening
        lines: DeferredQueue[str] = DeferredQueue()
        async with (
            shelf(IReactorTCP(reactor), "app.tar", application()) as source_url,
            connected(reactor, url) as remote,
        ):
            index = await remote.get(f"{url}/")
            request = {"app": "x", "node": "web.0", "process_type": "web"}
            process = await remote.post(index["create"], {**request, "source_url": source_url})
            closed = await attach(reactor, process["attach"] + "?tail=10", lines.put)
            first = int((await lines.get()).removeprefix("I am "))
            os.kill(first, signal.SIGKILL)
            second = int((await lines.get()).removeprefix("I am "))
            self.assertNotEqual(first, second)
            status = await remote.get(process["status"])
            self.assertEqual((status["state"], status["pid"]), ("running", second))
            self.assertEqual(status["restarts"], 1)
            self.assertEqual(status["last_exit"]["signal"], "KILL")
            self.assertEqual(await remote.post(process["delete"], {}), {})
            self.assertEqual(str(await closed), "process deleted")
            self.assertEqual(await remote.get(index["list"]), {"processes": []})
        for pid in (first, second):
            self.assertFalse(psutil.pid_exists(pid))
        self.assertEqual(list((state / "releases").glob("*")), [])
        helpers = psutil.Process(transport.pid).children(recursive=True)
        agent.signal("INT")
        self.assertEqual(await agent.ended, 0)
        self.assertEqual([each for each in helpers if each.is_running()], [])
        self.assertEqual(
            beside_local_users("".join(f"{line}\n" for line in said).encode()), b""
        )


class PureWheelTests(WheelTests):
    """
    The same of a wheel that was built where there is no compiler.
    """

    pure = True


def application() -> bytes:
    """
    An archive of a program that says its pid, and stays.
    """
    procfile = b"web: echo I am $$; exec sleep 1000\n"
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        entry = tarfile.TarInfo("Procfile")
        entry.size = len(procfile)
        archive.addfile(entry, io.BytesIO(procfile))
    return memory.getvalue()
