"""
Whatever agent and helpers say to each other, and what keepers write down.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from contextlib import suppress as passing

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.launch import earlier, record, wire
from smartmob.launch.record import Record
from tests.support.fuzzing import tries

words = st.one_of(
    st.binary(max_size=4).map(lambda word: word.replace(b"\0", b"")),
    st.sampled_from(
        [
            *(b"0", b"1", b"-1", b"2", b"15", b"5.0", b"1e9", b"1e400", b"inf", b"nan", b"-"),
            *(b"2147483647", b"2147483648", b"9" * 19, b"9" * 5000, b"RLIMIT_CPU", b"+1"),
            *(b"1_0", b" 1", b"\xd9\xa1", b"0x1", b"1.", b".5", b"--1", b"4294967295"),
        ]
    ),
)
packets = st.binary() | st.lists(words, max_size=20).map(b"\0".join)
orders = st.builds(
    lambda numbers, rest: b"\0".join([*numbers, *rest]),
    st.tuples(
        *([st.sampled_from([b"15", b"0"]), st.just(b"5.0")]),
        *([st.just(b"18"), st.just(b"0"), st.just(b"0")]),
        *([st.sampled_from([b"0", b"1", b"-1", b"2147483647"])] * 3),
    ),
    st.lists(words, max_size=9),
)


class WireTests(SynchronousTestCase):
    """
    L{smartmob.launch.wire}.
    """

    @tries(400)
    @given(packets | orders)
    def test_order(self, packet: bytes) -> None:
        """A packet is an order, and packed again the same, or it is garbled."""
        try:
            order = wire.Order.unpack(packet)
        except wire.Garbled:
            wire.Order.place(packet)
            return
        again = wire.Order.unpack(order.pack())
        for name in wire.Order.__slots__:
            self.assertEqual(getattr(again, name), getattr(order, name))
        self.assertEqual(wire.Order.ending(packet), (order.stop_signal, order.grace))
        self.assertEqual(wire.Order.place(packet), order.group)

    @tries(400)
    @given(words)
    def test_numbers(self, word: bytes) -> None:
        """A number is one to Python as well, and within its bounds."""
        for largest in (wire.LARGEST_NUMBER, 2**63 - 1):
            with passing(wire.Garbled):
                found = wire.number(word, largest)
                self.assertEqual(found, int(word))
                self.assertLessEqual(abs(found), largest)
        with passing(wire.Garbled):
            seconds = wire.seconds(word)
            self.assertEqual(seconds, min(float(word), wire.FOREVER))
            self.assertTrue(math.isfinite(seconds))

    @tries(200)
    @given(st.lists(st.binary(max_size=5)))
    def test_words(self, said: list[bytes]) -> None:
        """Words come as they went, but none with a NUL goes."""
        if any(b"\0" in word for word in said) or not said:
            if said:
                self.assertRaises(ValueError, wire.pack, *said)
            return
        self.assertEqual(wire.unpack(wire.pack(*said)), said)


class RecordTests(SynchronousTestCase):
    """
    L{smartmob.launch.record}.
    """

    values = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=4),
        st.sampled_from([[], {}, [1], -1, 0, 2**70, "\ud800"]),
    )
    documents = st.dictionaries(st.sampled_from([*Record.__slots__, "schema"]), values)
    texts = st.one_of(
        st.binary(),
        (values | documents).map(lambda value: json.dumps(value).encode()),
        st.sampled_from([b"[" * 10_000, b'{"keeper": ' + b"9" * 5000 + b"}", b"NaN", b"\xff"]),
    )

    def setUp(self) -> None:
        self.path = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, self.path)
        self.folder = os.open(self.path, os.O_RDONLY)
        self.addCleanup(os.close, self.folder)

    @tries(300)
    @given(texts)
    @example(b'{"keeper": \xb2, }')
    @example(b'{"keeper": ' + b"9" * 5000 + b", }")
    def test_anything(self, data: bytes) -> None:
        """What lies where a record should be is one, or is nobody's."""
        with open(os.path.join(self.path, "x.json"), "wb") as file:
            file.write(data)
        pid = record.recorded_keeper(self.folder, "x")
        self.assertTrue(pid is None or pid >= 0)
        self.assertIsNone(earlier.found(self.folder, "x"))
        self.assertEqual(os.listdir(self.path), [])
        self.flushLoggedErrors()

    @tries(100)
    @given(documents)
    def test_document(self, document: dict[str, object]) -> None:
        """A document is a record exactly if each of its members is what it should be."""
        try:
            found = Record.from_document(document)
        except ValueError as error:
            self.assertTrue(str(error))
            return
        kinds = {name: type(getattr(found, name)) for name in Record.__slots__}
        self.assertEqual(
            kinds,
            {**dict.fromkeys(kinds, int), "boot": str, "fingerprint": str, "grace": float},
        )

    @tries(100)
    @given(st.integers(1, 2**31), st.floats(0, 1e9), st.integers(0, 2**60))
    def test_written(self, pid: int, grace: float, start: int) -> None:
        """What is written down is read the same."""
        written = Record(
            boot="a-b",
            pid=pid,
            start=start,
            keeper=pid,
            keeper_start=start,
            grace=grace,
            fingerprint="f0",
        )
        written.write(self.folder, "y", lambda: False)
        found = Record.from_document(json.loads(record.read(self.folder, "y")))
        for name in Record.__slots__:
            self.assertEqual(getattr(found, name), getattr(written, name))
        self.assertEqual(record.recorded_keeper(self.folder, "y"), pid)
