"""
A source of releases in memory: downloads and unpackers do what a test tells them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.filepath import FilePath

from smartmob.documents import State
from smartmob.launch.interfaces import ILauncher
from smartmob.source.disk import Worker
from smartmob.source.limits import SourceLimits
from smartmob.source.release import Release
from smartmob.source.sources import Sources
from tests.support.launching import FakeLauncher, FakeProgram


class FakeFetch:
    """
    A download under way.

    @ivar ending: Set when it was cancelled; fire it to let it be over.
    """

    def __init__(self, url: str, path: str, request_id: str) -> None:
        self.url = url
        self.path = path
        self.request_id = request_id
        self.done: Deferred[bytes] = Deferred()
        self.ending: Deferred[None] | None = None
        self.over = False

    async def run(self) -> str:
        """
        Wait for the test.
        """
        with open(self.path, "wb") as file:
            file.write(b"partly")
        try:
            data = await self.done
        except CancelledError:
            self.ending = Deferred()
            await self.ending
            raise
        finally:
            self.over = True
        with open(self.path, "wb") as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()


class FakeFetcher:
    """
    Downloads nothing.

    @ivar fetches: All that was asked, in order.
    """

    def __init__(self) -> None:
        self.fetches: list[FakeFetch] = []

    async def fetch(self, url: str, path: str, request_id: str) -> str:
        """
        Note it.
        """
        fetch = FakeFetch(url, path, request_id)
        self.fetches.append(fetch)
        return await fetch.run()


class Bench:
    """
    Sources on a folder, with all around them fake.
    """

    def __init__(
        self,
        path: str,
        disk: Worker,
        boot: str = "this boot",
        limits: SourceLimits | None = None,
    ) -> None:
        self.path = os.path.abspath(path)
        self.clock = Clock()
        self.launcher = FakeLauncher(self.clock)
        self.fetcher = FakeFetcher()
        self.sources = Sources(
            self.clock,
            ILauncher(self.launcher),
            FilePath(self.path),
            limits,
            disk=disk,
            fetcher=self.fetcher,
            boot=boot,
        )

    def release(
        self,
        app: str = "app",
        url: str = "http://host/a",
        sha256: str | None = None,
        progress: Callable[[State], None] = lambda state: None,
    ) -> Deferred[Release]:
        """
        Ask for a release.
        """
        return self.sources.release(app, f"{app}.web.0", url, sha256, "id-1", progress)

    def restored(self, name: str, app: str = "app") -> Deferred[Release | None]:
        """
        Ask for a release of an earlier run.
        """
        return self.sources.restored(app, name, f"{app}.web.0")

    def found(self) -> list[str]:
        """
        All files and folders there are, the three that are always there excepted.
        """
        things = {
            os.path.relpath(os.path.join(parent, name), self.path)
            for parent, folders, files in os.walk(self.path)
            for name in (*folders, *files)
        }
        return sorted(things - {"archives", "downloads", "releases"})

    @property
    def unpackers(self) -> list[FakeProgram]:
        """
        The unpackers that run.
        """
        return [program for program in self.launcher.programs if program.running]


def folder_of(program: FakeProgram) -> str:
    """
    Where an unpacker unpacks to.
    """
    return program.command.argv[-5]


def begin_unpacking(program: FakeProgram) -> None:
    """
    Have an unpacker run, and make half of it.
    """
    assert os.path.exists(program.command.argv[-6]), "its archive is gone"
    assert not os.path.exists(folder_of(program)), "the release is there"
    program.execute()
    os.makedirs(folder_of(program) + ".tmp/half")


def end_unpacking(program: FakeProgram, procfile: bytes | None = b"web: ./run\n") -> None:
    """
    Have an unpacker succeed.
    """
    os.rename(folder_of(program) + ".tmp", folder_of(program))
    text = None if procfile is None else base64.b64encode(procfile).decode()
    report = {"home": "", "procfile": text, "dotenv": None, "network": None}
    program.output(json.dumps(report).encode())
    program.end()


def refuse_unpacking(program: FakeProgram) -> None:
    """
    Have an unpacker refuse.
    """
    program.output(b'{"error": "it is bad"}')
    program.end(1)
