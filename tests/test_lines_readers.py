"""
Tests of L{smartmob.lines.readers}.
"""

from __future__ import annotations

import json

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smartmob.lines.bounds import Bounds
from smartmob.lines.budget import Budget
from smartmob.lines.encodings import NDJSON
from smartmob.lines.readers import Ending, IReader, Subscription


@implementer(IReader)
@define(eq=False)
class Written:
    """
    A reader that keeps what it gets.
    """

    data: bytes = b""
    ends: list[Ending] = field(factory=list)

    def write(self, data: bytes) -> None:
        """It comes."""
        self.data += data

    def ending(self, why: Ending) -> None:
        """No more will be queued."""
        self.ends.append(why)

    def ended(self) -> None:
        """All was written."""


class ShedTests(SynchronousTestCase):
    """
    Lines that are dropped since all readers together have too much.
    """

    def test_toldInPlace(self) -> None:
        """What was missed is told before the event that came after it, not later."""
        written = Written()
        budget = Budget(Bounds())
        subscription = Subscription(
            written, NDJSON, budget, moved=lambda: None, left=lambda gone: None
        )
        budget.add(subscription, own=False)
        for life in (1, 2):
            subscription.lines(b'"%s"\n' % (b"x" * 150), 3, "web.0")
            subscription.event(b'{"event":"deleted","life":%d}\n' % life, "web.0")
        subscription.lines(b'"%s"\n' % (b"y" * 400), 5, "web.0")
        subscription.shed(10_000)
        subscription.resume()
        documents = [json.loads(line) for line in written.data.splitlines()]
        told = [(each["event"], each.get("missed")) for each in documents if "event" in each]
        self.assertEqual(
            told,
            [
                ("dropped", 3),
                ("deleted", None),
                ("dropped", 3),
                ("deleted", None),
                ("dropped", 5),
            ],
        )
        self.assertEqual((budget.queued, subscription.queued), (0, 0))
