"""
Those who read the lines of an app, by what they want.

A process knows the audiences that want its lines, not each reader, and so what
it has to say is encoded once for all of them, and a reader that comes or goes
costs the same however many processes it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from attrs import define

from smartmob.lines.app_encodings import AppEncoding
from smartmob.lines.readers import Subscription
from smartmob.lines.ring import Chunk


@define(eq=False, repr=False)
class Audience:
    """
    Readers who want the same streams of the same processes in the same format.

    @ivar nodes: Globs; any of them has to match.  None: all processes.
    @ivar streams: None: all of them.
    @ivar readers: A tuple is never changed, so a reader may come and go while one is
        walked through.
    """

    encoding: AppEncoding
    nodes: tuple[str, ...]
    streams: frozenset[str]
    readers: tuple[Subscription, ...] = ()

    def wants(self, node: str) -> bool:
        """
        Whether it reads the process of this node.
        """
        return not self.nodes or any(fnmatchcase(node, glob) for glob in self.nodes)


def give(audiences: Iterable[Audience], chunk: Chunk, node: str, due: bool) -> None:
    """
    Give lines to all who want them.

    @param node: Whose they are.
    @param due: Nobody is to miss them.
    """
    encoded: dict[AppEncoding, bytes] = {}
    for audience in audiences:
        if audience.streams and chunk.stream not in audience.streams:
            continue
        encoding = audience.encoding
        for reader in audience.readers:
            if not due and reader.misses(chunk.count, node):
                continue
            lines = encoded.get(encoding)
            if lines is None:
                lines = encoded[encoding] = encoding.lines(chunk, node)
            reader.lines(lines, chunk.count, node, due)


def tell(audiences: Iterable[Audience], document: Mapping[str, object], node: str) -> None:
    """
    Tell what happened to the process of this node.
    """
    encoded: dict[AppEncoding, bytes] = {}
    for audience in audiences:
        encoding = audience.encoding
        if encoding.events:
            event = encoded.get(encoding)
            if event is None:
                event = encoded[encoding] = encoding.event(of(document, node))
            for reader in audience.readers:
                reader.event(event, node)


def of(document: Mapping[str, object], node: str) -> dict[str, object]:
    """
    An event that says whose it is.
    """
    return {"event": document["event"], "node": node, **document}
