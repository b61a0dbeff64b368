"""
Tests of L{smartmob.forward.formats} and L{smartmob.forward.packing}.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import msgpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.forward.formats import (
    LONGEST_MESSAGE,
    Encoding,
    Entries,
    Json,
    Message,
    Plain,
    Stamped,
)
from smartmob.forward.packing import (
    binary_head,
    event_time,
    packed,
    text_head,
    text_heads,
    unsigned,
    unsigned_alike,
)
from smartmob.lines.splitter import valid
from smartmob.placeholders import Pattern, Whose
from tests.support.forwarding import TIME, WHOSE, chunk

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no failure."""

SLUG = Pattern.of("{slug}")

LINES = st.lists(
    st.binary(max_size=60).map(lambda data: valid(data.replace(b"\n", b""))),
    min_size=1,
    max_size=20,
)
"""What a program may write."""


def unpacked(data: bytes) -> Any:
    """
    All that MessagePack says there.
    """
    unpacker = msgpack.Unpacker(timestamp=0, strict_map_key=False)
    unpacker.feed(data)
    return list(unpacker)


def joined(lines: list[bytes]) -> bytes:
    """
    Lines as a chunk has them.
    """
    return b"".join(line + b"\n" for line in lines)


class FileTests(SynchronousTestCase):
    """
    Lines in files.
    """

    def test_plain(self) -> None:
        """
        As they are; what the agent itself says is marked.
        """
        self.assertEqual(Plain().lines(chunk(b"a\nb\n"), WHOSE), b"a\nb\n")
        own = chunk(b"a\nb\n", own=True)
        self.assertEqual(Plain().lines(own, WHOSE), b"smartmob: a\nsmartmob: b\n")
        self.assertEqual(Plain().missing(1, WHOSE, TIME), b"smartmob: 1 line is missing here\n")

    def test_stamped(self) -> None:
        """
        With the time, whose they are, and which stream; a piece of a line is marked.
        """
        self.assertEqual(
            Stamped().lines(chunk(b"a\nb\n", stream="err"), WHOSE),
            b"2026-01-01T00:00:00.250Z blog.web.0 err | a\n"
            b"2026-01-01T00:00:00.250Z blog.web.0 err | b\n",
        )
        piece = Stamped().lines(chunk(b"a\n", partial=True), WHOSE)
        self.assertEqual(piece, b"2026-01-01T00:00:00.250Z blog.web.0 stdout+ | a\n")
        self.assertEqual(
            Stamped().missing(3, WHOSE, TIME),
            b"2026-01-01T00:00:00.250Z blog.web.0 smartmob | 3 lines are missing here\n",
        )

    @PATIENT
    @given(LINES, st.booleans())
    def test_json(self, lines: list[bytes], partial: bool) -> None:
        """
        A document a line says all that is known of it.
        """
        data = joined(lines)
        said = Json().lines(chunk(data, 5, pid=None, partial=partial), WHOSE)
        documents = [json.loads(line) for line in said.splitlines()]
        self.assertEqual([each["line"].encode() for each in documents], lines)
        self.assertEqual([each["seq"] for each in documents], [*range(5, 5 + len(lines))])
        whose = {"app": "blog", "node": "web.0", "process_type": "web", "slug": "blog.web.0"}
        rest = {"stream": "stdout", "pid": None, "time": "2026-01-01T00:00:00.250Z"}
        if partial:
            rest["partial"] = True  # type: ignore[assignment] # of another type than those
        for each in documents:
            del each["line"], each["seq"]
            self.assertEqual(each, {**whose, **rest})

    def test_missing(self) -> None:
        """
        So does one about lines that are missing; any name can stand in it.
        """
        whose = Whose("a", 'b"%s\\', "%d", "a.b")
        said = json.loads(Json().missing(3, whose, TIME))
        self.assertEqual(
            (said["event"], said["missed"], said["node"]), ("dropped", 3, 'b"%s\\')
        )
        said = json.loads(Json().lines(chunk(b"x\n"), whose))
        self.assertEqual((said["node"], said["process_type"]), ('b"%s\\', "%d"))


