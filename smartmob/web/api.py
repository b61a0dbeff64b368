"""
The routes about processes, a class for each family of them.

A route reads what was asked, has the domain do it, and shows what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http

import smartmob
from smartmob.converter import structure
from smartmob.documents import CreateRequest, SignalRequest, StdinRequest, VerbRequest
from smartmob.permit import Scope
from smartmob.privileges import privileges
from smartmob.refusals import (
    NoPort,
    OutOfDescriptors,
    StateNotWritten,
    TooManyProcesses,
    TreeLeft,
)
from smartmob.rlimits import inherited, limited
from smartmob.scaling import steps
from smartmob.web.bodies import parse_body
from smartmob.web.problems import bad_query
from smartmob.web.query import parse_globs
from smartmob.web.render import Documents, encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request

if TYPE_CHECKING:
    from smartmob.agent import Agent
    from smartmob.process import Process

_log = Logger()

T = TypeVar("T")

FILTERS: Mapping[str, Callable[[Process], str]] = {
    "app": lambda process: process.definition.app,
    "state": lambda process: process.state.value,
    "node": lambda process: process.definition.node,
}
"""What a listing can be filtered by."""


def reply(request: Request, body: bytes, status: int = http.OK) -> bytes:
    """
    Answer with a JSON document.
    """
    request.setResponseCode(status)
    return listed(request, body + b"\n")


def listed(request: Request, body: bytes) -> bytes:
    """
    Answer with a JSON document that has its last line end: a large one is not copied.
    """
    return send(request, b"application/json", body)


def send(request: Request, content_type: bytes, body: bytes) -> bytes:
    """
    Answer with a body of any type.
    """
    request.setHeader(b"Content-Type", content_type)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return body


def read(request: Request, wanted: type[T]) -> T:
    """
    The document that came with a request.

    @raise Problem: It is no JSON.
    @raise InvalidDocument: It has wrong fields.
    """
    return structure(read_json(request), wanted)


def read_json(request: Request) -> object:
    """
    What came with a request, not looked at any further.

    @raise Problem: It is no JSON.
    """
    assert request.content is not None
    request.content.seek(0)
    return parse_body(request.content.read())


def waits(request: Request) -> bool:
    """
    Whether the client wants to wait until what it asked for is done.
    """
    values: list[bytes] = request.args.get(b"wait", [b"1"])
    if any(value not in (b"0", b"1") for value in values):
        raise bad_query("wait", "must be 0 or 1")
    return values[-1] == b"1"


@contextmanager
def discreetly(request: Request) -> Iterator[None]:
    """
    Create processes for somebody who, where there is no room for them, is told how full the
    agent is only if they may see all that is in it.
    """
    try:
        yield
    except (TooManyProcesses, NoPort, OutOfDescriptors) as refusal:
        if not request.caller.permit.limited:
            raise
        raise type(refusal)("the agent has no room for so many processes") from None


def index_document(request: Request) -> dict[str, str]:
    """
    The URLs of what there is.
    """
    base = request.base_url.decode("latin-1")
    return {
        "list": f"{base}/list-processes",
        "create": f"{base}/create-process",
        "scale": f"{base}/scale-app/{{app}}",
        "attach_app": f"ws{base.removeprefix('http')}/attach-app/{{app}}",
        "archives": f"{base}/archives",
        "plugins": f"{base}/plugins",
        "events": f"{base}/events",
        "metrics": f"{base}/metrics",
        "openapi": f"{base}/openapi.json",
        "version": smartmob.__version__,
    }


@frozen(eq=False, repr=False)
class Index:
    """
    What there is, and who says so.
    """

    app = new_app()

    @app.route("/", methods=["GET"])
    def index(self, request: Request) -> bytes:
        """Where to begin: the URLs of everything else."""
        return reply(request, encode(index_document(request)))

    @app.route("/version", methods=["GET"])
    def version(self, request: Request) -> bytes:
        """The name and version of the agent."""
        return reply(request, encode({"name": "smartmob", "version": smartmob.__version__}))


@frozen(eq=False, repr=False)
class Ping:
    """
    What everybody may know: load balancers have no token.
    """

    app = new_app()
    scopes: ClassVar = {"GET": Scope.NONE}

    @app.route("/ping", methods=["GET"])
    def ping(self, request: Request) -> bytes:
        """Whether the agent answers."""
        return send(request, b"text/plain; charset=utf-8", b"OK")


@frozen(eq=False, repr=False)
class Processes:
    """
    The processes, all and each.
    """

    app = new_app()
    agent: Agent
    documents: Documents

    @app.route("/list-processes", methods=["GET"])
    def list_processes(self, request: Request) -> bytes:
        """The processes, oldest first; app, state and node may be globs, repeated for any."""
        processes = self.agent.processes()
        permit = request.caller.permit
        if not (request.args or permit.limited):
            return listed(request, self.documents.all(processes, request.base_url))
        processes = [each for each in processes if permit.sees(each.definition.app)]
        for name, value_of in FILTERS.items():
            patterns = parse_globs(request.args, name)
            if patterns:
                processes = [
                    process
                    for process in processes
                    if any(fnmatchcase(value_of(process), pattern) for pattern in patterns)
                ]
        return listed(request, self.documents.some(processes, request.base_url))

    @app.route("/create-process", methods=["POST"])
    async def create_process(self, request: Request) -> bytes:
        """Run a process of an app, from an archive with a Procfile."""
        wanted = read(request, CreateRequest)
        request.caller.check_app(wanted.app, f"app {wanted.app}")
        usual = limited(self.agent.limits, inherited())
        request.caller.check_members(privileges(wanted, usual))
        with discreetly(request):
            process = await self.agent.create(wanted, request.request_id)
        request.setHeader(
            b"Location", request.base_url + b"/process-status/" + process.slug.encode()
        )
        body = self.documents.one(process, request.base_url)
        return reply(request, body, http.CREATED)

    @app.route("/process-status/<slug>", methods=["GET"])
    def process_status(self, request: Request, slug: str) -> bytes:
        """A process, with how its last runs ended."""
        process = self.agent.process(slug)
        return reply(request, self.documents.whole(process, request.base_url))


@frozen(eq=False, repr=False)
class Verbs:
    """
    What can be done with a process.

    A client that hangs up cancels the wait, never what it waits for.
    """

    app = new_app()
    agent: Agent
    documents: Documents

    @app.route("/start-process/<slug>", methods=["POST"])
    async def start_process(self, request: Request, slug: str) -> bytes:
        """See that a process runs."""
        process = self._process(request, slug)
        status = await done(waits(request), process.start)
        return self._shown(request, process, status)

    @app.route("/stop-process/<slug>", methods=["POST"])
    async def stop_process(self, request: Request, slug: str) -> bytes:
        """Stop a process, with everything it started."""
        process = self._process(request, slug)
        status = await done(waits(request), process.stop)
        return self._shown(request, process, status)

    @app.route("/restart-process/<slug>", methods=["POST"])
    async def restart_process(self, request: Request, slug: str) -> bytes:
        """Stop a process, then start it."""
        process = self._process(request, slug)
        status = await done(waits(request), process.restart)
        return self._shown(request, process, status)

    @app.route("/delete-process/<slug>", methods=["POST"])
    async def delete_process(self, request: Request, slug: str) -> bytes:
        """Stop a process and forget it; nothing of it is left."""
        process = self._process(request, slug)
        status = await done(waits(request), process.delete)
        return reply(request, b"{}", status)

    @app.route("/delete-app/<app>", methods=["POST"])
    async def delete_app(self, request: Request, app: str) -> bytes:
        """Delete every process of an app."""
        read(request, VerbRequest)
        status = await done(waits(request), lambda: self.agent.delete_app(app))
        return reply(request, b"{}", status)

    @app.route("/scale-app/<app>", methods=["POST"])
    async def scale_app(self, request: Request, app: str) -> bytes:
        """Have so many instances of the process types of an app, or so many more or less."""
        wanted = steps(read_json(request))
        with discreetly(request):
            await self.agent.scale(app, wanted, request.request_id)
        processes = [each for each in self.agent.processes() if each.definition.app == app]
        return listed(request, self.documents.some(processes, request.base_url))

    @app.route("/signal-process/<slug>", methods=["POST"])
    def signal_process(self, request: Request, slug: str) -> bytes:
        """Send a signal to the process group of a program."""
        process = self.agent.process(slug)
        process.signal(read(request, SignalRequest).signal)
        return self._shown(request, process)

    @app.route("/write-stdin/<slug>", methods=["POST"])
    def write_stdin(self, request: Request, slug: str) -> bytes:
        """Write to the standard input of a program."""
        process = self.agent.process(slug)
        wanted = read(request, StdinRequest)
        process.write(wanted.data.encode(), wanted.eof)
        return self._shown(request, process)

    def _process(self, request: Request, slug: str) -> Process:
        process = self.agent.process(slug)
        read(request, VerbRequest)
        return process

    def _shown(self, request: Request, process: Process, status: int = http.OK) -> bytes:
        return reply(request, self.documents.one(process, request.base_url), status)


async def done(wait: bool, verb: Callable[[], Deferred[None]]) -> int:
    """
    Have something done, and say with which status to answer: at once, where the
    client does not C{wait}.
    """
    under_way = verb()
    if wait:
        await under_way
        return http.OK
    under_way.addErrback(_later)
    return http.ACCEPTED


def _later(failure: Failure) -> None:
    """
    What can't be answered any more.  That something is left stands in the
    process's document, and what is not on the disk in the log.
    """
    if failure.check(TreeLeft, StateNotWritten) is None:
        _log.failure("after an answer that did not wait", failure)
