"""
What happens to programs, as gafferd tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from smartmob.events import Event, Topic
from smartmob.lines.encodings import compact
from smartmob.topics import Topics
from smartmob.web.gaffer.errors import Reasoned
from smartmob.web.gaffer.feeds import Form, answer, document_event, parse_feed
from smartmob.web.gaffer.names import Name, parse_path
from smartmob.web.gaffer.registry import Registry
from smartmob.web.routing import new_app
from smartmob.web.site import Request

OF_A_PROCESS = (
    Topic.START,
    Topic.STOP,
    Topic.SPAWN,
    Topic.REAP,
    Topic.EXIT,
    Topic.STOP_PID,
)
"""What there is of C{proc.NAME.TYPE}."""


@frozen
class Pattern:
    """
    What a client watches.

    @ivar kind: C{None}: every kind.
    @ivar name: Whose; C{None}: of all.
    @ivar of_process: By its longer name, C{proc.NAME.KIND}.
    """

    kind: Topic | None = None
    name: Name | None = None
    of_process: bool = False

    @property
    def topics(self) -> Topics:
        """
        The events that may be wanted.
        """
        kinds = OF_A_PROCESS if self.kind is None else (self.kind,)
        if self.name is not None:
            return Topics(frozenset(f"proc.{self.name.template}.{kind}" for kind in kinds))
        if self.of_process or self.kind is not None:
            return Topics(frozenset(str(kind) for kind in kinds))
        return Topics()

    def names(self, event: Event) -> Iterable[str]:
        """
        The names by which an event is told: to who watches everything, both.
        """
        if not self.of_process:
            yield event.topic
        if self.of_process or (self.kind is None and event.topic in OF_A_PROCESS):
            yield f"proc.{Name(event.app, event.process_type)}.{event.topic}"


def parse_pattern(parts: tuple[str, ...]) -> Pattern:
    """
    What a path says.

    @raise Problem: There is no such kind of event.
    """
    match parts:
        case ():
            return Pattern()
        case ("proc",):
            return Pattern(of_process=True)
        case ("proc", name):
            return Pattern(None, parse_path(name), of_process=True)
        case ("proc", name, kind):
            return Pattern(_kind(kind, OF_A_PROCESS), parse_path(name), of_process=True)
        case (kind,):
            return Pattern(_kind(kind, Topic))
    raise Reasoned("not-found", "events are KIND, or proc/NAME/KIND", reason="bad_event_type")


def _kind(text: str, kinds: Iterable[Topic]) -> Topic:
    known = {kind.value: kind for kind in kinds}
    try:
        return known[text.lower()]
    except KeyError:
        detail = f"there are the events {', '.join(known)}"
        raise Reasoned("not-found", detail, reason="bad_event_type") from None


@frozen
class Encoding:
    """
    Events as gafferd's clients read them.

    Equal ones are one to L{Feed<smartmob.feed.Feed>}, which encodes an event once for all
    who read the same.

    @ivar server_sent: As server-sent events; else a JSON document a line.
    """

    registry: Registry
    pattern: Pattern
    server_sent: bool
    told = True
    events = True

    def numbered(self, event: Event) -> bytes:
        """
        See L{EventEncoding.numbered<smartmob.feed.EventEncoding.numbered>}.
        """
        about = self._about(event)
        names = list(self.pattern.names(event))
        if self.server_sent:
            return b"".join([document_event(name, {"event": name, **about}) for name in names])
        return compact({"event": names[0], **about}) + b"\r\n"

    def event(self, document: Mapping[str, object]) -> bytes:
        """
        See L{Format.event<smartmob.lines.encodings.Format.event>}.
        """
        if self.server_sent:
            return document_event(str(document["event"]), document)
        return compact(document) + b"\r\n"

    def _about(self, event: Event) -> dict[str, object]:
        number = self.registry.numbers.of_event(event)
        told = event.about
        document: dict[str, object] = {"name": str(Name(event.app, event.process_type))}
        if told.pid is not None:
            document |= {"pid": number, "os_pid": told.pid}
        if told.exit_status is not None:
            document |= {"exit_status": told.exit_status, "term_signal": told.term_signal}
        if told.reason is not None:
            document["reason"] = told.reason
        if event.topic is Topic.SPAWN:
            document["detached"] = self._is_detached(event)
        return document

    def _is_detached(self, event: Event) -> bool:
        template = self.registry.template_named(Name(event.app, event.process_type))
        return template is not None and template.model.detach


@frozen(eq=False, repr=False)
class Watch:
    """
    Events, for who waits for them.
    """

    app = new_app()
    registry: Registry
    reactor: IReactorTime

    @app.route("/watch", methods=["GET"])
    def watch(self, request: Request) -> IResource | bytes:
        """All that happens."""
        return self._watch(request)

    @app.route("/watch/<kind>", methods=["GET"])
    def watch_kind(self, request: Request, kind: str) -> IResource | bytes:
        """What happens of a kind."""
        return self._watch(request, kind)

    @app.route("/watch/<proc>/<whose>", methods=["GET"])
    def watch_process(self, request: Request, proc: str, whose: str) -> IResource | bytes:
        """What happens to the processes of a template."""
        return self._watch(request, proc, whose)

    @app.route("/watch/<proc>/<whose>/<kind>", methods=["GET"])
    def watch_process_kind(
        self, request: Request, proc: str, whose: str, kind: str
    ) -> IResource | bytes:
        """What happens of a kind to the processes of a template."""
        return self._watch(request, proc, whose, kind)

    def _watch(self, request: Request, *parts: str) -> IResource | bytes:
        pattern = parse_pattern(parts)
        query = parse_feed(request.args)
        encoding = Encoding(self.registry, pattern, query.form is Form.EVENTSOURCE)
        feed = self.registry.agent.feed
        apps = request.caller.permit.apps
        return answer(
            request,
            self.reactor,
            query,
            b"application/json",
            lambda reader: feed.attach(reader, pattern.topics, None, encoding, apps),
        )
