"""
The HTTP server: every request passes the gate at the end of its head, and
every answer, also to what is no HTTP, has the shape that is promised.

Twisted calls L{Request.process} when the whole body is there; by then the body
of a request that is refused would have been read and kept, and the client told
to send it (C{Expect: 100-continue}).  So the work is done when the head has
ended (L{Channel.allHeadersReceived}).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import cast

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource

from smartmob.launch.turns import Turns
from smartmob.refusals import Refusal
from smartmob.source.upload import Sender, Upload
from smartmob.web import request_log
from smartmob.web.answered import NOWHERE, Answered
from smartmob.web.bodies import Body
from smartmob.web.browsers import of_secure
from smartmob.web.caller import ANYBODY, NOBODY, Caller
from smartmob.web.channel import Channel
from smartmob.web.dates import date_now
from smartmob.web.gate import Gate, origin_form, preflight, too_large
from smartmob.web.head import Head
from smartmob.web.outgoing import Unread
from smartmob.web.peer import uid_of
from smartmob.web.problems import Problem, Renderer, as_problem, problem_of
from smartmob.web.request_id import request_id_of, shown_path
from smartmob.web.routing import Match
from smartmob.web.sign_in_page import sign_in_page
from smartmob.web.trust import Way
from smartmob.web.visits import Visits

_log = Logger()


class Request(server.Request):
    """
    One request, from the end of its head on.

    @ivar way: How it came, as far as that can be believed.
    @ivar match: Where it leads, once it was admitted.
    @ivar route: The path of that as the table has it, also where it was refused since.
    @ivar caller: Who it is from, likewise.
    @ivar visits: What is open to clients, this too.
    @ivar request_id: What it is called in the log, and in the answer.
    @ivar upload: The archive that it sends, if it does.
    """

    defaultContentType = None
    channel: Channel
    way: Way
    match: Match
    route: str = NOWHERE
    caller: Caller = NOBODY
    visits: Visits
    request_id: str
    started_at: float
    upload: Upload | None = None
    _received = 0
    _complete = False
    _admitted = False
    _leave: Callable[[], object] = staticmethod(lambda: None)

    def begin(self, method: bytes, uri: bytes, version: bytes, length: int | None) -> None:
        """
        The head is complete.  What it asks for is C{uri} afterwards.

        @raise Problem: The request is not admitted.
        @raise Refusal: It is about what does not exist.
        """
        self.method, self.uri, self.clientproto = method, uri, version
        self.path, _, query = uri.partition(b"?")
        site = self.channel.site
        self.started_at = site.reactor.seconds()
        self.request_id = request_id_of(self)
        self.setHeader(b"X-Request-Id", self.request_id.encode())
        self.setHeader(b"Date", date_now())
        self.way = site.gate.trust.way(
            self.requestHeaders, self.getClientAddress(), secure=self.isSecure()
        )
        local = isinstance(self.getHost(), UNIXAddress)
        known = local and site.gate.access.users
        if not uri.startswith(b"/"):
            self.uri = origin_form(uri, self.requestHeaders)
            self.path, _, query = self.uri.partition(b"?")
        self._admit(
            site.gate,
            Head(
                method=method,
                path=self.path,
                query=query,
                headers=self.requestHeaders,
                length=length,
                way=self.way,
                local=local,
                uid=uid_of(self.channel.transport) if known else None,
            ),
        )
        if self.match.body is Body.ARCHIVE:
            self.channel.expect_upload()
            self.upload = site.receive(length, self)

    def _admit(self, gate: Gate, head: Head) -> None:
        """
        Have the gate decide.  What it says of foreign pages is said with a refusal too:
        without that, a page could not read why.
        """
        headers = gate.cross_origin(head)
        if self.way.secure:
            headers |= of_secure(self.way)
        for name, value in headers.items():
            self.setHeader(name, value)
        try:
            self.match, self.caller = gate.admit(head)
        finally:
            self.route = head.route
        self.visits = gate.access.visits
        self._leave = self.visits.begin(self.caller, self._show_out)
        self._admitted = True
        if b"Access-Control-Allow-Origin" in headers:
            for name, value in preflight(head, self.match).items():
                self.setHeader(name, value)

    def gotLength(self, length: int | None) -> None:
        """
        The body is about to come: it is kept in memory, since it is bounded, unless it
        is an archive.
        """
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """
        A part of the body.  One that was not announced may be too long.
        """
        if self.content is None or self.channel.closing:
            return
        self._received += len(data)
        most = self.channel.site.gate.most_bytes(self.match.body, self.caller)
        if self._received > most:
            too_much = Failure(too_large(most))
            if self.upload is not None:
                self.upload.fail(too_much)
            else:
                self.refuse(too_much)
        elif self.upload is not None:
            self.upload.write(data)
        else:
            self.content.write(data)

    @property
    def share(self) -> object:
        """See L{Sender.share}."""
        return None if self.caller is ANYBODY else self.caller.permit.key

    def hold(self, held: bool) -> None:
        """
        See L{Sender.hold}.
        """
        if not self._disconnected:
            self.channel.hold(held)

    def refuse(self, why: Failure) -> None:
        """
        See L{Sender.refuse}.
        """
        if not (self._disconnected or self.channel.closing):
            self.channel.refuse(self, why)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The client is gone, perhaps in the midst of an answer that goes on.
        """
        if self.startedWriting and not self.finished:
            self.channel.site.answered.note(self.route, self.method, self.code)
            request_log.answered(self, ", when the client hung up")
        elif self._admitted and not self.finished:
            request_log.given_up(self)
        super().connectionLost(reason)
        self._leave()
        if self.upload is not None:
            self.upload.abandon()

    def finish(self) -> None:
        """
        All of the answer is there.
        """
        self._leave()
        self.channel.site.answered.note(self.route, self.method, self.code)
        request_log.answered(self)
        super().finish()

    def hand_over(
        self, end: Callable[[], None]
    ) -> tuple[Callable[[], object], Callable[[int | None], None]]:
        """
        What the request was about goes on without it.

        @param end: Called when its caller may not be there any more.
        @return: To be called when it is over, the latter with the code that it was closed with.
        """
        self._leave()
        self.channel.site.answered.note(self.route, self.method, http.SWITCHING)
        return self.visits.begin(self.caller, end), request_log.opened(self)

    def _show_out(self) -> None:
        """
        The caller may not be there any more.  What was asked for is answered, or nobody
        would know what came of it; but lines that come are not.
        """
        if self._complete and not self.startedWriting:
            self.setHeader(b"Connection", b"close")
            self.channel.persistent = False
        else:
            self.channel.transport.abortConnection()

    def process(self) -> None:
        """
        The request is complete.
        """
        self.site = self.channel.site
        self._complete = True
        if self.method == b"OPTIONS" or self.match.route is None:
            self.setResponseCode(http.NO_CONTENT)
            self.setHeader(b"Allow", ", ".join(self.match.allow).encode())
            self.finish()
            return
        try:
            self._give(self.match.route.answer(self, self.match.arguments))
        except Exception:
            self.processingFailed(Failure())

    def _give(self, answer: object) -> None:
        """
        Answer with what a route returned: a body, what makes one (a resource), or what
        will be one of these.  A client that hangs up cancels the wait.
        """
        if self._disconnected:
            return
        if isinstance(answer, Deferred):
            self.notifyFinish().addErrback(lambda _: answer.cancel())
            answer.addCallback(self._give).addErrback(self._fail)
        elif IResource.providedBy(answer):
            self.render(answer)
        else:
            assert isinstance(answer, bytes)
            self.write(answer)
            self.finish()

    def _fail(self, reason: Failure) -> None:
        if not self._disconnected:
            self.processingFailed(reason)
        elif reason.check(CancelledError) is None:
            _log.failure(
                "for a client that hung up ({request_id})", reason, request_id=self.request_id
            )

    def processingFailed(self, reason: Failure) -> Failure:
        """
        A route raised something: a refusal is answered as such, all else is a
        failure of the agent, which the log tells all about and the client nothing.
        """
        match reason.value:
            case Problem() as problem:
                self.answer(problem)
            case Refusal() as refusal:
                self.answer(problem_of(refusal))
            case _:
                _log.failure(
                    "{method} {path} ({request_id})",
                    reason,
                    method=self.method.decode("ascii"),
                    path=shown_path(self),
                    request_id=self.request_id,
                )
                self.answer(
                    Problem(
                        "internal-error",
                        f"the agent's log says more, under {self.request_id}",
                    )
                )
        return reason

    def answer(self, problem: Problem) -> None:
        """
        Answer with an error, and nothing else.
        """
        if self.startedWriting:  # half an answer can only be cut
            self.channel.transport.abortConnection()
            return
        rendered = self.channel.site.rendered
        error = sign_in_page(self, problem) or rendered(self.path, problem)
        # Twisted's own table of phrases lacks some.
        self.setResponseCode(error.status, HTTPStatus(error.status).phrase.encode())
        self.setHeader(b"Content-Type", error.content_type)
        self.setHeader(b"Content-Length", b"%d" % len(error.body))
        for name, value in (*error.headers.items(), *problem.headers.items()):
            self.setHeader(name, value)
        self.write(error.body)
        self.finish()

    def write(self, data: bytes) -> None:
        """
        A part of an answer.  Its head leaves with the first one, also where that is empty.
        """
        super().write(data)
        if not self._disconnected:
            self.channel.flush()

    def write_chunks(self, parts: Sequence[bytes]) -> None:
        """
        Go on with an answer: each part is a chunk of its own, where there are chunks (RFC
        9112, 7.1).  All are one write: one for each would cost more than all else about
        short parts.
        """
        if not self.chunked:
            self.write(b"".join(parts))
        elif not self._disconnected:
            chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part]
            self.sentLength += sum(map(len, parts))
            self.channel.write(b"".join(chunks))

    @property
    def base_url(self) -> bytes:
        """
        The scheme and Host that the client used, without a slash at the end.
        """
        return self.way.base_url


