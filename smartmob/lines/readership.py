"""
All who read the lines of one process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smartmob.lines.audience import Audience, give, tell
from smartmob.lines.encodings import Encoding
from smartmob.lines.readers import Ending, Subscription
from smartmob.lines.ring import Chunk

_Key = tuple[Encoding, frozenset[str]]


class Readership:
    """
    Readers of the process, and the audiences of its app.

    What comes is encoded once for all who want it in the same format, and where nobody
    wants it not at all.

    @ivar node: Whose lines they are.
    """

    __slots__ = ("_audiences", "_every", "_groups", "_streams", "node")

    def __init__(self, node: str) -> None:
        self.node = node
        # Those who want the same streams in the same format, together.  None of these is
        # ever changed, so a reader may come and go while they are walked through.
        self._groups: dict[_Key, tuple[Subscription, ...]] = {}
        self._audiences: tuple[Audience, ...] = ()
        self._every = False  # somebody reads all streams
        self._streams: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """
        Whether there is anybody.
        """
        return bool(self._groups or self._audiences)

    def __iter__(self) -> Iterator[Subscription]:
        """
        Each reader, those of audiences, too.
        """
        for readers in self._groups.values():
            yield from readers
        for audience in self._audiences:
            yield from audience.readers

    def want(self, stream: str) -> bool:
        """
        Whether anybody wants lines of this stream.
        """
        return self._every or stream in self._streams

    # Who comes and goes.

    def add(self, reader: Subscription, encoding: Encoding, streams: frozenset[str]) -> None:
        """
        A reader of the process.

        @param streams: None: it wants all of them.
        """
        key = (encoding, streams)
        self._changed({**self._groups, key: (*self._groups.get(key, ()), reader)})

    def remove(self, reader: Subscription, encoding: Encoding, streams: frozenset[str]) -> None:
        """
        It is gone.  May be repeated.
        """
        key = (encoding, streams)
        groups = dict(self._groups)
        others = tuple(one for one in groups.pop(key, ()) if one is not reader)
        self._changed({**groups, key: others} if others else groups)

    def join(self, audience: Audience) -> None:
        """
        Those of the app that want the same.
        """
        self._audiences = (*self._audiences, audience)
        self._changed(self._groups)

    def leave(self, audience: Audience) -> None:
        """
        They are no more.
        """
        self._audiences = tuple(one for one in self._audiences if one is not audience)
        self._changed(self._groups)

    def part(self) -> None:
        """
        The process is no longer one of the app.
        """
        self._audiences = ()
        self._changed(self._groups)

    def _changed(self, groups: dict[_Key, tuple[Subscription, ...]]) -> None:
        self._groups = groups
        wanted = [streams for _, streams in groups]
        wanted += [audience.streams for audience in self._audiences]
        self._every = not all(wanted)
        self._streams = frozenset().union(*wanted)

    # What they get.

    def give(self, chunk: Chunk, due: bool) -> None:
        """
        Lines.

        @param due: Nobody is to miss them.
        """
        encoded: dict[Encoding, bytes] = {}
        for (encoding, streams), readers in self._groups.items():
            if streams and chunk.stream not in streams:
                continue
            for reader in readers:
                if not due and reader.misses(chunk.count):
                    continue
                lines = encoded.get(encoding)
                if lines is None:
                    lines = encoded[encoding] = encoding.lines(chunk)
                reader.lines(lines, chunk.count, "", due)
        if self._audiences:
            give(self._audiences, chunk, self.node, due)

    def tell(self, document: Mapping[str, object]) -> None:
        """
        What happened to the process.
        """
        encoded: dict[Encoding, bytes] = {}
        for (encoding, _), readers in self._groups.items():
            if encoding.events:
                event = encoded.get(encoding)
                if event is None:
                    event = encoded[encoding] = encoding.event(document)
                for reader in readers:
                    reader.event(event)
        if self._audiences:
            tell(self._audiences, document, self.node)

    def greet(self, document: Mapping[str, object]) -> None:
        """
        Tell readers of the app what they have to know of the process first.
        """
        tell(self._audiences, document, self.node)

    def end(self, why: Ending) -> None:
        """
        The end for all readers of the process.
        """
        for readers in self._groups.values():
            for reader in readers:
                reader.end(why)
