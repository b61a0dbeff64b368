"""
The fake launcher keeps to the interfaces, and records what it was asked.
"""

from __future__ import annotations

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smartmob.launch.interfaces import Command, ILauncher, IProgram, NotExecuted
from tests.support.launching import FakeLauncher


class Listing(ProcessProtocol):
    """
    Lists what it is told.
    """

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.told.append(("executed", self.transport.pid))

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self.told.append((childFD, data))

    def processExited(self, reason: Failure) -> None:
        self.told.append(("exited", type(reason.value).__name__))

    def processEnded(self, reason: Failure) -> None:
        self.told.append(("ended", type(reason.value).__name__))


class FakeTests(SynchronousTestCase):
    """
    Tests of L{FakeLauncher} and its programs.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.launcher = FakeLauncher(self.clock)
        self.program = self.launcher.program(Command(argv=("true",), env={}))
        self.protocol = Listing()

    def test_interfaces(self) -> None:
        """
        Both provide what they say they do.
        """
        self.assertTrue(verifyObject(ILauncher, self.launcher))
        self.assertTrue(verifyObject(IProgram, self.program))

    def test_life(self) -> None:
        """
        The protocol is told of a run what the test has happen, in order.
        """
        self.program.run(self.protocol)
        self.assertEqual(self.protocol.told, [])
        self.program.execute(7)
        self.program.output(b"hello\n")
        self.program.output(b"oh\n", fd=2)
        self.program.end(3)
        self.assertEqual(
            self.protocol.told,
            [
                ("executed", 7),
                (1, b"hello\n"),
                (2, b"oh\n"),
                ("exited", "ProcessTerminated"),
                ("ended", "ProcessTerminated"),
            ],
        )

    def test_failed(self) -> None:
        """
        Of what can't be executed, only the end is told.
        """
        self.program.run(self.protocol)
        self.program.fail()
        self.assertEqual(self.protocol.told, [("ended", NotExecuted.__name__)])

    def test_obedient(self) -> None:
        """
        An obedient program ends a turn after it was asked to, not within the call.
        """
        self.program.obedient = True
        self.program.run(self.protocol)
        self.program.execute(7)
        self.program.stop()
        self.assertEqual(self.protocol.told, [("executed", 7)])
        self.clock.advance(0)
        self.assertEqual(len(self.protocol.told), 3)
        self.assertEqual(self.program.stopped, [None])

    def test_notRunning(self) -> None:
        """
        What needs a running program is refused without one.
        """
        self.assertRaises(ProcessExitedAlready, self.program.signalProcess, "HUP")
        self.assertRaises(ProcessExitedAlready, self.program.write, b"x")
