"""
Tests of L{smartmob.source.sources}: in any order.
"""

from __future__ import annotations

import hashlib
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.errors import SourceError, SourceUnavailable
from smartmob.source.release import Release
from smartmob.source.removal import remove_tree
from tests.support.disks import SlowDisk
from tests.support.sourcing import (
    Bench,
    begin_unpacking,
    end_unpacking,
    refuse_unpacking,
)

A = hashlib.sha256(b"a").hexdigest()


class Asked:
    """
    A release that was asked for.
    """

    def __init__(self, deferred: Deferred[Release]) -> None:
        self.deferred = deferred
        self.outcome: Release | Failure | None = None
        self.cancelled = False
        deferred.addBoth(self._note)

    def _note(self, outcome: Release | Failure) -> None:
        self.outcome = outcome


class SourcesMachine(RuleBasedStateMachine):
    """
    Releases are asked for, abandoned and dropped while downloads, unpackers and disks
    take their time: nobody loses what he has, and in the end nothing is left.
    """

    asked: Bundle[Asked] = Bundle("asked")

    @initialize()
    def begin(self) -> None:
        """
        Start.
        """
        self.disk = SlowDisk()
        self.case = SynchronousTestCase("__init__")
        self.bench = Bench(self.case.mktemp(), self.disk)
        self.bench.sources.startService()
        self.disk.work_all()
        self.all: list[Asked] = []
        self.used: list[Release] = []

    @rule(
        target=asked,
        app=st.sampled_from(["one", "two"]),
        url=st.sampled_from(["http://host/a", "http://host/b", "http://host/c"]),
        sha256=st.sampled_from([None, None, None, A]),
    )
    def ask(self, app: str, url: str, sha256: str | None) -> Asked:
        """
        Ask for a release.
        """
        asked = Asked(self.bench.release(app, url, sha256))
        self.all.append(asked)
        return asked

    @rule(asked=consumes(asked))
    def leave(self, asked: Asked) -> None:
        """
        Have it no longer: cancelled, or dropped.
        """
        if asked.outcome is None:
            asked.cancelled = True
            asked.deferred.cancel()
        elif isinstance(asked.outcome, Release):
            self.drop(asked)

    def drop(self, asked: Asked) -> None:
        """
        Drop what was released.
        """
        assert isinstance(asked.outcome, Release)
        release, asked.outcome = asked.outcome, Failure(CancelledError())
        self.bench.sources.drop(release, "x")

    @rule(data=st.data(), content=st.sampled_from([b"a", b"a", b"b", None]))
    def end_fetch(self, data: st.DataObject, content: bytes | None) -> None:
        """
        A download ends.
        """
        going = [fetch for fetch in self.bench.fetcher.fetches if not fetch.over]
        if going:
            fetch = data.draw(st.sampled_from(going))
            if fetch.ending is not None:
                fetch.ending.callback(None)
            elif content is None:
                fetch.done.errback(SourceUnavailable("later"))
            else:
                fetch.done.callback(content)

    @rule(data=st.data(), good=st.booleans())
    def step_unpacker(self, data: st.DataObject, good: bool) -> None:
        """
        An unpacker begins, or ends.
        """
        if self.bench.unpackers:
            program = data.draw(st.sampled_from(self.bench.unpackers))
            if program.was_killed:
                program.fail() if program.pid is None else program.end(signal=9)
            elif program.pid is None:
                begin_unpacking(program)
            elif good:
                end_unpacking(program)
            else:
                refuse_unpacking(program)

    @precondition(lambda self: self.disk.asked)
    @rule()
    def step_disk(self) -> None:
        """
        The disk does something.
        """
        self.disk.work()

    @invariant()
    def releases_are_there(self) -> None:
        """
        What somebody has is there.
        """
        for asked in getattr(self, "all", []):
            outcome = asked.outcome
            if isinstance(outcome, Release):
                assert os.path.isdir(outcome.path), outcome
                assert outcome.path.parent.name == outcome.app
            elif outcome is not None:
                expected = CancelledError if asked.cancelled else (SourceError, CancelledError)
                assert outcome.check(*_kinds(expected)), outcome

    def teardown(self) -> None:
        """
        When everybody left and everything ended, nothing is left.
        """
        if not hasattr(self, "all"):
            return
        for asked in self.all:
            if asked.outcome is None:
                asked.deferred.cancel()
            elif isinstance(asked.outcome, Release):
                self.drop(asked)
        for _ in range(1000):
            for fetch in self.bench.fetcher.fetches:
                if not fetch.over:
                    assert fetch.ending is not None, "a download that nobody wants"
                    fetch.ending.callback(None)
            for program in self.bench.unpackers:
                assert program.was_killed, "an unpacker that nobody wants"
                program.fail() if program.pid is None else program.end(signal=9)
            if not self.disk.asked:
                break
            self.disk.work()
        assert self.bench.found() == [], self.bench.found()
        assert self.bench.clock.getDelayedCalls() == []
        for asked in self.all:
            assert asked.outcome is not None
            assert not isinstance(asked.outcome, Release)
        assert all(p.dismissed for p in self.bench.launcher.programs)
        self.bench.sources.stopService()
        remove_tree(self.bench.path)


def _kinds(
    expected: type[BaseException] | tuple[type[BaseException], ...],
) -> tuple[type[BaseException], ...]:
    return expected if isinstance(expected, tuple) else (expected,)


class AnyOrderTests(SynchronousTestCase):
    """
    L{SourcesMachine} as a test.
    """

    def test_anyOrder(self) -> None:
        """
        In whatever order things happen, nothing is lost and nothing is left.
        """
        run = SourcesMachine.TestCase
        run.settings = settings(
            max_examples=200,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
        case = run()
        case.runTest()
