"""
Tests of L{smartmob.source.sources}: an agent that is killed, at whatever moment.
"""

from __future__ import annotations

import gc
import hashlib
import os
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.keeping import Keep
from smartmob.source.release import Release
from smartmob.source.removal import remove_tree
from smartmob.source.syncing import SOON
from smartmob.source.upload import Stored
from tests.support.disks import InlineDisk
from tests.support.sourcing import Bench, begin_unpacking, end_unpacking
from tests.support.sourcing_killed import Killed, Killing
from tests.support.uploading import FakeSender, digest

A = hashlib.sha256(b"a").hexdigest()
FILES = ("half", "Procfile", "d/e/f")


def make(bench: Bench, data: bytes = b"a") -> Release:
    """
    Make a release, of several files.
    """
    asked = bench.release(url=f"http://host/{data.decode()}")
    bench.fetcher.fetches[-1].done.callback(data)
    for program in bench.unpackers:
        begin_unpacking(program)
        half = Path(program.command.argv[-5] + ".tmp")
        (half / "d/e").mkdir(parents=True)
        for name in FILES[1:]:
            (half / name).touch()
        end_unpacking(program)
    return result(asked)


def result(asked: Deferred[Release] | Deferred[Release | None]) -> Release:
    """
    The release that is there.
    """
    asked.addErrback(lambda failure: failure.trap(Killed) and None)
    release = asked.result
    if release is None:
        raise Killed
    assert isinstance(release, Release)
    return release


class Life:
    """
    The life of a release, until the agent is killed.

    @ivar needed: Somebody has it.
    @ivar lasting: It outlasts the machine's losing its power.
    @ivar over: It lived to its end.
    """

    def __init__(self, path: str) -> None:
        self.bench = Bench(path, InlineDisk())
        self.needed = self.lasting = self.over = False

    def live(self) -> None:
        """
        Begin, and go on as long as that goes.
        """
        self.bench.sources.startService()
        release = make(self.bench)
        self.needed = True
        self.bench.clock.advance(SOON)
        self.lasting = release.source.synced
        self.needed = False
        dropped = self.bench.sources.drop(release, "x")
        self.lasting = False
        dropped.addErrback(lambda failure: failure.trap(Killed))
        self.over = True


class KilledTests(SynchronousTestCase):
    """
    What the next agent makes of it.
    """

    def tearDown(self) -> None:
        """
        What failed in a dead agent is of no interest.
        """
        gc.collect()
        self.flushLoggedErrors(Killed)

    def next(self, path: str, boot: str = "this boot") -> Bench:
        """
        The next agent: its records name a release.
        """
        bench = Bench(path, InlineDisk(), boot)
        bench.sources.keep = Keep(releases=frozenset([("app", A)]))
        bench.sources.startService()
        return bench

    def check(self, bench: Bench) -> bool:
        """
        Assert that a release is there as a whole, or not at all and can be made.

        @return: It was there.
        """
        found = self.successResultOf(bench.restored(A))
        if found is None:
            self.assertEqual(bench.found(), [])
            release = make(bench)
        else:
            release = found
            self.assertEqual(release.procfile, b"web: ./run\n")
        for name in FILES:
            self.assertTrue((release.path / name).exists(), name)
        self.successResultOf(bench.sources.drop(release, "x"))
        self.assertEqual(bench.found(), [])
        return found is not None

    def test_release(self) -> None:
        """
        A release that somebody had is there after whatever end of the agent, and after that
        of the machine once it was synced; and it is never there by half.
        """
        there, lasting = [], []
        for most in range(200):
            for boot in ("this boot", "next boot"):
                path = self.mktemp()
                life = Life(path)
                with Killing(most) as killing:
                    life.live()
                whole = self.check(self.next(path, boot))
                if boot == "this boot":
                    self.assertTrue(whole or not life.needed, most)
                    there.append(whole)
                else:
                    self.assertTrue(whole or not life.lasting, most)
                    lasting.append(whole)
                remove_tree(path)
            if not killing.over:
                break
        self.assertTrue(life.over)
        self.assertLess(sum(lasting), sum(there))
        self.assertGreater(sum(lasting), 0)

    def test_start(self) -> None:
        """
        Nor does one that is killed while it cleans up lose what is kept, or leave more than
        the next one finds.
        """
        for most in range(200):
            path = self.mktemp()
            life = Bench(path, InlineDisk())
            life.sources.startService()
            for data in (b"a", b"b"):
                make(life, data)
            for name in ("releases/other/x/y", "releases/app/x.tmp/d", "downloads/1"):
                os.makedirs(f"{path}/{name}")
            Path(f"{path}/archives/7.part").touch()
            with Killing(most) as killing:
                self.next(path)
            bench = self.next(path)
            self.assertEqual(set(os.listdir(path)), {"archives", "downloads", "releases"})
            self.assertEqual(os.listdir(f"{path}/archives"), [])
            self.assertTrue(self.check(bench))
            remove_tree(path)
            if not killing.over:
                break
        self.assertGreater(most, 5)

    def test_archive(self) -> None:
        """
        An archive that was acknowledged is there, and none is there by half.
        """
        kept = set()
        for most in range(50):
            path = self.mktemp()
            bench = Bench(path, InlineDisk())
            stored: list[Stored] = []
            with Killing(most) as killing:
                bench.sources.startService()
                upload = bench.sources.archives.receive(None, FakeSender(), list)
                upload.write(b"all of it")
                upload.finish().addCallbacks(stored.append, lambda why: why.trap(Killed))
            found = os.listdir(f"{self.next(path).path}/archives")
            self.assertIn(found, ([], [digest(b"all of it")]))
            self.assertTrue(found or not stored, most)
            for name in found:
                self.assertEqual(Path(f"{path}/archives/{name}").read_bytes(), b"all of it")
            kept.add(len(found))
            remove_tree(path)
            if not killing.over:
                break
        self.assertEqual(kept, {0, 1})
