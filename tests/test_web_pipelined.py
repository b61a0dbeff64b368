"""
Requests that are sent before the answers to earlier ones were read.
"""

from __future__ import annotations

import gc
from weakref import ref

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch.turns import SLICE
from smartmob.web.channel import IDLE_SECONDS, REQUEST_SECONDS
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent, FakeProcess
from tests.support.httpwire import Transport, Wire

PING = b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STOP = b"POST /stop-process/myapp.web.0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class FullTransport(Transport):
    """
    A transport that is full after each write, until it is told that the client has read.
    """

    def write(self, data: bytes) -> None:
        """
        Take it, and no more.
        """
        super().write(data)
        if self.producer is not None:
            self.producer.pauseProducing()

    def read(self) -> None:
        """
        The client has read.
        """
        assert self.producer is not None
        self.producer.resumeProducing()


class PipelinedTests(SynchronousTestCase):
    """
    A client that sends more than it reads.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.transport = FullTransport()
        self.wire = Wire(make_site(self.agent.real, self.clock), transport=self.transport)

    def answered(self) -> int:
        """How many answers there are that were not looked at."""
        answers = self.wire.answers()
        self.assertEqual({answer.status for answer in answers} - {200}, set())
        return len(answers)

    def test_oneAtATime(self) -> None:
        """While an answer can't be sent no other is made, and nothing more is read."""
        self.wire.send(PING * 3 + PING[:10])
        for _ in range(3):
            self.assertEqual(self.answered(), 1)
            self.assertEqual(self.transport.producerState, "paused")
            self.transport.read()
        self.assertEqual(self.answered(), 0)
        self.assertEqual(self.transport.producerState, "producing")
        self.wire.send(PING[10:])
        self.assertEqual(self.answered(), 1)

    def test_late(self) -> None:
        """What comes all the same is kept for later."""
        self.wire.send(PING)
        self.wire.send(PING)
        self.assertEqual(self.answered(), 1)
        self.transport.read()
        self.assertEqual(self.answered(), 1)

    def test_time(self) -> None:
        """The time of a request that has to wait begins when it is looked at."""
        self.wire.send(PING + PING[:10])
        self.assertEqual(self.answered(), 1)
        self.clock.advance(IDLE_SECONDS - 1)
        self.assertFalse(self.wire.closed)
        self.transport.read()
        self.clock.advance(REQUEST_SECONDS - 1)
        self.assertFalse(self.wire.closed)
        self.clock.advance(1)
        self.assertTrue(self.wire.closed)

    def test_neverRead(self) -> None:
        """A client that reads nothing is idle."""
        self.wire.send(PING * 3)
        self.clock.advance(IDLE_SECONDS)
        self.assertTrue(self.wire.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_behindWork(self) -> None:
        """What is sent while an answer is being made is bounded, also behind unread answers."""
        process = self.agent.add()
        process.waits = True
        self.wire.send(STOP)
        self.transport.write(b"")  # it is full
        self.wire.send(PING)
        self.assertEqual(self.transport.producerState, "producing")
        self.wire.send(PING * 1000)
        self.assertEqual(self.transport.producerState, "paused")
        process.done.fire()
        self.assertEqual(self.answered(), 1)
        for _ in range(1001):
            self.transport.read()
            self.assertEqual(self.answered(), 1)

    def test_gone(self) -> None:
        """A client that is gone is forgotten at once, with what was to be sent to it."""
        channel = ref(self.wire.protocol)
        self.wire.send(PING * 3)
        self.wire.hang_up()
        gc.disable()
        self.addCleanup(gc.enable)
        del self.wire, self.transport.protocol, self.transport.producer
        self.assertIsNone(channel())


class TurnTests(SynchronousTestCase):
    """
    Requests that come at once, each of which takes as long as all may in a turn.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.agent.add()
        self.site = make_site(self.agent.real, self.clock)
        self.wire = Wire(self.site)
        at_once = FakeProcess.stop

        def stop(process: FakeProcess) -> Deferred[None]:
            self.clock.rightNow += SLICE
            return at_once(process)

        self.patch(FakeProcess, "stop", stop)

    def test_inTurn(self) -> None:
        """Others are answered in between."""
        other = Wire(self.site)
        self.wire.send(STOP * 3 + STOP[:10])
        self.assertEqual(len(self.wire.answers()), 1)
        self.assertEqual(self.wire.transport.producerState, "paused")
        self.assertEqual(other.ask("GET", "/ping").status, 200)
        self.clock.advance(0)
        self.assertEqual(len(self.wire.answers()), 2)
        self.assertEqual(self.wire.transport.producerState, "producing")
        self.wire.send(STOP[10:])
        self.assertEqual(len(self.wire.answers()), 1)

    def test_alone(self) -> None:
        """Who asks one after the other does not wait."""
        for _ in range(10):
            self.wire.send(STOP)
            self.assertEqual(len(self.wire.answers()), 1)
            self.assertEqual(self.wire.transport.producerState, "producing")

    def test_behindWork(self) -> None:
        """What came while an answer was being made has its turn as well."""
        process = self.agent.by_slug["myapp.web.0"]
        process.waits = True
        self.wire.send(STOP)
        self.wire.send(PING + STOP)
        process.waits = False
        process.done.fire()
        self.assertEqual(len(self.wire.answers()), 1)
        self.clock.advance(0)
        self.assertEqual(len(self.wire.answers()), 2)

    def test_full(self) -> None:
        """What was sent meanwhile makes no difference, nor that it can't be sent for now."""
        self.wire.send(STOP * 3)
        self.assertEqual(len(self.wire.answers()), 1)
        producer = self.wire.transport.producer
        assert producer is not None
        producer.pauseProducing()
        self.clock.advance(0)
        self.assertEqual(len(self.wire.answers()), 0)
        producer.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(len(self.wire.answers()), 2)

    def test_time(self) -> None:
        """The time of a request begins when it has its turn."""
        self.wire.send(STOP * 2 + STOP[:10])
        self.clock.advance(0)
        self.assertEqual(len(self.wire.answers()), 2)
        self.clock.advance(REQUEST_SECONDS - 1)
        self.assertFalse(self.wire.closed)
        self.clock.advance(1)
        self.assertTrue(self.wire.closed)

    def test_gone(self) -> None:
        """A client that is gone has no turn."""
        self.wire.send(STOP * 3)
        self.wire.hang_up()
        self.clock.advance(0)
        self.assertEqual(self.agent.by_slug["myapp.web.0"].asked, ["stop"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failing(self) -> None:
        """What fails then is said, and is the end of that connection."""

        def fail(line: bytes) -> None:
            raise ZeroDivisionError

        self.wire.send(STOP * 3)
        self.wire.protocol.lineReceived = fail  # type: ignore[attr-defined] # it is a channel
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertTrue(self.wire.closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
