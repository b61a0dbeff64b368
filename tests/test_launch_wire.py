"""
Packets of words, and the parts of the helpers that touch no process.
"""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch import tree, wire
from smartmob.launch.interfaces import Command
from smartmob.launch.terms import ending, order, signal_number

words = st.binary(max_size=20).map(lambda word: word.replace(b"\0", b""))
numbers = st.integers(min_value=0, max_value=2**31 - 1)
bounds = st.integers(-1, 2**63 - 1)


class WireTests(SynchronousTestCase):
    """
    Tests of L{wire}.
    """

    @given(
        st.builds(
            wire.Order,
            argv=st.lists(words, min_size=1, max_size=5),
            env=st.lists(st.tuples(words, words), max_size=5),
            cwd=words,
            stop_signal=st.integers(1, 64),
            grace=st.floats(0, 3600),
            umask=st.integers(0, 0o777),
            nice=st.integers(-20, 19),
            no_new_privileges=st.booleans(),
            limits=st.lists(
                st.tuples(words.filter(lambda name: name[:1] != b"/"), bounds, bounds),
                max_size=3,
            ),
            identity=st.lists(st.integers(0, 2**32 - 1), max_size=4).filter(
                lambda identity: len(identity) != 1
            ),
            group=words.map(lambda word: b"/" + word) | st.just(b""),
        )
    )
    def test_orders(self, given_order: wire.Order) -> None:
        """
        An order arrives as it was given.
        """
        packet = given_order.pack()
        arrived = wire.Order.unpack(packet)
        for name in wire.Order.__slots__:
            self.assertEqual(getattr(arrived, name), getattr(given_order, name), name)
        self.assertEqual(
            wire.Order.ending(packet), (given_order.stop_signal, given_order.grace)
        )
        self.assertEqual(wire.Order.place(packet), given_order.group)

    @given(
        st.lists(words, max_size=wire.NAMED),
        st.lists(st.tuples(numbers, words), max_size=wire.NAMED),
    )
    def test_gone(self, killed: list[bytes], left: list[tuple[int, bytes]]) -> None:
        """
        So does what is said of the end.
        """
        packet = wire.pack_gone(killed, left)
        self.assertEqual(wire.unpack_gone(wire.unpack(packet)), (killed, left))

    def test_goneIsBounded(self) -> None:
        """
        Of thousands that were killed only some are named.
        """
        packet = wire.pack_gone([b"x"] * 1000, [(1, b"y")] * 1000)
        killed, left = wire.unpack_gone(wire.unpack(packet))
        self.assertEqual((len(killed), len(left)), (wire.NAMED, wire.NAMED))

    def test_noNul(self) -> None:
        """
        A NUL within a word is refused.
        """
        self.assertRaises(ValueError, wire.pack, b"a", b"b\0c")

    @given(st.integers(0, 30))
    def test_cutShort(self, length: int) -> None:
        """
        An order that was cut is refused, never executed in part.
        """
        packet = order(Command(argv=("true", "x"), env={"A": "b"}, cwd="/tmp")).pack()
        whole = len(packet)
        self.assertRaises(wire.Garbled, wire.Order.unpack, packet[: whole * length // 60])

    def test_garbled(self) -> None:
        """
        So is one in which a number is none, is out of bounds, or counts what is not there.
        """
        limits = {"RLIMIT_CPU": (1, 2)}
        command = Command(argv=("true",), env={"A": "b"}, uid=5, gid=6, rlimits=limits)
        words = wire.unpack(order(command).pack())
        self.assertEqual(wire.Order.unpack(wire.pack(*words)).argv, [b"true"])
        everywhere = ("", "x", "-", " 1", "1_0", "+1", "0x1", "1.", "9" * 21)
        numbers = (0, 2, 3, 5, 6, 7, 9, 10, 11, 12)
        wrong = [(place, word) for place in numbers for word in everywhere]
        wrong += [(0, "5000000000"), (1, "nan"), (5, "-1"), (5, "2"), (6, "1"), (6, "3")]
        wrong += [(7, "0"), (11, "-1"), (11, "4294967296")]
        for place, word in wrong:
            garbled = wire.pack(*words[:place], word.encode(), *words[place + 1 :])
            self.assertRaises(wire.Garbled, wire.Order.unpack, garbled)

    @given(st.floats(0, allow_nan=False, allow_infinity=False))
    def test_seconds(self, time: float) -> None:
        """
        Seconds are what they were, up to what timers can do.
        """
        self.assertEqual(wire.seconds(repr(time).encode()), min(time, wire.FOREVER))

    def test_noSeconds(self) -> None:
        """
        What is no finite time, or none at all, is no time.
        """
        for word in b"", b"nan", b"inf", b"-1", b" 1", b"1_0", b"1e", b"0x1", b"1.2.3", b"1-2":
            self.assertRaises(wire.Garbled, wire.seconds, word)


class TermsTests(SynchronousTestCase):
    """
    Tests of L{smartmob.launch.terms}.
    """

    def test_endings(self) -> None:
        """
        Wait statuses become Twisted's reasons.
        """
        for status, name, code, signal in (
            (0, "ProcessDone", 0, None),
            (3 << 8, "ProcessTerminated", 3, None),
            (15, "ProcessTerminated", None, 15),
            (11 | 0x80, "ProcessTerminated", None, 11),
        ):
            value = ending(status).value
            assert isinstance(value, ProcessDone | ProcessTerminated)
            self.assertEqual(type(value).__name__, name)
            self.assertEqual((value.exitCode, value.signal), (code, signal))

    def test_signals(self) -> None:
        """
        A signal is a number, a name, or a name without SIG.
        """
        self.assertEqual([signal_number(name) for name in ("HUP", "SIGHUP", 1)], [1, 1, 1])
        self.assertEqual(signal_number(40), 40)  # real-time, without a name
        for wrong in ("", "SIG", "hup", "SIGSIGHUP", "SIG_DFL", 0, -1, 65, 1000):
            self.assertRaises(ValueError, signal_number, wrong)

    def test_commands(self) -> None:
        """
        A command has a word to execute, and a user has a group.
        """
        self.assertRaises(ValueError, Command, argv=(), env={})
        self.assertRaises(ValueError, Command, argv=("true",), env={}, uid=1)


class TreeTests(SynchronousTestCase):
    """
    Tests of L{tree}, on what is known to be there, or not to be.
    """

    def test_name(self) -> None:
        """
        A process has its name, whatever is in it; who is not there has none.
        """
        with open("/proc/self/comm", "r+") as file:
            before = file.read().strip()
            try:
                for name in "plain", "a) R (b", "( )":
                    file.seek(0)
                    file.write(name)
                    file.flush()
                    self.assertEqual(tree.name(os.getpid()), name.encode())
            finally:
                file.seek(0)
                file.write(before)
        self.assertIsNone(tree.name(2**22 + 1))

    def test_children(self) -> None:
        """
        Who is not there has no children.
        """
        self.assertEqual(tree.children(2**22 + 1), [])
        self.assertIn(os.getpid(), tree.children(os.getppid()))
        self.assertIn(os.getpid(), tree.descendants(os.getppid()))
        self.assertNotIn(os.getpid(), tree.descendants(os.getppid(), {os.getpid()}))
