"""
L{smartmob.client.own}.
"""

from __future__ import annotations

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.client.own import AgentEnded, OwnAgent


class OwnAgentTests(SynchronousTestCase):
    """
    L{OwnAgent}.
    """

    def setUp(self) -> None:
        """
        An agent that was just executed.
        """
        self.said: list[str] = []
        self.agent = OwnAgent(self.said.append)

    def test_listening(self) -> None:
        """
        The line that says where it listens gives the URL, however it was cut.
        """
        self.agent.childDataReceived(2, b"2026-01-01T00:00:00 Listening on http://12")
        self.assertNoResult(self.agent.listening)
        self.agent.childDataReceived(2, b"7.0.0.1:1234\nmore\n")
        self.assertEqual(self.successResultOf(self.agent.listening), "http://127.0.0.1:1234")
        self.assertEqual(self.said, ["more"])

    def test_words(self) -> None:
        """
        Every other line is passed on as it is, whatever its bytes.
        """
        self.agent.childDataReceived(2, b"a warning\n\xff\n")
        self.assertEqual(self.said, ["a warning", "\ufffd"])

    def test_endedEarly(self) -> None:
        """
        An agent that ends before it listens fails with its exit code.
        """
        self.agent.processEnded(Failure(ProcessTerminated(1, None, 256)))
        failure = self.failureResultOf(self.agent.listening, AgentEnded)
        assert isinstance(failure.value, AgentEnded)
        self.assertEqual(failure.value.code, 1)
        self.assertEqual(self.successResultOf(self.agent.ended), 1)

    def test_ended(self) -> None:
        """
        One that listened and ended has an exit code, unless a signal ended it.
        """
        for reason, code in [
            (ProcessDone(0), 0),
            (ProcessTerminated(3, None, 768), 3),
            (ProcessTerminated(None, 9, 9), None),
        ]:
            agent = OwnAgent(self.said.append)
            agent.childDataReceived(2, b"Listening on http://127.0.0.1:1\n")
            self.successResultOf(agent.listening)
            agent.processEnded(Failure(reason))
            self.assertEqual(self.successResultOf(agent.ended), code)

    def test_lastWords(self) -> None:
        """
        What it wrote last is passed on also without a line end.
        """
        self.agent.childDataReceived(2, b"no more memory")
        self.agent.processEnded(Failure(ProcessTerminated(1, None, 256)))
        self.failureResultOf(self.agent.listening, AgentEnded)
        self.assertEqual(self.said, ["no more memory"])

    def test_signalAfterTheEnd(self) -> None:
        """
        A signal to one that is gone does nothing.
        """
        self.agent.childDataReceived(2, b"Listening on http://127.0.0.1:1\n")
        self.agent.processEnded(Failure(ProcessDone(0)))
        self.agent.signal("INT")
