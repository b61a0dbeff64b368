"""
The routes to what happens: to the lines of processes and apps, and to events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from smartmob.permit import Scope
from smartmob.web.handshake import wants_upgrade
from smartmob.web.logs import app_logs_response, event_response, logs_response
from smartmob.web.query import ALL, parse_app_query, parse_event_query, parse_query
from smartmob.web.routing import new_app
from smartmob.web.site import Request
from smartmob.web.sockets import Sockets
from smartmob.web.under_way import UnderWay

if TYPE_CHECKING:
    from smartmob.agent import Agent


@frozen(eq=False, repr=False)
class Lines:
    """
    What the programs of processes say, and, over a console, what they are told; and
    what happens to them.
    """

    app = new_app()
    agent: Agent
    reactor: IReactorTime
    sockets: Sockets

    @app.route("/attach-console/<slug>", methods=["GET"])
    def attach_console(self, request: Request, slug: str) -> IResource:
        """A WebSocket with the lines of a process, and to its standard input."""
        process = self.agent.process(slug)
        query = parse_query(request.args)
        if query.stdin:
            request.caller.check(Scope.WRITE, "stdin=1")
        return self.sockets().resource(process, request, query)

    @app.route("/attach-app/<app>", methods=["GET"])
    def attach_app(self, request: Request, app: str) -> IResource:
        """A WebSocket with the lines of all processes of an app, present and future."""
        console = self.agent.consoles.app(app)
        query = parse_app_query(request.args)
        return self.sockets().app_resource(console, request, query)

    @app.route("/process-logs/<slug>", methods=["GET"])
    def process_logs(self, request: Request, slug: str) -> bytes | IResource:
        """The kept lines of a process, and with follow=1 those to come."""
        process = self.agent.process(slug)
        query = parse_query(request.args)
        body = logs_response(process, request, query, self.reactor)
        return body if isinstance(body, bytes) else UnderWay()

    @app.route("/app-logs/<app>", methods=["GET"])
    def app_logs(self, request: Request, app: str) -> bytes | IResource:
        """The kept lines of all processes of an app, and with follow=1 those to come."""
        console = self.agent.consoles.app(app)
        query = parse_app_query(request.args, tail=ALL)
        body = app_logs_response(console, request, query, self.reactor)
        return body if isinstance(body, bytes) else UnderWay()

    @app.route("/events", methods=["GET"])
    def events(self, request: Request) -> bytes | IResource:
        """What happens to processes: a WebSocket, or server-sent events."""
        query = parse_event_query(
            request.args, request.requestHeaders, request.caller.permit.apps
        )
        feed = self.agent.feed
        if wants_upgrade(request):
            return self.sockets().event_resource(feed, request, query)
        body = event_response(feed, request, query, self.reactor)
        return body if isinstance(body, bytes) else UnderWay()
