"""
What is remembered of callers: L{smartmob.web.sessions}, L{smartmob.web.tickets} and
L{smartmob.web.visits}.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.permit import Permit, Scope
from smartmob.web import sessions, tickets
from smartmob.web.caller import Caller
from smartmob.web.sessions import Sessions
from smartmob.web.tickets import Tickets
from smartmob.web.visits import Visits


def permit(key: bytes, scope: Scope = Scope.READ) -> Permit:
    """
    That of a token.
    """
    return Permit(scope=scope, key=key)


ADA, BOB = permit(b"ada"), permit(b"bob")


class SessionsTests(SynchronousTestCase):
    """
    L{Sessions}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sessions = Sessions(self.clock)

    def begin(self, whose: Permit = ADA) -> bytes:
        """
        Sign somebody in.
        """
        return self.sessions.begin(whose).encode()

    def test_found(self) -> None:
        """
        Who shows what they were given is who signed in, each time; nobody else is anybody.
        """
        shown, other = self.begin(ADA), self.begin(BOB)
        for _ in range(3):
            found = self.sessions.find(shown)
            assert found is not None
            self.assertIs(found.permit, ADA)
        for wrong in (b"", shown[:-1], shown + b"=", shown.upper(), shown + other):
            self.assertIsNone(self.sessions.find(wrong))

    def test_two(self) -> None:
        """
        Two sessions of one token are two callers.
        """
        first, second = map(self.sessions.find, (self.begin(), self.begin()))
        assert first is not None
        assert second is not None
        self.assertNotEqual(first, second)
        self.sessions.forget(lambda caller: caller == first)
        self.assertEqual(len(self.sessions), 1)

    def test_secret(self) -> None:
        """
        What a cookie says is long, another one each time, and not known here.
        """
        shown = {self.begin() for _ in range(20)}
        self.assertEqual(len(shown), 20)
        for each in shown:
            self.assertRegex(each, rb"\A[\w-]{43}\Z")
            caller = self.sessions.find(each)
            self.assertNotIn(each.decode(), f"{caller!r} {self.sessions!r}")
            self.assertNotIn(each, self.sessions._known)

    def test_time(self) -> None:
        """
        One that is not used for 12 hours is over; while it is used it goes on.
        """
        shown = self.begin()
        for _ in range(5):
            self.clock.advance(12 * 3600 - 1)
            self.assertIsNotNone(self.sessions.find(shown))
        self.clock.advance(12 * 3600)
        self.assertIsNone(self.sessions.find(shown))
        self.assertEqual(len(self.sessions), 0)

    def test_bound(self) -> None:
        """
        Of one token there are so many, and the one that was used longest ago gives way; those
        of others stay.
        """
        other = self.begin(BOB)
        shown = [self.begin() for _ in range(sessions.MOST)]
        self.assertIsNotNone(self.sessions.find(shown[0]))
        self.begin()
        self.assertIsNone(self.sessions.find(shown[1]))
        for each in (other, shown[0], *shown[2:]):
            self.assertIsNotNone(self.sessions.find(each))
        self.assertEqual(len(self.sessions), sessions.MOST + 1)

    def test_boundInAll(self) -> None:
        """
        Of all there are so many.
        """
        shown = [self.begin(permit(b"%d" % number)) for number in range(sessions.IN_ALL)]
        self.begin()
        self.assertEqual(len(self.sessions), sessions.IN_ALL)
        self.assertIsNone(self.sessions.find(shown[0]))
        self.assertIsNotNone(self.sessions.find(shown[1]))

    def test_forget(self) -> None:
        """
        Those of some callers can be ended.
        """
        ada, bob = self.begin(ADA), self.begin(BOB)
        self.sessions.forget(lambda caller: caller.permit == ADA)
        self.assertIsNone(self.sessions.find(ada))
        self.assertIsNotNone(self.sessions.find(bob))


