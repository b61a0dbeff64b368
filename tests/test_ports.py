"""
Tests of L{smartmob.ports} and L{smartmob.descriptors}.
"""

from __future__ import annotations

import os
import resource
import socket

from twisted.trial.unittest import SynchronousTestCase

from smartmob import descriptors
from smartmob.ports import Ports, can_be_bound
from smartmob.refusals import NoPort, OutOfDescriptors


class PortsTests(SynchronousTestCase):
    """
    Ports that are set aside.
    """

    def test_unique(self) -> None:
        """No port is given twice, until it was given back."""
        ports = Ports(lambda low, high: low, 100, 102, lambda port: True)
        self.assertEqual([ports.take() for _ in range(3)], [100, 101, 102])
        self.assertRaises(NoPort, ports.take)
        ports.give_back(101)
        self.assertEqual(ports.take(), 101)

    def test_random(self) -> None:
        """Ports come in no order that a client could foresee."""
        chances = iter([7, 3, 7, 5])
        ports = Ports(lambda low, high: low + next(chances), 0, 9, lambda port: True)
        self.assertEqual([ports.take() for _ in range(3)], [7, 3, 5])

    def test_otherRange(self) -> None:
        """Another range is for later ones: those that have a port keep it."""
        ports = Ports(lambda low, high: low, 100, 102, lambda port: True)
        self.assertEqual([ports.take(), ports.take()], [100, 101])
        ports.use(101, 103)
        ports.check(2)
        why = str(self.assertRaises(NoPort, ports.check, 3))
        self.assertIn("from 101 to 103 (port_range) 2 are free, and 3 are needed", why)
        self.assertEqual([ports.take(), ports.take()], [102, 103])
        self.assertRaises(NoPort, ports.take)
        ports.give_back(100)
        self.assertRaises(NoPort, ports.take)
        ports.give_back(101)
        self.assertEqual(ports.take(), 101)

    def test_usable(self) -> None:
        """A port that somebody else listens on is passed over."""
        ports = Ports(lambda low, high: low, 100, 102, lambda port: port == 102)
        self.assertEqual(ports.take(), 102)

    def test_canBeBound(self) -> None:
        """Whether a port can be bound is asked of the system."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.assertFalse(can_be_bound(port))
        self.assertTrue(can_be_bound(port))


class DescriptorsTests(SynchronousTestCase):
    """
    Whether one more process can be run.
    """

    def setUp(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        self.hard = before[1]

    def limit(self, number: int) -> None:
        """
        Allow so many.
        """
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, self.hard))

    def test_room(self) -> None:
        """There is room for as many processes as leave some for connections."""
        self.limit(1024)
        descriptors.check(1)
        descriptors.check(150)
        self.assertRaises(OutOfDescriptors, descriptors.check, 200)

    def test_taken(self) -> None:
        """What connections have taken counts, too."""
        self.limit(256)
        descriptors.check(1)
        lowest = 0
        while lowest < 250:  # however many this test runner has open itself
            lowest = os.open(os.devnull, os.O_RDONLY)
            self.addCleanup(os.close, lowest)
        self.assertRaises(OutOfDescriptors, descriptors.check, 1)
