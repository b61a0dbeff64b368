"""
Tests of sources as a whole: a real server, real unpackers, real threads.
"""

from __future__ import annotations

import hashlib
import os

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorProcess
from twisted.python.filepath import FilePath
from twisted.trial.unittest import TestCase

from smartmob.documents import State
from smartmob.launch.interfaces import ILauncher
from smartmob.launch.launcher import Launcher
from smartmob.source.errors import SourceError, SourceRefused, SourceUnavailable
from smartmob.source.keeping import Keep
from smartmob.source.limits import SourceLimits
from smartmob.source.release import Release
from smartmob.source.sources import Sources
from tests.support.archives import file, of_app, tar
from tests.support.http_origin import Exchange, Origin
from tests.support.living import until
from tests.support.spawning import SpawningLauncher


class WholeMixin:
    """
    What must hold whoever starts the unpackers.
    """

    path: str
    origin: Origin
    sources: Sources

    async def begin(self, case: TestCase, launcher: ILauncher) -> None:
        """
        Start a server, and sources.
        """
        self.case = case
        self.path = os.path.abspath(case.mktemp())
        self.origin = Origin(reactor)
        self.launched = launcher
        self.start()

    def start(self, *keep: tuple[str, str]) -> None:
        """
        Start sources, that keep some releases.
        """
        limits = SourceLimits(unpacked_bytes=10_000_000, entries=500)
        self.sources = Sources(reactor, self.launched, FilePath(self.path), limits)
        self.sources.keep = Keep(releases=frozenset(keep))
        self.sources.startService()

    async def end(self) -> None:
        """
        Stop them.
        """
        await self.sources.stopService()
        await self.origin.stop()

    def release(self, url: str, app: str = "app") -> Deferred[Release]:
        """
        Ask for a release.
        """
        self.states: list[State] = []
        return self.sources.release(app, "slug", url, None, "id-1", self.states.append)

    def found(self) -> list[str]:
        """
        What there is in the state folder.
        """
        return sorted(
            os.path.relpath(os.path.join(parent, name), self.path)
            for parent, folders, files in os.walk(self.path)
            for name in (*folders, *files)
        )

    async def failure(self, url: str) -> SourceError:
        """
        Why there is no release.
        """
        try:
            await self.release(url)
        except SourceError as error:
            return error
        raise self.case.failureException("there is a release")

    async def check_life(self) -> None:
        """
        A release comes, is shared, is written to by its programs, and goes.
        """
        archive = of_app([file(".env", b"A=1\n"), file("d/f")], top="app-1/")
        digest = hashlib.sha256(archive).hexdigest()
        url = self.origin.serve("/app.tar.gz", archive)
        releases = await gatherResults([self.release(url) for _ in range(10)])
        self.case.assertEqual(len(self.origin.requests), 1)
        self.case.assertEqual(self.states, [State.DOWNLOADING, State.UNPACKING])
        root = f"releases/app/{digest}"
        for release in releases:
            self.case.assertEqual(str(release.path), f"{self.path}/{root}/app-1")
            self.case.assertEqual(release.procfile, b"web: ./run\n")
            self.case.assertEqual(release.dotenv, b"A=1\n")
        os.makedirs(release.path / "made/by/it")
        os.chmod(release.path / "made/by", 0)
        for release in releases:
            self.case.assertTrue(os.path.exists(release.path / "d/f"))
            await self.sources.drop(release, "slug")
        self.case.assertEqual(self.found(), ["archives", "downloads", "releases"])

    async def check_failures(self) -> None:
        """
        Of what fails, nothing is left.
        """
        plain = tar(file("README"))
        for url, kind, why in (
            (self.origin.serve("/html", b"<html>404</html>" * 50), SourceRefused, "HTML page"),
            (self.origin.serve("/cut", of_app()[:50]), SourceRefused, "damaged archive"),
            (self.origin.serve("/plain", plain), SourceRefused, "no Procfile"),
            (self.origin.serve("/bad", tar(file("../x"))), SourceRefused, "'../x' leads out"),
            (self.origin.serve("/busy", b"", code=503), SourceUnavailable, "answered 503"),
            (self.origin.url("/none"), SourceRefused, "answered 404"),
            ("http://...", SourceRefused, "the source URL has no valid host"),
        ):
            with self.case.subTest(url=url):
                error = await self.failure(url)
                self.case.assertIs(type(error), kind)
                self.case.assertIn(why, error.reason)
                self.case.assertEqual(self.found(), ["archives", "downloads", "releases"])

    async def check_abandoned(self) -> None:
        """
        Of what is abandoned, nothing is left: no connection, no process, no file.
        """
        head = b"HTTP/1.1 200 X\r\nContent-Length: 500\r\n\r\nx"
        url = self.origin.script("/slow", lambda exchange: exchange.send(head))
        coming = self.origin.next_request()
        asked = self.release(url)
        exchange: Exchange = await coming
        await self.cancelled(asked)
        await exchange.lost
        self.case.assertEqual(self.found(), ["archives", "downloads", "releases"])
        large = of_app([file(f"f{n}", os.urandom(90_000)) for n in range(100)])
        url = self.origin.serve("/large", large)
        unpacking: Deferred[None] = Deferred()

        def progress(state: State) -> None:
            if state is State.UNPACKING:
                # Not from within: what calls it is not to be cancelled then.
                reactor.callLater(0, unpacking.callback, None)

        asked = self.sources.release("app", "slug", url, None, "id-1", progress)
        await unpacking
        await self.cancelled(asked)
        self.case.assertEqual(self.found(), ["archives", "downloads", "releases"])

    async def check_restart(self) -> None:
        """
        Releases are there for the next sources on the same folder, with all that is in them;
        what nobody needs any more is removed meanwhile.
        """
        files = [file(f"f{n}", os.urandom(1_000)) for n in range(100)]
        names = []
        for app, top in (("one", "top/"), ("two", ""), ("gone", "")):
            url = self.origin.serve(f"/{app}.tar.gz", of_app(files, top=top))
            release = await self.release(url, app)
            (release.path / "written").write_text(app)
            names.append((app, release.name))
        requests = len(self.origin.requests)
        await self.sources.stopService()
        self.start(*names[:2])
        asked = [self.sources.restored(*name, "slug") for name in names for _ in range(3)]
        found = await gatherResults(asked)
        for each in found[:6]:
            assert each is not None
            self.case.assertEqual((each.path / "written").read_text(), each.app)
            self.case.assertEqual(each.procfile, b"web: ./run\n")
            self.case.assertEqual(len(os.listdir(each.path)), 102)
            await self.sources.drop(each, "slug")
        self.case.assertEqual(found[6:], [None] * 3)
        self.case.assertEqual(len(self.origin.requests), requests)
        await self.sources.stopService()
        os.makedirs(f"{self.path}/releases/left/by/a/crash")
        self.start()
        nothing = ["archives", "downloads", "releases"]
        await until(lambda: self.found() == nothing, "what is left to go")

    async def cancelled(self, asked: Deferred[Release]) -> None:
        """
        Cancel, and wait until that is over.
        """
        asked.cancel()
        try:
            await asked
        except CancelledError:
            return
        raise self.case.failureException("it was not cancelled")


