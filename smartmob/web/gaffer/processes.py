"""
Templates, and programs by their numbers.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve, frozen

from smartmob.checks import Wrong, signal_number
from smartmob.refusals import SlugInUse, UnknownProcess
from smartmob.templates import Template
from smartmob.waiting import all_of
from smartmob.web.api import discreetly, reply
from smartmob.web.bodies import Body, parse_body
from smartmob.web.gaffer.definitions import Definitions, show
from smartmob.web.gaffer.errors import bad_value
from smartmob.web.gaffer.names import name_of, parse_path
from smartmob.web.gaffer.privileges import privileges_of
from smartmob.web.gaffer.registry import Entry, Registry, is_number
from smartmob.web.gaffer.replies import done, patiently
from smartmob.web.gaffer.verbs import VERBS, Doing, restart, signal, start
from smartmob.web.render import encode
from smartmob.web.routing import new_app
from smartmob.web.site import Request

MOST_AT_ONCE = 99_999
"""Processes that may be asked for at once; the agent's own bound is another."""


@frozen(eq=False, repr=False)
class Templates:
    """
    Templates, all and each, and the programs of them.
    """

    app = new_app()
    bodies: ClassVar = {"POST": Body.LOOSE, "PUT": Body.LOOSE}
    registry: Registry
    definitions: Definitions
    doing: Doing

    @app.route("/processes", methods=["GET"])
    def processes(self, request: Request) -> bytes:
        """The names of all templates; with running=true the numbers of all programs."""
        registry = self.registry.seen_with(request.caller.permit)
        if _is_true(request.args.get(b"running", [b""])[-1]):
            return reply(request, encode(registry.pids(registry.running())))
        return reply(request, encode([str(entry.name) for entry in registry.entries()]))

    @app.route("/processes", methods=["POST"])
    async def add_process(self, request: Request) -> bytes:
        """Add a template."""
        document = _document(request)
        name = self.definitions.named(document)
        request.caller.check_app(name.app, f"group {name.app}")
        template = self.definitions.template(name, document)
        self._check(request, template)
        if any(entry.name == name for entry in self.registry.entries()):
            raise SlugInUse(f"there is a process {name}")
        with discreetly(request):
            changes = self.registry.declarations.add(template)
        process = self.registry.agent.process
        up = [process(slug).when_settled() for slug in changes.started]
        await patiently(self.doing.reactor, all_of([changes.done, *up]))
        return done(request)

    @app.route("/processes/<which>", methods=["GET"])
    def process(self, request: Request, which: str) -> bytes:
        """A template, by its name or the number of one of its programs."""
        found = self.registry.find(which)
        if not isinstance(found, Entry):
            found = self.registry.entry(name_of(found.definition))
        return reply(request, encode(show(found)))

    @app.route("/processes/<which>", methods=["PUT", "POST"])
    async def update_process(self, request: Request, which: str) -> bytes:
        """Another template in place of the one of that name."""
        entry = self.registry.entry(parse_path(which))
        before = entry.template
        if before is None:
            raise UnknownProcess(f"{entry.name} was created by the REST interface, only")
        document = _document(request)
        template = self.definitions.template(entry.name, document, before)
        self._check(request, template)
        if document.get("start") is not True:
            # gafferctl always says false; what runs goes on, and so does what is to come.
            template = evolve(template, start=before.start)
        with discreetly(request):
            changes = self.registry.declarations.change(template)
        waits = [changes.done]
        process = self.registry.agent.process
        waits += [process(slug).when_settled() for slug in changes.started]
        if document.get("start") is True:
            waits += [start(process) for process in self.registry.processes(entry.name)]
        await patiently(self.doing.reactor, all_of(waits))
        return done(request)

    @app.route("/processes/<which>", methods=["DELETE"])
    async def delete_process(self, request: Request, which: str) -> bytes:
        """Forget a template; or stop a program, which is replaced."""
        found = self.registry.find(which)
        if isinstance(found, Entry):
            await self.doing.remove([found])
        else:
            await self.doing.each(restart, [found])
        return done(request)

    @app.route("/processes/<template>/_pids", methods=["GET"])
    def pids(self, request: Request, template: str) -> bytes:
        """The numbers of a template's programs."""
        entry = self.registry.entry(parse_path(template))
        return done(request, pids=self.registry.pids(entry.processes))

    @app.route("/status/<template>", methods=["GET"])
    def status(self, request: Request, template: str) -> bytes:
        """Whether a template is up, and how much of it."""
        entry = self.registry.entry(parse_path(template))
        running, wanted = len(entry.running), len(entry.processes)
        document = {
            "active": running > 0,
            "running": running,
            "max_processes": wanted,
            "numprocesses": wanted,
        }
        return reply(request, encode(document))

    def _check(self, request: Request, template: Template) -> None:
        """
        See that somebody may define a template.  What goes beyond a created process is not
        kept to an app.
        """
        beyond = list(privileges_of(template.model, self.registry.agent))
        request.caller.check_members(beyond)
        if beyond:
            request.caller.check_every_app("what a created process may not be")


