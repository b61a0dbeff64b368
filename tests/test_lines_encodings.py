"""
The formats of lines, each compared with the same made a line at a time.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.lines.app_encodings import APP_EVENTS, APP_FRAMES, APP_TEXTS
from smartmob.lines.encodings import (
    JSON_FRAMES,
    NDJSON,
    PLAIN_FRAMES,
    SSE,
    SSE_JSON,
    TEXT,
    header,
)
from smartmob.lines.ring import Chunk
from tests.support.encoders import BOTH, InPython, WithLibrary
from tests.support.websockets import decode

TIME = 1.5
STAMP = "1970-01-01T00:00:01.500Z"

texts = st.one_of(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=20),
    st.lists(
        st.sampled_from(
            [*'"\\%\r\t\0\x1b\x1f\x7f', "%d", "%%", "\\n", "é", "€", "🚀", "\u2028"]
        ),
        max_size=8,
    ).map("".join),
    st.sampled_from([0, 1, 9, 10, 11, 124, 125, 126, 4095, 4096]).map(lambda size: "x" * size),
)

chunks = st.builds(
    lambda lines, **more: Chunk(
        count=len(lines), data="".join(line + "\n" for line in lines).encode(), **more
    ),
    lines=st.lists(texts, min_size=1, max_size=12),
    first=st.sampled_from([1, 7, 95, 99_999]),
    stream=st.sampled_from(["stdout", "stderr"]),
    time=st.just(TIME),
    pid=st.sampled_from([None, 7]),
    partial=st.booleans(),
    own=st.booleans(),
)

nodes = st.sampled_from(["web.0", "100%d.0", "x" * 130, 'ü".0'])


def document(chunk: Chunk, number: int, line: str, node: str = "") -> str:
    """
    A line as JSON, by the book.
    """
    made: dict[str, object] = {"seq": number}
    if node:
        made["node"] = node
    made |= {"time": STAMP, "stream": chunk.stream, "line": line, "pid": chunk.pid}
    if chunk.partial:
        made["partial"] = True
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False)


def numbered(chunk: Chunk) -> list[tuple[int, str]]:
    """
    Each line, with its number.
    """
    *lines, _ = chunk.data.decode().split("\n")
    return list(enumerate(lines, chunk.first))


class FormatTests(InPython, SynchronousTestCase):
    """
    Whatever lines have in them.
    """

    def assertFrames(self, found: bytes, lines: list[str]) -> None:
        """
        Each line is a text frame, with the shortest head there is.
        """
        payloads = [line.encode() for line in lines]
        self.assertEqual([payload for _, payload in decode(found)], payloads)
        self.assertEqual(found, b"".join([header(len(line)) + line for line in payloads]))

    @BOTH
    @given(chunks)
    def test_plain(self, chunk: Chunk) -> None:
        """
        Lines as they are, the agent's own behind its name.
        """
        own = "smartmob: " if chunk.own else ""
        lines = [own + line for _, line in numbered(chunk)]
        self.assertFrames(PLAIN_FRAMES.lines(chunk), lines)
        self.assertEqual(TEXT.lines(chunk), "".join([f"{line}\n" for line in lines]).encode())

    @BOTH
    @given(chunks)
    def test_json(self, chunk: Chunk) -> None:
        """
        JSON documents, also where the numbers get longer within a chunk.
        """
        found = [document(chunk, number, line) for number, line in numbered(chunk)]
        self.assertFrames(JSON_FRAMES.lines(chunk), found)
        self.assertEqual(NDJSON.lines(chunk), "".join([f"{each}\n" for each in found]).encode())

    @BOTH
    @given(chunks)
    def test_events(self, chunk: Chunk) -> None:
        """
        Server-sent events.
        """
        own = "smartmob: " if chunk.own else ""
        plain, told = "", ""
        for number, line in numbered(chunk):
            safe = line.replace("\r", "\ndata: ")
            plain += f"id: {number}\ndata: {own}{safe}\n\n"
            told += f"id: {number}\ndata: {document(chunk, number, line)}\n\n"
        self.assertEqual(SSE.lines(chunk), plain.encode())
        self.assertEqual(SSE_JSON.lines(chunk), told.encode())

    @BOTH
    @given(chunks, nodes)
    def test_app(self, chunk: Chunk, node: str) -> None:
        """
        The same of an app, each line with its process.
        """
        own = "smartmob: " if chunk.own else ""
        stamp = "1970-01-01T00:00:01+00:00"
        for name, prefix in (("plain", f"{node} | "), ("heroku", f"{stamp} app[{node}]: ")):
            lines = [prefix + own + line for _, line in numbered(chunk)]
            self.assertFrames(APP_FRAMES[name].lines(chunk, node), lines)
            text = "".join([f"{line}\n" for line in lines])
            self.assertEqual(APP_TEXTS[name].lines(chunk, node), text.encode())
            safe = [line.replace("\r", "\ndata: ") for line in lines]
            events = "".join([f"data: {line}\n\n" for line in safe])
            self.assertEqual(APP_EVENTS[name].lines(chunk, node), events.encode())
        found = [document(chunk, number, line, node) for number, line in numbered(chunk)]
        self.assertFrames(APP_FRAMES["json"].lines(chunk, node), found)
        text = "".join([f"{each}\n" for each in found])
        self.assertEqual(APP_TEXTS["json"].lines(chunk, node), text.encode())
        events = "".join([f"data: {each}\n\n" for each in found])
        self.assertEqual(APP_EVENTS["json"].lines(chunk, node), events.encode())


class CompiledFormatTests(WithLibrary, FormatTests):
    """
    The same with the compiled library.
    """
