"""
What programs write, and what is written to them.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from zope.interface import implementer

from smartmob.lines.encodings import frame
from smartmob.lines.readers import Ending, IReader
from smartmob.lines.splitter import Block, Splitter
from smartmob.lines.taps import AsTheyAre, Shape
from smartmob.permit import Scope
from smartmob.refusals import NoInput
from smartmob.web.bodies import Body
from smartmob.web.gaffer.definitions import redirected
from smartmob.web.gaffer.errors import Reasoned
from smartmob.web.gaffer.feeds import BLOCK_END, Form, answer, parse_feed
from smartmob.web.gaffer.registry import Registry
from smartmob.web.gaffer.replies import done
from smartmob.web.routing import new_app
from smartmob.web.site import Request
from smartmob.web.sockets import Sockets

if TYPE_CHECKING:
    from smartmob.process import Process

INPUTS = ("stdin", "ttin")
"""What the way in is called: by gafferd, and once by its documentation."""

_Decoder = getincrementaldecoder("utf-8")


@frozen(eq=False, repr=False)
class Streams:
    """
    The outputs and inputs of programs, by their numbers.
    """

    app = new_app()
    bodies: ClassVar = {"POST": Body.RAW}
    registry: Registry
    reactor: IReactorTime

    @app.route("/streams/<number>/<label>", methods=["GET"])
    def stream(self, request: Request, number: str, label: str) -> IResource | bytes:
        """What a program writes, as it does: bytes, or server-sent events a line each."""
        process = self.registry.numbered(number)
        query = parse_feed(request.args)
        labels = _labels(self.registry, process)
        if label not in labels:
            detail = f"{process.slug} has the streams {', '.join(labels)}"
            raise Reasoned("not-found", detail, reason="io_not_found")
        console = process.console
        shape = _AsEvents(label) if query.form is Form.EVENTSOURCE else AsTheyAre
        return answer(
            request,
            self.reactor,
            query,
            b"application/octet-stream",
            lambda reader: console.tap(reader, label, shape),
        )

    @app.route("/streams/<number>/<any(stdin, ttin):way>", methods=["POST"])
    def write(self, request: Request, number: str, way: str) -> bytes:
        """Write to the standard input of a program."""
        process = self.registry.numbered(number)
        assert request.content is not None
        request.content.seek(0)
        process.write(request.content.read())
        return done(request)


@frozen(eq=False, repr=False)
class Terminals:
    """
    The same in both directions at once: whoever opens one may type.
    """

    app = new_app()
    scopes: ClassVar = {"GET": Scope.WRITE}
    registry: Registry
    sockets: Sockets

    @app.route("/wstreams/<number>", methods=["GET"])
    def socket(self, request: Request, number: str) -> IResource:
        """A WebSocket to a program's standard input, and from its first output."""
        process = self.registry.numbered(number)
        labels = _labels(self.registry, process)
        if not process.takes_input:
            raise NoInput(f"{process.slug} takes no input")
        console = process.console
        return self.sockets().tap_resource(
            request, lambda reader: console.tap(_Frames(reader), labels[0]), process
        )


def _labels(registry: Registry, process: Process) -> tuple[str, ...]:
    """
    The outputs of a program that clients may have.

    @raise Problem: There are none.
    """
    labels = redirected(registry.template_of(process), process.definition)
    if not labels:
        detail = f"the output of {process.slug} is not redirected"
        raise Reasoned("bad-query", detail, reason="io_not_redirected")
    return labels


@frozen
class _AsEvents:
    """
    Makes server-sent events of a program's bytes, one of each line.  Those of a label are
    equal, so that all clients share the line that has no end yet.
    """

    label: str

    def __call__(self) -> Shape:
        """
        Begin.
        """
        return _Events(self.label)


class _Events:
    """
    See L{_AsEvents}.
    """

    def __init__(self, label: str) -> None:
        self._head = f"event: {label}\r\ndata: ".encode()
        self._splitter = Splitter()

    def feed(self, data: bytes) -> bytes:
        """
        See L{Shape.feed}.
        """
        return self._of(self._splitter.feed(data))

    def finish(self) -> bytes:
        """
        See L{Shape.finish}.  What has no line end is a line, too.
        """
        return self._of(self._splitter.finish())

    def _of(self, blocks: list[Block]) -> bytes:
        # As server_sent does it, but for many at once: this is the way of each line.
        lines = b"".join([block.data for block in blocks]).split(b"\n")[:-1]
        events = [self._head + line.replace(b"\r", b"\r\ndata: ") + BLOCK_END for line in lines]
        return b"".join(events)


@implementer(IReader)
class _Frames:
    """
    Makes text frames of a program's bytes: of each line one, with its end, and at once of
    what has none yet, for it may be a question.
    """

    def __init__(self, reader: IReader) -> None:
        self._reader = reader
        self._decoder = _Decoder(errors="replace")

    def write(self, data: bytes) -> None:
        """
        See L{IReader.write}.
        """
        self._give(self._decoder.decode(data))

    def ending(self, why: Ending) -> None:
        """
        See L{IReader.ending}.
        """
        self._reader.ending(why)

    def ended(self) -> None:
        """
        See L{IReader.ended}.
        """
        self._give(self._decoder.decode(b"", final=True))
        self._reader.ended()

    def _give(self, text: str) -> None:
        lines = text.split("\n")
        whole = [f"{line}\n" for line in lines[:-1]]
        if lines[-1]:
            whole.append(lines[-1])
        if whole:
            self._reader.write(b"".join([frame(line.encode()) for line in whole]))