class SyslogTests(SynchronousTestCase):
    """
    Messages of syslog.
    """

    def test_network(self) -> None:
        """
        Over UDP and TCP they are those of RFC 5424.
        """
        message = Message(priority=30, tag=SLUG, host="box")
        self.assertEqual(
            message.lines(chunk(b"a\n%s\xc3\xa4\n"), WHOSE),
            b"<30>1 2026-01-01T00:00:00.250Z box blog.web.0 7 stdout - a\n"
            b"<30>1 2026-01-01T00:00:00.250Z box blog.web.0 7 stdout - %s\xc3\xa4\n",
        )
        self.assertEqual(
            message.missing(2, WHOSE, TIME),
            b"<30>1 2026-01-01T00:00:00.250Z box blog.web.0 - smartmob - "
            b"2 lines are missing here\n",
        )

    @PATIENT
    @given(LINES)
    def test_counted(self, lines: list[bytes]) -> None:
        """
        On a connection the length stands before each (RFC 6587).
        """
        message = Message(priority=30, tag=SLUG, host="box", counted=True)
        data = message.lines(chunk(joined(lines)), WHOSE)
        head = b"<30>1 2026-01-01T00:00:00.250Z box blog.web.0 7 stdout - "
        found = []
        while data:
            length, _, data = data.partition(b" ")
            found.append(data[: int(length)])
            data = data[int(length) :]
        self.assertEqual(found, [head + line for line in lines])

    def test_local(self) -> None:
        """
        On a local socket they are those of syslog(3), in local time, without a host.
        """
        message = Message(priority=134, tag=SLUG, local=time.gmtime)
        said = message.lines(chunk(b"a: b\n"), WHOSE)
        self.assertEqual(said, b"<134>Jan  1 00:00:00 blog.web.0[7]: a: b\n")
        said = message.lines(chunk(b"a\n", pid=None), WHOSE)
        self.assertEqual(said, b"<134>Jan  1 00:00:00 blog.web.0: a\n")

    def test_documents(self) -> None:
        """
        They may be JSON.
        """
        message = Message(priority=30, tag=SLUG, host="box", json=True)
        for line in (
            message.lines(chunk(b'"a"\n'), WHOSE),
            message.missing(1, WHOSE, TIME),
        ):
            document = json.loads(line.split(b" - ")[-1])
            self.assertEqual(document["slug"], "blog.web.0")

    def test_bounds(self) -> None:
        """
        Names have no more characters than they may, and are never empty.
        """
        whose = Whose("a" * 100, "b" * 100, "c", "a" * 201)
        message = Message(priority=30, tag=SLUG, host="box")
        said = message.lines(chunk(b"x\n", stream="s" * 32, partial=True), whose).split()
        self.assertEqual((len(said[3]), said[5]), (48, b"s" * 31 + b"+"))
        message = Message(priority=30, tag=Pattern.of("{node}"), host="box")
        self.assertEqual(message.lines(chunk(b"x\n"), Whose("", "", "", "")).split()[3], b"-")

    @PATIENT
    @given(st.integers(0, 3 * LONGEST_MESSAGE), st.sampled_from("aä€😀"), st.booleans())
    def test_long(self, length: int, letter: str, partial: bool) -> None:
        """
        A line that is too long is several messages, which say so, and no character is cut.
        """
        line = (letter * (length // len(letter.encode()))).encode()
        message = Message(priority=30, tag=SLUG, host="box")
        said = message.lines(chunk(b"a\n" + line + b"\nb\n", partial=partial), WHOSE)
        pieces = [
            re.fullmatch(rb"<.*?> .*? 7 (stdout\+?) - (.*)".replace(b"> ", b">1 "), each)
            for each in said.split(b"\n")[:-1]
        ]
        found = [(each[1], each[2]) for each in pieces if each]
        self.assertEqual(b"".join(text for _, text in found), b"a" + line + b"b")
        for _, text in found:
            self.assertLessEqual(len(text), LONGEST_MESSAGE)
            text.decode()
        middle = found[1:-1]
        marks = [b"stdout+"] * (len(middle) - 1) + [b"stdout+" if partial else b"stdout"]
        self.assertEqual([mark for mark, _ in middle], marks)

    def test_longDocument(self) -> None:
        """
        So it is where messages are documents, each of which can be read, and has room in what
        receivers take, though all of it be quotation marks.
        """
        line = b'"' * 2 * LONGEST_MESSAGE
        message = Message(priority=30, tag=SLUG, host="box", json=True)
        said = message.lines(chunk(line + b"\n"), WHOSE).split(b"\n")[:-1]
        self.assertLess(max(map(len, said)), 8192)
        documents = [json.loads(each.partition(b" - ")[2]) for each in said]
        self.assertEqual("".join(each["line"] for each in documents), line.decode())
        self.assertEqual(
            [each.get("partial", False) for each in documents], [True] * 3 + [False]
        )


class EntryTests(SynchronousTestCase):
    """
    Entries for Fluentd.
    """

    @PATIENT
    @given(LINES, st.integers(1, 2**40), st.booleans(), st.none() | st.integers(1, 2**22))
    def test_entries(
        self, lines: list[bytes], first: int, partial: bool, pid: int | None
    ) -> None:
        """
        What MessagePack reads is what was said.
        """
        said = Entries().lines(chunk(joined(lines), first, pid=pid, partial=partial), WHOSE)
        entries = unpacked(said)
        self.assertEqual(len(entries), len(lines))
        for number, (line, (moment, record)) in enumerate(zip(lines, entries, strict=True)):
            wanted = {
                "app": "blog",
                "node": "web.0",
                "process_type": "web",
                "slug": "blog.web.0",
                "stream": "stdout",
                "seq": first + number,
                "message": line.decode(),
            }
            if pid is not None:
                wanted["pid"] = pid
            if partial:
                wanted["partial"] = True
            self.assertEqual(record, wanted)
            self.assertEqual(moment.code, 0)
            seconds, nanoseconds = moment.data[:4], moment.data[4:]
            self.assertEqual(int.from_bytes(seconds, "big"), int(TIME))
            self.assertEqual(int.from_bytes(nanoseconds, "big"), 250_000_000)

    def test_missing(self) -> None:
        """
        It is a record, too, that lines are missing.
        """
        [[_, record]] = unpacked(Entries().missing(7, WHOSE, TIME))
        self.assertEqual((record["missed"], record["stream"]), (7, "smartmob"))
        self.assertEqual(record["message"], "7 lines are missing here")

    def test_same(self) -> None:
        """
        Equal formats are one, so that lines are encoded once for all of them.
        """
        makers: list[Callable[[], Encoding]] = [Plain, Stamped, Json, Entries]
        makers.append(lambda: Message(priority=1, tag=Pattern.of("{slug}")))
        self.assertEqual(len({make() for make in makers for _ in range(2)}), len(makers))


class PackingTests(SynchronousTestCase):
    """
    MessagePack.
    """

    @PATIENT
    @given(
        st.recursive(
            st.booleans() | st.integers(0, 2**64 - 1) | st.text(),
            lambda inner: st.dictionaries(st.text(max_size=40), inner, max_size=15),
            max_leaves=40,
        )
    )
    def test_packed(self, value: object) -> None:
        """
        What is read is what was said, and as short as can be.
        """
        self.assertEqual(unpacked(packed(value)), [value])
        self.assertEqual(packed(value), msgpack.packb(value))

    def test_others(self) -> None:
        """
        Nothing else is packed.
        """
        others: tuple[object, ...] = (None, 1.5, b"", [], {str(n): 1 for n in range(16)})
        for value in others:
            self.assertRaises(TypeError, packed, value)

    def test_heads(self) -> None:
        """
        Lengths and numbers at the edges of their forms.
        """
        for length in (0, 31, 32, 255, 256, 65_535, 65_536):
            text = "x" * length
            self.assertEqual(text_head(length) + text.encode(), msgpack.packb(text))
            self.assertEqual(binary_head(length) + text.encode(), msgpack.packb(text.encode()))
        texts = [b"x" * length for length in (0, 31, 32, 1023, 1024, 70_000)]
        for some in (texts, texts[:3]):
            self.assertEqual(text_heads(some), [text_head(len(text)) for text in some])
        for number in (0, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**64 - 1):
            self.assertEqual(unsigned(number), msgpack.packb(number))
            kind, [one] = unsigned_alike(range(number, number + 1))
            self.assertEqual(msgpack.unpackb(kind + one), number)

    @PATIENT
    @given(st.floats(0, 2**32 - 1))
    def test_time(self, seconds: float) -> None:
        """
        Times are exact to the microsecond.
        """
        [found] = unpacked(event_time(seconds))
        second, nanosecond = (int.from_bytes(found.data[at : at + 4], "big") for at in (0, 4))
        self.assertLess(nanosecond, 1_000_000_000)
        self.assertLess(abs(second + nanosecond / 1e9 - seconds), 2e-6)