class SpawnedTests(WholeMixin, TestCase):
    """
    With unpackers that the reactor starts.
    """

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        """
        Begin.
        """
        await self.begin(self, ILauncher(SpawningLauncher(IReactorProcess(reactor))))

    async def tearDown(self) -> None:  # type: ignore[override]  # as above
        """
        End.
        """
        await self.end()

    async def test_life(self) -> None:
        """
        A release comes, is shared, and goes.
        """
        await self.check_life()

    async def test_restart(self) -> None:
        """
        Releases outlive the sources that made them.
        """
        await self.check_restart()

    async def test_failures(self) -> None:
        """
        Of what fails, nothing is left.
        """
        await self.check_failures()

    async def test_abandoned(self) -> None:
        """
        Of what is abandoned, nothing is left.
        """
        await self.check_abandoned()


class LaunchedTests(WholeMixin, TestCase):
    """
    With unpackers that the launcher starts.
    """

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        """
        Begin.
        """
        self.launcher = Launcher(reactor)
        self.launcher.startService()
        await self.begin(self, ILauncher(self.launcher))

    async def tearDown(self) -> None:  # type: ignore[override]  # as above
        """
        End.
        """
        await self.end()
        await self.launcher.stopService()

    async def test_life(self) -> None:
        """
        A release comes, is shared, and goes.
        """
        await self.check_life()

    async def test_restart(self) -> None:
        """
        Releases outlive the sources that made them.
        """
        await self.check_restart()

    async def test_failures(self) -> None:
        """
        Of what fails, nothing is left.
        """
        await self.check_failures()

    async def test_abandoned(self) -> None:
        """
        Of what is abandoned, nothing is left.
        """
        await self.check_abandoned()
