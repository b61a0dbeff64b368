"""
Tests of the queue of a URL: L{smartmob.webhooks.queue}, L{smartmob.webhooks.delivering}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smartmob.webhooks.outcome import LONGEST_RETRY_AFTER, failed, unreadable
from smartmob.webhooks.queue import HURRIED_DELAY, MOST, MOST_BYTES, QUIET_SECONDS
from tests.support.hooking import Logged
from tests.support.postings import Bench, encoded


class OrderTests(SynchronousTestCase):
    """
    One event after the other.
    """

    def setUp(self) -> None:
        self.bench = Bench()

    def test_laterTurn(self) -> None:
        """
        Nothing is sent in the midst of what happens, only on a later turn of the reactor.
        """
        self.bench.machine.add(encoded(1))
        self.assertEqual(self.bench.postings, [])
        self.bench.clock.advance(0)
        self.assertEqual(self.bench.tried, [1])

    def test_oneAtATime(self) -> None:
        """
        The next is sent when the one before was delivered, in their order.
        """
        self.bench.add(1, 2, 3)
        self.assertEqual(self.bench.tried, [1])
        self.bench.answer(200)
        self.assertEqual(self.bench.tried, [1, 2])
        self.bench.answer(204)
        self.bench.answer(299)
        self.assertEqual(self.bench.tried, [1, 2, 3])
        self.assertEqual((self.bench.rests, self.bench.queue.counts.delivered), (1, 3))
        self.bench.add(4)
        self.assertEqual(self.bench.tried, [1, 2, 3, 4])

    def test_deliveryId(self) -> None:
        """
        Each event has an id of its own as a delivery, the same in all its tries.
        """
        self.bench.add(1, 2)
        self.bench.answer(500)
        self.bench.clock.advance(1)
        self.bench.answer(200)
        ids = [posting.delivery.id for posting in self.bench.postings]
        self.assertEqual(ids, ["delivery-1", "delivery-1", "delivery-2"])

    def test_idle(self) -> None:
        """
        Where nothing waits there is no timer.
        """
        self.bench.add(1)
        self.bench.answer(200)
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])
        self.assertIsNone(self.bench.queue.due)

    def test_broken(self) -> None:
        """
        A try that fails by a defect is logged, and made again.
        """
        self.bench.add(1)
        self.bench.postings[-1].outcome.errback(RuntimeError("a defect"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.bench.clock.advance(1)
        self.assertEqual(self.bench.tried, [1, 1])


class AgainTests(SynchronousTestCase):
    """
    What is tried again, when, and what is not.
    """

    def setUp(self) -> None:
        self.bench = Bench()

    def delays(self, number: int, retry_after: bytes | None = None) -> list[float]:
        """
        The seconds between so many tries that all fail.
        """
        found = []
        for _ in range(number):
            self.bench.answer(503, retry_after)
            assert self.bench.queue.due is not None
            found.append(self.bench.queue.due - self.bench.clock.seconds())
            tries = len(self.bench.postings)
            self.bench.clock.advance(found[-1] - 0.01)
            self.assertEqual(len(self.bench.postings), tries)
            self.bench.clock.advance(0.02)
            self.assertEqual(len(self.bench.postings), tries + 1)
        return [round(delay, 1) for delay in found]

    def test_statuses(self) -> None:
        """
        408, 429 and 500 to 599 are tried again; other answers are not.
        """
        for status in (408, 429, 500, 502, 503, 504, 511, 599):
            bench = Bench()
            bench.add(1, 2)
            bench.answer(status)
            self.assertEqual(bench.queue.counts.failed, 1, status)
            bench.clock.advance(1)
            self.assertEqual(bench.tried, [1, 1], status)
        redirects = (300, 301, 302, 304, 307, 308)
        for status in (*redirects, 400, 401, 403, 404, 405, 410, 413, 499, 600, 99_999):
            bench = Bench()
            bench.add(1, 2)
            bench.answer(status)
            self.assertEqual(bench.queue.counts.refused, 1, status)
            self.assertEqual(bench.tried, [1, 2], status)

    def test_unreachable(self) -> None:
        """
        Where there was no answer, it is tried again; one that can't be read is an answer.
        """
        self.bench.add(1, 2)
        self.bench.postings[-1].end(failed("can't be reached"))
        self.bench.clock.advance(1)
        self.assertEqual(self.bench.tried, [1, 1])
        self.bench.postings[-1].end(unreadable("is no HTTP"))
        self.bench.clock.advance(0)
        self.assertEqual(self.bench.tried, [1, 1, 2])

    def test_doubling(self) -> None:
        """
        The delay is 1 s, doubling up to 60 s.
        """
        self.bench.add(1)
        self.assertEqual(self.delays(8), [1, 2, 4, 8, 16, 32, 60, 60])

    def test_anew(self) -> None:
        """
        After any answer that does not ask for another try, delays begin anew.
        """
        for status in (200, 404):
            self.bench.add(1, 2)
            self.delays(3)
            self.bench.answer(status)
            self.assertEqual(self.delays(2), [1, 2])
            self.bench.answer(200)

    def test_retryAfter(self) -> None:
        """
        A sink may ask for a longer delay, up to an hour, but not for a shorter one.
        """
        self.bench.add(1)
        self.assertEqual(self.delays(1, b"7"), [7])
        self.assertEqual(self.delays(1, b"0"), [2])
        self.assertEqual(self.delays(1, b"Thu, 01 Jan 1970 00:00:30 GMT"), [30])
        self.assertEqual(self.delays(1, b"soon"), [8])
        self.assertEqual(self.delays(1, b"99999999999999"), [LONGEST_RETRY_AFTER])

    def test_othersWait(self) -> None:
        """
        What comes while the first waits to be tried again waits behind it.
        """
        self.bench.add(1)
        self.bench.answer(503)
        self.bench.add(2)
        self.bench.clock.advance(0.5)
        self.assertEqual(self.bench.tried, [1])
        self.bench.clock.advance(0.5)
        self.bench.answer(200)
        self.assertEqual(self.bench.tried, [1, 1, 2])

    def test_last(self) -> None:
        """
        The last result is kept with what it was about, and when the next try is.
        """
        self.bench.add(7)
        self.bench.clock.advance(3)
        self.bench.answer(503)
        assert self.bench.queue.last is not None
        self.assertEqual(
            self.bench.queue.last.document(),
            {
                "event": 7,
                "at": "1970-01-01T00:00:03.000Z",
                "result": "failed",
                "status": 503,
                "error": "answered 503",
            },
        )
        self.assertEqual(self.bench.queue.due, 4)


class BoundTests(SynchronousTestCase):
    """
    How much waits.
    """

    def setUp(self) -> None:
        self.bench = Bench()

    def test_number(self) -> None:
        """
        Of more than 10,000 events the oldest are dropped, but not the one that is under way;
        what is sent next says how many, until the sink has taken it.
        """
        self.bench.add(*range(1, MOST + 6))
        self.assertEqual(len(self.bench.queue.waiting), MOST)
        self.assertEqual(self.bench.queue.counts.missed, 5)
        self.assertEqual(self.bench.postings[0].delivery.missed, 5)
        self.assertEqual(self.bench.tried, [6])
        self.bench.add(MOST + 6)
        self.bench.answer(500)
        self.bench.clock.advance(1)
        self.assertEqual(self.bench.tried, [6, 6])
        self.assertEqual(self.bench.postings[-1].delivery.missed, 6)
        self.bench.answer(200)
        self.assertEqual(self.bench.tried, [6, 6, 8])
        self.assertEqual(self.bench.postings[-1].delivery.missed, 0)

    def test_missedUnderWay(self) -> None:
        """
        What is dropped while a delivery is under way is told by the next one.
        """
        self.bench.add(1)
        self.bench.add(*range(2, MOST + 3))
        self.bench.answer(200)
        self.assertEqual(self.bench.tried, [1, 4])
        self.assertEqual([one.delivery.missed for one in self.bench.postings], [0, 2])

    def test_missedWaiting(self) -> None:
        """
        The one that waits to be tried again is the oldest, and goes first; the next has an
        id of its own, and its time is not put off.
        """
        self.bench.add(1)
        self.bench.answer(503)
        self.bench.add(*range(2, MOST + 2))
        self.bench.clock.advance(1)
        self.assertEqual(self.bench.tried, [1, 2])
        self.assertEqual(self.bench.postings[-1].delivery.id, "delivery-2")
        self.assertEqual(self.bench.postings[-1].delivery.missed, 1)

    def test_refusedIsNotTold(self) -> None:
        """
        A sink that refused what told of missed events is told again.
        """
        self.bench.add(*range(1, MOST + 2))
        self.bench.answer(400)
        self.assertEqual([one.delivery.missed for one in self.bench.postings], [1, 1])

    def test_refusedInARow(self) -> None:
        """
        A sink that refuses all is said once a minute, with how many there were since.
        """
        bench = self.bench
        logged = Logged(self)
        bench.add(*range(1, 2001))
        for _ in range(1000):
            bench.answer(404)
        bench.clock.advance(QUIET_SECONDS)
        bench.answer(400)
        bench.answer(404)
        bench.clock.advance(QUIET_SECONDS)
        bench.answer(200)
        bench.answer(404)
        bench.machine.hurry()
        self.assertEqual(
            logged.lines,
            [
                "warn: http://sink/ answered 404: event 1 (spawn) is dropped",
                (
                    "warn: http://sink/ answered 400: event 1001 (spawn) is dropped, "
                    "and 999 events before it"
                ),
                "warn: 1 event more for http://sink/ dropped: the last time it answered 404",
                "warn: 1 event more for http://sink/ dropped: the last time it answered 404",
            ],
        )
        self.assertEqual(bench.queue.counts.refused, 1003)

    def test_refusedAtTheEnd(self) -> None:
        """
        How many were refused is said when it does so no more, and at the latest when the URL
        or the agent is gone.
        """
        for end in (
            lambda bench: bench.machine.hurry(),
            lambda bench: bench.machine.cut("it is not configured any more"),
        ):
            bench, logged = Bench(), Logged(self)
            bench.add(1, 2, 3)
            for _ in range(3):
                bench.answer(404)
            end(bench)
            self.assertEqual(
                logged.lines[1:],
                ["warn: 2 events more for http://sink/ dropped: the last time it answered 404"],
            )

    def test_bytes(self) -> None:
        """
        The bodies that wait are 1 MiB at most.
        """
        self.bench.add(*range(1, 12), size=MOST_BYTES // 10)
        self.assertEqual(self.bench.queue.size, 10 * (MOST_BYTES // 10))
        self.assertEqual(self.bench.postings[0].delivery.missed, 1)
        self.bench.add(12, size=3)
        self.assertEqual(self.bench.queue.counts.missed, 2)
        for _ in range(10):
            self.bench.answer(200)
        self.assertEqual(self.bench.queue.size, 0)
        self.assertEqual(self.bench.tried, [2, *range(4, 13)])

    def test_oneTooLarge(self) -> None:
        """
        A single event that is larger is delivered all the same.
        """
        self.bench.add(1)
        self.bench.add(2, size=2 * MOST_BYTES)
        self.bench.answer(200)
        self.assertEqual(self.bench.tried, [1, 2])
        self.bench.answer(200)
        self.assertEqual(self.bench.queue.size, 0)


class EndTests(SynchronousTestCase):
    """
    The end of the agent, or of a URL.
    """

    def setUp(self) -> None:
        self.bench = Bench()

    def test_hurry(self) -> None:
        """
        In a hurry what waits is tried at once, and soon again.
        """
        self.bench.add(1)
        self.bench.answer(503, b"1000")
        self.bench.machine.hurry()
        self.bench.clock.advance(0)
        self.assertEqual(self.bench.tried, [1, 1])
        self.bench.answer(503, b"1000")
        self.bench.clock.advance(HURRIED_DELAY)
        self.assertEqual(self.bench.tried, [1, 1, 1])
        self.bench.add(2)
        self.bench.answer(200)
        self.assertEqual(self.bench.tried, [1, 1, 1, 2])

    def test_hurryAnyTime(self) -> None:
        """
        A hurry that finds nothing to do, or a try under way, counts for what follows.
        """
        self.bench.machine.hurry()
        self.bench.add(1)
        self.bench.machine.hurry()
        self.bench.answer(503)
        self.bench.clock.advance(HURRIED_DELAY)
        self.assertEqual(self.bench.tried, [1, 1])

    def test_cutIdle(self) -> None:
        """
        A queue without events that is cut is over, and takes none any more.
        """
        self.bench.machine.cut("it goes")
        self.assertEqual(self.bench.rests, 1)
        self.bench.add(1)
        self.bench.machine.hurry()
        self.bench.machine.cut("it goes")
        self.assertEqual((self.bench.tried, self.bench.rests), ([], 1))

    def test_cutWaiting(self) -> None:
        """
        One that waits drops what it has, and has no timer.
        """
        self.bench.add(1, 2)
        self.bench.answer(503)
        self.bench.machine.cut("it goes")
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])
        self.assertTrue(self.bench.queue.at_rest)
        self.assertEqual((self.bench.queue.counts.missed, self.bench.queue.size), (2, 0))

    def test_cutDelivering(self) -> None:
        """
        A try under way is cut, and it is over when nothing of that is left.
        """
        self.bench.add(1, 2)
        self.bench.machine.cut("it goes")
        self.assertTrue(self.bench.postings[-1].was_cut)
        self.assertFalse(self.bench.queue.at_rest)
        self.bench.add(3)
        self.bench.answer(200)
        self.assertTrue(self.bench.queue.at_rest)
        self.assertEqual(self.bench.rests, 1)
        self.assertEqual((self.bench.tried, self.bench.queue.counts.missed), ([1], 2))
