"""
All that there is of one URL.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import define
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS

from smartmob.events import Event
from smartmob.names import LookUp
from smartmob.target import Target
from smartmob.topics import Topics
from smartmob.webhooks.delivering import Delivering, delivering
from smartmob.webhooks.delivery import Delivery, Encoded
from smartmob.webhooks.posting import HttpPosting
from smartmob.webhooks.queue import Queue


@define(eq=False, repr=False)
class Hook:
    """
    One URL.

    @ivar names: Its topics as they were written, in their order.
    """

    names: tuple[str, ...]
    topics: Topics
    queue: Queue
    machine: Delivering

    @classmethod
    def of(
        cls,
        target: Target,
        reactor: IReactorTime,
        *,
        policy: IPolicyForHTTPS | None,
        now: Callable[[], float],
        look_up: LookUp,
        secret: Callable[[], bytes | None],
        rested: Callable[[Queue], None],
    ) -> Hook:
        """
        One that wants nothing yet.

        @param policy: See L{smartmob.webhooks.service.Webhooks}.
        @param secret: What deliveries are signed with, as it is now.
        @param rested: Called when nothing of it is under way any more.
        """
        checks = policy or BrowserLikePolicyForHTTPS()

        def post(delivery: Delivery) -> HttpPosting:
            headers = delivery.headers(target, secret(), now())
            posting = HttpPosting(reactor, target, checks, look_up, now)
            return posting.begin(headers, delivery.event.body)

        queue = Queue(target.shown, post, reactor, now, lambda: rested(queue))
        return cls((), Topics(), queue, delivering(queue))

    def give(self, event: Event, encoded: Encoded | None) -> Encoded | None:
        """
        Let it have an event, if it wants that.

        @param encoded: The same, if somebody had to encode it before.
        @return: The same, if somebody had to encode it by now.
        """
        if self.topics.want(event.names):
            encoded = encoded or Encoded.of(event)
            self.machine.add(encoded)
        return encoded