class Site(server.Site):
    """
    Makes a L{Channel} for each connection.
    """

    requestFactory = Request
    protocol = Channel  # type: ignore[assignment] # Twisted's is a proxy that may switch to HTTP/2
    noisy = False

    def __init__(
        self,
        gate: Gate,
        reactor: IReactorTime,
        receive: Callable[[int | None, Sender], Upload],
        rendered: Renderer = as_problem,
    ) -> None:
        """
        @param gate: What every request has to pass.
        @param reactor: For the bounds on time.
        @param receive: Takes an archive of a length from a sender.
        @param rendered: Renders errors.
        """
        super().__init__(
            cast(IResource, None),  # the gate's match has the resource
            timeout=None,  # the channel's own bounds are the better ones
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self.gate = gate
        self.receive = receive
        self.rendered = rendered
        self.turns = Turns(reactor)
        self.unread = Unread()
        self.answered = Answered()

    def startFactory(self) -> None:
        """
        Twisted's would wake up each second to format the time for an access log.
        """

    def stopFactory(self) -> None:
        """
        Nothing was started.
        """

    def log(self, request: http.Request) -> None:
        """
        It was said already: see L{smartmob.web.request_log}.
        """

    def acceptableProtocols(self) -> list[bytes]:
        """
        HTTP/1.1 alone: the bounds and the gate are those of its channel.
        """
        return [b"http/1.1"]
