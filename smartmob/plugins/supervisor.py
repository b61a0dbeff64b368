"""
What a plugin can do with the processes of the agent: the second argument of its
application's C{start}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime

from smartmob import topics
from smartmob.converter import structure
from smartmob.documents import CreateRequest
from smartmob.lines.console import Wanted
from smartmob.lines.encodings import NDJSON
from smartmob.plugins.listeners import Document, EventListener, LineListener, Listener
from smartmob.scaling import steps
from smartmob.web.render import process_document

if TYPE_CHECKING:
    from smartmob.agent import Agent
    from smartmob.process import Process


@define(eq=False, repr=False)
class Supervisor:
    """
    The verbs of the REST interface, with its checks and its documents, but for the
    URLs in them.  What is refused there fails here with a
    L{Refusal<smartmob.refusals.Refusal>}, which is what the Deferreds fail with.

    A Deferred may be cancelled; what it waits for goes on.
    """

    _agent: Agent
    _clock: IReactorTime
    _listening: set[EventListener | LineListener] = field(factory=set)
    _closed: bool = False

    def processes(self, app: str | None = None) -> list[Document]:
        """
        The documents of all processes, or of those of an app, in the order in which
        REST lists them.
        """
        return [
            process_document(process)
            for process in self._agent.processes()
            if app in (None, process.definition.app)
        ]

    def create(self, document: Mapping[str, object]) -> Deferred[Document]:
        """
        Run a process.

        @param document: A create request.
        @return: Fires with its document, once it exists.
        """
        return ensureDeferred(self._create(document))

    def start(self, slug: str) -> Deferred[Document]:
        """
        See that a process runs, or will.
        """
        return ensureDeferred(self._start(slug))

    def stop(self, slug: str) -> Deferred[Document]:
        """
        Stop a process.  Fires when nothing of it is left.
        """
        return ensureDeferred(self._verb(slug, lambda process: process.stop()))

    def restart(self, slug: str) -> Deferred[Document]:
        """
        Stop a process, then start it.
        """
        return ensureDeferred(self._verb(slug, lambda process: process.restart()))

    def delete(self, slug: str) -> Deferred[Document]:
        """
        Stop a process and forget it.  Fires with C{{}} when nothing of it is left.
        """
        return ensureDeferred(self._delete(slug))

    def scale(self, app: str, wanted: Mapping[str, int | str]) -> Deferred[list[Document]]:
        """
        Have so many instances of process types: C{{"web": 3, "worker": "+1"}}.  Fires
        with the documents of the app.
        """
        return ensureDeferred(self._scale(app, wanted))

    def subscribe(self, topic: str, listener: Listener) -> Callable[[], None]:
        """
        Tell C{listener} the document of each event of a topic, from now on, soon after
        it happened.

        @return: Ends it; may be called again.
        @raise BadTopic: It is none.
        """
        heard = EventListener(self._clock, listener)
        heard.leave = self._agent.events.subscribe(topics.parse([topic]), heard.hear)
        return self._keep(heard)

    def lines(self, slug: str, listener: Listener, tail: int = 0) -> Callable[[], None]:
        """
        Tell C{listener} each line of a process, as a document, from now on.  A
        listener that takes too long misses lines, and is told how many.

        @param tail: First so many of the kept lines.
        @return: Ends it; may be called again.
        @raise UnknownProcess: There is none of that slug.
        """
        console = self._agent.process(slug).console
        heard = LineListener(self._clock, listener)
        heard.subscription = console.attach(heard, Wanted(tail=max(0, tail)), NDJSON, own=True)
        end = self._keep(heard)
        heard.over = end
        heard.subscription.resume()
        return end

    def close(self) -> None:
        """
        The plugin has stopped: it hears no more, nor can begin to.
        """
        self._closed = True
        while self._listening:
            self._listening.pop().end()

    def _keep(self, heard: EventListener | LineListener) -> Callable[[], None]:
        """
        Know of a listener as long as it hears anything.

        @return: Ends it.
        """

        def end() -> None:
            self._listening.discard(heard)
            heard.end()

        self._listening.add(heard)
        if self._closed:
            end()
        return end

    async def _create(self, document: Mapping[str, object]) -> Document:
        request = structure(document, CreateRequest)
        return process_document(await self._agent.create(request, token_hex(8)))

    async def _start(self, slug: str) -> Document:
        process = self._agent.process(slug)
        await process.start()
        return process_document(process)

    async def _verb(self, slug: str, verb: Callable[[Process], Deferred[None]]) -> Document:
        process = self._agent.process(slug)
        await verb(process)
        return process_document(process)

    async def _delete(self, slug: str) -> Document:
        await self._agent.process(slug).delete()
        return {}

    async def _scale(self, app: str, wanted: Mapping[str, int | str]) -> list[Document]:
        await self._agent.scale(app, steps(wanted), token_hex(8))
        return self.processes(app)