@frozen(eq=False, repr=False)
class TemplateVerbs:
    """
    What can be done with templates and programs.
    """

    app = new_app()
    bodies: ClassVar = {"POST": Body.LOOSE}
    registry: Registry
    doing: Doing

    @app.route("/processes/<which>/<any(_start, _stop, _restart):verb>", methods=["POST"])
    async def do(self, request: Request, which: str, verb: str) -> bytes:
        """Start, stop or restart all programs of a template; or stop one, which is replaced."""
        found = self.registry.find(which)
        if isinstance(found, Entry):
            await self.doing.each(VERBS[verb], found.processes)
        elif verb == "_start":
            raise UnknownProcess("a single program can't be started, only a template")
        else:
            await self.doing.each(restart, [found])
        return done(request)

    @app.route("/processes/<template>/_add", methods=["POST"])
    async def add_one(self, request: Request, template: str) -> bytes:
        """One program more."""
        return await self._scale(request, template, 1)

    @app.route("/processes/<template>/_add/<count>", methods=["POST"])
    async def add(self, request: Request, template: str, count: str) -> bytes:
        """So many programs more."""
        return await self._scale(request, template, _count(count))

    @app.route("/processes/<template>/_sub", methods=["POST"])
    async def sub_one(self, request: Request, template: str) -> bytes:
        """One program less."""
        return await self._scale(request, template, -1)

    @app.route("/processes/<template>/_sub/<count>", methods=["POST"])
    async def sub(self, request: Request, template: str, count: str) -> bytes:
        """So many programs less, down to none."""
        return await self._scale(request, template, -_count(count))

    @app.route("/processes/<which>/_signal/<sign>", methods=["POST"])
    def signal(self, request: Request, which: str, sign: str) -> bytes:
        """Send a signal, by its number or name."""
        found = self.registry.find(which)
        try:
            number = signal_number(int(sign) if is_number(sign) else sign)
        except Wrong as wrong:
            raise bad_value(f"{sign[:200]!r} {wrong.errors[0][1]}") from None
        if isinstance(found, Entry):
            signal(number, found.processes)
        else:
            found.signal(number)
        return done(request)

    async def _scale(self, request: Request, template: str, more: int) -> bytes:
        entry = self.registry.entry(parse_path(template))
        with discreetly(request):
            await self.doing.scale(entry, more, request.request_id)
        return done(request, numprocesses=len(self.registry.processes(entry.name)))


@frozen(eq=False, repr=False)
class Groups:
    """
    Templates by their groups.
    """

    app = new_app()
    bodies: ClassVar = {"POST": Body.LOOSE}
    registry: Registry
    doing: Doing

    @app.route("/groups", methods=["GET"])
    def groups(self, request: Request) -> bytes:
        """The names of all groups."""
        registry = self.registry.seen_with(request.caller.permit)
        names = [entry.name.group for entry in registry.entries()]
        return reply(request, encode([name for name in dict.fromkeys(names) if name]))

    @app.route("/groups/<group>", methods=["GET"])
    def group(self, request: Request, group: str) -> bytes:
        """The names of the templates of a group."""
        return reply(request, encode([str(one.name) for one in self.registry.group(group)]))

    @app.route("/groups/<group>", methods=["DELETE"])
    async def delete_group(self, request: Request, group: str) -> bytes:
        """Forget all templates of a group."""
        await self.doing.remove(self.registry.group(group))
        return done(request)

    @app.route("/groups/<group>/<any(_start, _stop, _restart):verb>", methods=["POST"])
    async def do_group(self, request: Request, group: str, verb: str) -> bytes:
        """Start, stop or restart all programs of a group."""
        entries = self.registry.group(group)
        processes = [process for entry in entries for process in entry.processes]
        await self.doing.each(VERBS[verb], processes)
        return done(request)


def _document(request: Request) -> dict[str, object]:
    assert request.content is not None
    request.content.seek(0)
    return parse_body(request.content.read())


def _is_true(running: bytes) -> bool:
    match running.lower():
        case b"true" | b"1":
            return True
        case b"false" | b"0" | b"":
            return False
    raise bad_value("running must be true or false (or 1 or 0)")


def _count(text: str) -> int:
    if not is_number(text) or int(text) > MOST_AT_ONCE:
        raise bad_value(f"{text[:200]!r} is no number of processes, 0 to {MOST_AT_ONCE}")
    return int(text)
