"""
Whatever servers answer: those that sources come from, and those that are told of events.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from hypothesis import example, given
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS

from smartmob.names import Names
from smartmob.source.disk import Disk
from smartmob.source.errors import SourceError
from smartmob.source.fetch import Fetcher
from smartmob.source.limits import SourceLimits
from smartmob.target import Target
from smartmob.webhooks.outcome import LONGEST_RETRY_AFTER, Outcome, Result
from smartmob.webhooks.posting import HttpPosting
from tests.support.answer_grammar import answers
from tests.support.fuzzing import tries
from tests.support.http_origin import Exchange, Origin

T = TypeVar("T")

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: "


def closes(data: bytes, exchange: Exchange) -> None:
    """
    Send that, and close.
    """
    exchange.send(data)
    exchange.close()


class AnswersTests(TestCase):
    """
    A server that says anything.
    """

    timeout = 300

    def setUp(self) -> None:
        self.origin = Origin(reactor)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.origin.stop()))
        self.threads = IReactorFromThreads(reactor)
        self.disk = Disk(self.threads)
        self.disk.start()
        self.addCleanup(self.disk.stop)
        self.origin.serve("/ok", b"hello")

    async def test_sources(self) -> None:
        """An archive is downloaded, or why not is said, and nothing is left behind."""
        limits = SourceLimits(download_bytes=10_000, answer_seconds=20, idle_seconds=20)
        fetcher = Fetcher(IReactorTime(reactor), self.disk, limits)
        path = self.mktemp()

        def attempt(data: bytes) -> None:
            url = self.origin.script("/any", partial(closes, data))
            fetching = partial(fetcher.fetch, f"{url}?secret=1", path, "an-id")
            try:
                digest = self.wait(lambda: Deferred.fromCoroutine(fetching()))
            except SourceError as error:
                assert "secret" not in error.reason, error.reason
                assert error.reason.isprintable(), error.reason
                assert len(error.reason) < 500, error.reason
            else:
                with open(path, "rb") as file:
                    assert hashlib.sha256(file.read()).hexdigest() == digest
            finally:
                if os.path.exists(path):
                    os.unlink(path)
            del self.origin.requests[:]

        await deferToThread(self.all_of(attempt))
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_sinks(self) -> None:
        """What became of an event is known: it was taken, is tried again, or is dropped."""
        policy = IPolicyForHTTPS(BrowserLikePolicyForHTTPS())
        names = Names(self.threads)
        target = Target.parse(f"{self.origin.url('/any')}?secret=1")

        def post() -> Deferred[Outcome]:
            posting = HttpPosting(
                IReactorTime(reactor), target, policy, names.look_up, lambda: 1e9
            )
            return posting.begin(Headers(), b"{}").outcome

        def attempt(data: bytes) -> None:
            self.origin.script("/any", partial(closes, data))
            outcome = self.wait(post)
            assert (outcome.result is Result.DELIVERED) == (outcome.reason is None), outcome
            assert (outcome.result is Result.DELIVERED) == (outcome.status in range(200, 300))
            if outcome.result is Result.DELIVERED:
                assert b"/" in data, outcome
            if outcome.retry_after is not None:
                assert 0 <= outcome.retry_after <= LONGEST_RETRY_AFTER, outcome
            del self.origin.requests[:]

        await deferToThread(self.all_of(attempt))
        self.assertEqual(self.flushLoggedErrors(), [])

    def wait(self, call: Callable[[], Deferred[T]]) -> T:
        """In a thread, for what the reactor's gives."""
        found: T = cast(Any, blockingCallFromThread)(self.threads, call)
        return found

    def all_of(self, attempt: Callable[[bytes], None]) -> Callable[[], None]:
        """Try it with whatever there may be."""

        @tries(80)
        @given(answers)
        @example(LENGTH + b"1" * 5000 + b"\r\n\r\n")
        @example(LENGTH + b"-5\r\n\r\nhello")
        def tried(data: bytes) -> None:
            attempt(data)

        return tried
