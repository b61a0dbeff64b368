"""
Tests of L{smartmob.source.sources}: what outlives the agent.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.keeping import Keep
from smartmob.source.release import Release
from smartmob.templates import Identity
from tests.support.disks import InlineDisk, SlowDisk
from tests.support.sourcing import Bench, begin_unpacking, end_unpacking

A = hashlib.sha256(b"a").hexdigest()
B = hashlib.sha256(b"b").hexdigest()


class RestoredTests(SynchronousTestCase):
    """
    Tests of L{Sources.restored<smartmob.source.sources.Sources.restored>}.
    """

    def setUp(self) -> None:
        """
        An agent that made releases.
        """
        self.path = self.mktemp()
        self.first = self.bench = Bench(self.path, InlineDisk())
        self.bench.sources.startService()

    def make(self, app: str = "app", data: bytes = b"a", procfile: bytes = b"x: y") -> Release:
        """
        A release that is unpacked.
        """
        asked = self.bench.release(app, f"http://host/{data.decode()}")
        self.bench.fetcher.fetches[-1].done.callback(data)
        for program in self.bench.unpackers:
            begin_unpacking(program)
            end_unpacking(program, procfile)
        return self.successResultOf(asked)

    def again(
        self, *releases: tuple[str, str], apps: str = "", boot: str = "this boot"
    ) -> Bench:
        """
        The next agent, which keeps some releases.
        """
        self.bench = Bench(self.path, InlineDisk(), boot)
        keep = Keep(releases=frozenset(releases), apps=frozenset(apps.split()))
        self.bench.sources.keep = keep
        self.bench.sources.startService()
        return self.bench

    def whole(self, name: str = A, app: str = "app") -> Release:
        """
        A release that is there again.
        """
        release = self.successResultOf(self.bench.restored(name, app))
        assert release is not None
        return release

    def test_restored(self) -> None:
        """
        A release that is kept is there again, with what its programs wrote, and nothing is
        downloaded; the last one who drops it has it removed.
        """
        made = self.make(procfile=b"web: ./run\n")
        (made.path / "written").write_text("by a program")
        bench = self.again(("app", made.name))
        first, second = self.whole(), self.whole()
        self.assertEqual((first.app, first.sha256, first.name), ("app", A, A))
        self.assertEqual((first.path, first.procfile), (made.path, b"web: ./run\n"))
        self.assertEqual((first.path / "written").read_text(), "by a program")
        self.assertEqual(bench.fetcher.fetches, [])
        self.successResultOf(bench.sources.drop(first, "x"))
        self.assertTrue(second.path.is_dir())
        self.successResultOf(bench.sources.drop(second, "x"))
        self.assertEqual(bench.found(), [])
        self.assertEqual(bench.clock.getDelayedCalls(), [])

    def test_shared(self) -> None:
        """
        Who has the same bytes downloaded shares what is there, whoever comes first.
        """
        self.make()
        for asks_first in (True, False):
            bench = self.again(("app", A))
            held = self.whole() if asks_first else None
            asked = bench.release()
            bench.fetcher.fetches[-1].done.callback(b"a")
            made = self.successResultOf(asked)
            self.assertEqual(bench.launcher.programs, [])
            held = held or self.whole()
            self.assertIs(made.source, held.source)

    def test_notKept(self) -> None:
        """
        What no record uses goes at the start, and is not there for who asks.
        """
        self.make()
        self.make(data=b"b")
        self.make("other")
        bench = self.again(("app", B), ("none", A))
        self.assertEqual(
            bench.found(),
            ["releases/app", *(f"releases/app/{B}{end}" for end in ("", ".json", "/half"))],
        )
        self.assertIsNone(self.successResultOf(bench.restored(A)))
        self.assertIsNone(self.successResultOf(bench.restored(A, "none")))

    def test_apps(self) -> None:
        """
        All of an app stays where nobody knows what is needed of it, but for what is half
        made: nobody can use that.
        """
        self.make()
        for name in (f"{B}.tmp/x", "theirs"):
            os.makedirs(f"{self.path}/releases/app/{name}")
        Path(f"{self.path}/releases/app/{A}.json.tmp").touch()
        bench = self.again(apps="app")
        names = [*(f"{A}{end}" for end in ("", ".json", "/half")), "theirs"]
        stay = ["releases/app", *(f"releases/app/{name}" for name in names)]
        self.assertEqual(bench.found(), stay)
        asked = bench.release()
        bench.fetcher.fetches[-1].done.callback(b"a")
        release = self.successResultOf(asked)
        self.successResultOf(bench.sources.drop(release, "x"))
        self.assertEqual(bench.found(), stay)
        self.whole()

    def test_otherUser(self) -> None:
        """
        A release is of the user whose programs use it: others do not get it.
        """
        self.make()
        bench = self.again(("app", A))
        identity = Identity(uid=4711, gid=4711)
        for name in (A, f"{A}-4711-4711"):
            asked = bench.sources.restored("app", name, "x", identity)
            self.assertIsNone(self.successResultOf(asked))
        self.whole()

    def spoil(self, spoil: Callable[[Path], object]) -> None:
        """
        Assert that a release is not whole when something has been done to its manifest, that
        nothing is left of it, and that it can be made anew.
        """
        self.bench = Bench(self.path, InlineDisk())
        self.bench.sources.startService()
        self.make()
        spoil(Path(f"{self.path}/releases/app/{A}.json"))
        bench = self.again(("app", A))
        self.assertIsNone(self.successResultOf(bench.restored(A)))
        self.assertEqual(bench.found(), [])
        self.make()
        self.assertTrue(os.path.isfile(f"{self.path}/releases/app/{A}.json"))

    def test_damaged(self) -> None:
        """
        A damaged manifest costs its release.
        """

        def changed(**more: object) -> Callable[[Path], object]:
            return lambda path: path.write_text(
                json.dumps({**json.loads(path.read_text()), **more})
            )

        def without(key: str) -> Callable[[Path], object]:
            def spoil(path: Path) -> None:
                document = json.loads(path.read_text())
                del document[key]
                path.write_text(json.dumps(document))

            return spoil

        def link(path: Path) -> None:
            path.rename(f"{path}.was")
            path.symlink_to(f"{path}.was")

        def folder(path: Path) -> None:
            path.unlink()
            path.mkdir()

        for spoil in (
            lambda path: path.write_text(""),
            lambda path: path.write_text("[" * 100_000),
            lambda path: path.write_text("[]"),
            lambda path: path.write_bytes(b"\xff" * 1000),
            lambda path: path.write_bytes(bytes(5 << 20)),
            lambda path: path.write_text(path.read_text()[:-1]),
            link,
            folder,
            changed(schema=2),
            changed(schema="1"),
            changed(sha256=B),
            changed(home=".."),
            changed(home="a/b"),
            changed(home=None),
            changed(procfile="?"),
            changed(procfile=None),
            changed(boot_id=None),
            changed(synced=1),
            *map(without, ("schema", "sha256", "home", "procfile", "dotenv", "boot_id")),
            without("synced"),
        ):
            self.spoil(spoil)

    def test_allHear(self) -> None:
        """
        All who wait hear that a release is not whole; it is made once, for those who can
        have it made.
        """
        self.make()
        os.unlink(f"{self.path}/releases/app/{A}.json")
        disk = SlowDisk()
        bench = Bench(self.path, disk)
        bench.sources.keep = Keep(releases=frozenset([("app", A)]))
        bench.sources.startService()
        asked = [bench.release(), bench.release(), bench.release(url="http://host/other")]
        disk.work_all()
        for fetch in bench.fetcher.fetches:
            fetch.done.callback(b"a")
        without = [bench.restored(A) for _ in range(3)]
        disk.work_all()
        for each in without:
            self.assertIsNone(self.successResultOf(each))
        [program] = bench.unpackers
        begin_unpacking(program)
        end_unpacking(program)
        disk.work_all()
        self.assertEqual(len({self.successResultOf(each).source for each in asked}), 1)

    def test_secret(self) -> None:
        """
        A manifest is for the agent alone: it has the .env.
        """
        self.make()
        path = f"{self.path}/releases/app/{A}.json"
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)

    def test_cancelled(self) -> None:
        """
        Who leaves before it is known whether a release is whole leaves it as it is; who
        shared the wait has it.
        """
        self.make()
        disk = SlowDisk()
        bench = Bench(self.path, disk)
        bench.sources.keep = Keep(releases=frozenset([("app", A)]))
        bench.sources.startService()
        before = bench.restored(A)
        before.cancel()
        self.failureResultOf(before, CancelledError)
        disk.work_all()
        alone = bench.restored(A)
        alone.cancel()
        disk.work_all()
        self.failureResultOf(alone, CancelledError)
        first, second = bench.restored(A), bench.restored(A)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        disk.work_all()
        release = self.successResultOf(second)
        assert release is not None
        self.assertTrue(release.path.is_dir())

    def test_stop(self) -> None:
        """
        So does an agent that ends.
        """
        self.make()
        disk = SlowDisk()
        bench = Bench(self.path, disk)
        bench.sources.keep = Keep(releases=frozenset([("app", A)]))
        bench.sources.startService()
        disk.work_all()
        asked = bench.restored(A)
        stopped = bench.sources.stopService()
        disk.work_all()
        self.failureResultOf(asked, CancelledError)
        self.successResultOf(stopped)
        self.again(("app", A))
        self.whole()