class TicketsTests(SynchronousTestCase):
    """
    L{Tickets}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.tickets = Tickets(self.clock, wall=lambda: 1000.5 + self.clock.seconds())
        self.caller = Caller(ADA)

    def issue(self, path: bytes = b"/events", caller: Caller | None = None) -> bytes:
        """
        A ticket.
        """
        return self.tickets.issue(caller or self.caller, path)[0].encode()

    def test_once(self) -> None:
        """
        It lets its caller in, once.
        """
        ticket = self.issue()
        self.assertEqual(self.tickets.redeem(ticket, b"/events"), self.caller)
        self.assertIsNone(self.tickets.redeem(ticket, b"/events"))
        self.assertEqual(len(self.tickets), 0)

    def test_time(self) -> None:
        """
        It is good for 30 seconds, and says until when that is.
        """
        ticket, until = self.tickets.issue(self.caller, b"/events")
        self.assertEqual(until, 1030.5)
        other = self.issue()
        self.clock.advance(29.9)
        self.assertIsNotNone(self.tickets.redeem(ticket.encode(), b"/events"))
        self.clock.advance(0.1)
        self.assertIsNone(self.tickets.redeem(other, b"/events"))

    def test_path(self) -> None:
        """
        It is for one path, however that is encoded, and shown for another it is spent.
        """
        for path, same in (
            (b"/attach-console/a.b", b"/attach-console/a%2Eb"),
            (b"/attach-console/a%2eb", b"/attach-console/a.b"),
            (b"/%61", b"/a"),
        ):
            self.assertIsNotNone(self.tickets.redeem(self.issue(path), same))
        for other in (b"/event", b"/events/", b"//events", b"/Events", b"/events%20", b""):
            ticket = self.issue()
            self.assertIsNone(self.tickets.redeem(ticket, other))
            self.assertIsNone(self.tickets.redeem(ticket, b"/events"))

    def test_unused(self) -> None:
        """
        Those that nobody used are forgotten when others are made.
        """
        for _ in range(10):
            self.issue()
        self.clock.advance(30)
        self.issue()
        self.assertEqual(len(self.tickets), 1)

    def test_bound(self) -> None:
        """
        Of one token there are so many, and the oldest gives way; those of others stay.
        """
        other = self.issue(caller=Caller(BOB))
        issued = [self.issue() for _ in range(tickets.MOST + 1)]
        self.assertEqual(len(self.tickets), tickets.MOST + 1)
        self.assertIsNone(self.tickets.redeem(issued[0], b"/events"))
        for ticket in (other, issued[1], issued[-1]):
            self.assertIsNotNone(self.tickets.redeem(ticket, b"/events"))

    def test_boundInAll(self) -> None:
        """
        Of all there are so many.
        """
        first = self.issue()
        ten = [
            Caller(permit(b"%d" % number)) for number in range(tickets.IN_ALL // tickets.MOST)
        ]
        for caller in ten:
            for _ in range(tickets.MOST):
                self.issue(caller=caller)
        self.assertEqual(len(self.tickets), tickets.IN_ALL)
        self.assertIsNone(self.tickets.redeem(first, b"/events"))

    def test_forget(self) -> None:
        """
        Those of some callers can be taken back: of a token, or of one of its sessions.
        """
        session = evolve(self.caller, session=b"1")
        callers = [self.caller, session, Caller(BOB)]
        issued = [self.issue(caller=caller) for caller in callers]
        self.tickets.forget(lambda caller: caller == session)
        self.tickets.forget(lambda caller: caller.permit == BOB)
        self.assertEqual(
            [self.tickets.redeem(ticket, b"/events") for ticket in issued],
            [self.caller, None, None],
        )


class VisitsTests(SynchronousTestCase):
    """
    L{Visits}.
    """

    def setUp(self) -> None:
        self.visits = Visits()
        self.ended: list[str] = []
        self.ada, self.bob = Caller(ADA), Caller(BOB)

    def test_end(self) -> None:
        """
        Those of some callers end; they are there until they have left.
        """
        leave = [
            self.visits.begin(caller, partial(self.ended.append, name))
            for caller, name in ((self.ada, "a1"), (self.bob, "b"), (self.ada, "a2"))
        ]
        self.assertEqual(self.visits.end(lambda caller: caller == self.ada), 2)
        self.assertEqual(self.ended, ["a1", "a2"])
        self.assertEqual(len(self.visits), 3)
        for each in leave:
            each()
            each()
        self.assertEqual(len(self.visits), 0)
        self.assertEqual(self.visits.end(lambda caller: True), 0)

    def test_nothingKept(self) -> None:
        """
        Nothing is kept of who has left.
        """
        for _ in range(3):
            self.visits.begin(self.ada, lambda: None)()
        self.assertEqual(self.visits._open, {})

    def test_together(self) -> None:
        """
        One that leaves because another ended is not ended once more.
        """
        leaving: list[Callable[[], object]] = []

        def first() -> None:
            self.ended.append("first")
            for leave in leaving:
                leave()

        self.visits.begin(self.ada, first)
        leaving.append(self.visits.begin(self.ada, lambda: self.ended.append("second")))
        self.visits.end(lambda caller: True)
        self.assertEqual(self.ended, ["first"])

    def test_more(self) -> None:
        """
        Who comes while others are shown out stays.
        """
        self.visits.begin(
            self.ada, lambda: self.ended.append(f"{self.visits.begin(self.ada, lambda: None)}")
        )
        self.visits.end(lambda caller: True)
        self.assertEqual((len(self.ended), len(self.visits)), (1, 2))

    def test_fault(self) -> None:
        """
        One that can't be ended keeps no other from it.
        """

        def fail() -> None:
            raise ZeroDivisionError

        self.visits.begin(self.ada, fail)
        self.visits.begin(self.ada, lambda: self.ended.append("the other"))
        self.visits.end(lambda caller: True)
        self.assertEqual(self.ended, ["the other"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
