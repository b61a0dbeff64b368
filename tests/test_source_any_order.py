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
from smartmob.source.keeping import Keep
from smartmob.source.release import Release
from smartmob.source.removal import remove_tree
from smartmob.source.syncing import SOON
from tests.support.disks import SlowDisk
from tests.support.sourcing import (
    Bench,
    begin_unpacking,
    end_unpacking,
    refuse_unpacking,
)

A = hashlib.sha256(b"a").hexdigest()


Key = tuple[str, str]


class Asked:
    """
    A release that was asked for.

    @ivar none: There was none from before.
    """

    def __init__(self, deferred: Deferred[Release] | Deferred[Release | None]) -> None:
        self.deferred = deferred
        self.outcome: Release | Failure | None = None
        self.cancelled = self.none = False
        deferred.addBoth(self._note)

    def _note(self, outcome: Release | Failure | None) -> None:
        self.none = outcome is None
        self.outcome = Failure(CancelledError()) if outcome is None else outcome


class SourcesMachine(RuleBasedStateMachine):
    """
    Releases are asked for, abandoned and dropped while downloads, unpackers and disks
    take their time, and agents are killed: nobody loses what he has, also not to the next
    agent, and in the end nothing is left.
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
        self.records: list[Key] = []
        self.expected: dict[Asked, Key] = {}
        self.gone: set[Key] = set()

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
        if asked not in self.all:
            return  # it was another agent's
        if asked.outcome is None:
            asked.cancelled = True
            key = self.expected.pop(asked, None)
            asked.deferred.cancel()
            if key is not None:
                self.records.append(key)
        elif isinstance(asked.outcome, Release):
            self.drop(asked)

    def drop(self, asked: Asked) -> None:
        """
        Drop what was released.
        """
        assert isinstance(asked.outcome, Release)
        release, asked.outcome = asked.outcome, Failure(CancelledError())
        self.gone.add((release.app, release.name))
        self.bench.sources.drop(release, "x")

    @precondition(lambda self: any(isinstance(each.outcome, Release) for each in self.all))
    @rule()
    def kill(self) -> None:
        """
        The agent is killed, and another begins.
        """
        had = [asked.outcome for asked in self.all]
        self.records += [(each.app, each.name) for each in had if isinstance(each, Release)]
        self.records += [self.expected[each] for each in self.all if each in self.expected]
        self.all.clear()
        self.expected.clear()
        self.disk.asked.clear()
        self.gone.clear()
        self.bench = Bench(self.bench.path, self.disk)
        self.bench.sources.keep = Keep(releases=frozenset(self.records))
        self.bench.sources.startService()

    @precondition(lambda self: self.records)
    @rule(target=asked)
    def restore(self) -> Asked:
        """
        Ask for what a record names.
        """
        key = self.records.pop(0)
        asked = Asked(self.bench.restored(key[1], key[0]))
        self.all.append(asked)
        self.expected[asked] = key
        return asked

    @rule()
    def wait(self) -> None:
        """
        Time passes.
        """
        self.bench.clock.advance(SOON)

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

    @precondition(lambda self: self.disk.asked)
    @rule()
    def rest(self) -> None:
        """
        The disk does all that it has to.
        """
        self.disk.work_all()

    @precondition(lambda self: not any(fetch.over for fetch in self.bench.fetcher.fetches))
    @rule(target=asked)
    def make(self) -> Asked:
        """
        Ask for a release, which comes.
        """
        asked = Asked(self.bench.release("one", "http://host/a"))
        self.all.append(asked)
        self.disk.work_all()
        for fetch in self.bench.fetcher.fetches:
            if not fetch.over and fetch.ending is None:
                fetch.done.callback(b"a")
                self.disk.work_all()
        for program in list(self.bench.unpackers):
            if not program.was_killed:
                if program.pid is None:
                    begin_unpacking(program)
                end_unpacking(program)
                self.disk.work_all()
        return asked

    @invariant()
    def releases_are_there(self) -> None:
        """
        What somebody has is there.
        """
        for asked in getattr(self, "all", []):
            outcome = asked.outcome
            if outcome is not None:
                key = self.expected.pop(asked, None)
                assert not asked.none or key is None or key in self.gone, "it was lost"
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
        while self.records:
            self.restore()
        for asked in self.all:
            # Who has a record waits: to leave would leave what there is, for the next agent.
            if asked.outcome is None and asked not in self.expected:
                asked.deferred.cancel()
        for _ in range(1000):
            for asked in self.all:
                if isinstance(asked.outcome, Release):
                    self.drop(asked)
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
