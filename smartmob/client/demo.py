"""
C{smartmob demo}: an agent, an application and its lines, from nothing, and gone
again at the end.  All of it by the public interfaces: an archive over HTTP,
documents by REST, lines over WebSockets.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from signal import (
    SIG_BLOCK,
    SIG_UNBLOCK,
    SIGHUP,
    SIGINT,
    SIGTERM,
    pthread_sigmask,
    signal,
)
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import treq
from attrs import define, field
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFromThreads,
    IReactorProcess,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from smartmob.client.api import connected
from smartmob.client.archive import pack
from smartmob.client.console import Detached, attach
from smartmob.client.own import AgentEnded, OwnAgent, start
from smartmob.client.paper import Paper
from smartmob.client.shelf import shelf

HELLO = Path(__file__).parent.parent / "hello"
"""The application that is deployed."""

_PATIENCE = 60.0
"""Seconds for the agent to listen, and for each process to write its first line."""

_GRACE = 30.0
"""Seconds for the agent to end, which is more than it promises to take."""

_ENDING = (SIGINT, SIGTERM, SIGHUP)
"""Ctrl-C, a request from elsewhere, and a terminal that is gone."""

_T = TypeVar("_T")


class IDemoReactor(
    IReactorCore, IReactorFromThreads, IReactorProcess, IReactorTCP, IReactorTime
):
    """
    What a demo needs of a reactor.
    """


class Silence(Exception):
    """
    Something that was waited for did not come; the text says what.
    """


@define(eq=False)
class Demo:
    """
    One run of it.

    @ivar port: Where the agent listens; 0: the system chooses.
    @ivar seconds: How long lines are shown, from when each process has written
        one; None: until it is interrupted.
    @ivar complain: Told, a line at a time, what went wrong.
    @ivar _interrupted: A person wants it to end.
    @ivar _over: The show is, for whatever reason.
    """

    _reactor: IDemoReactor
    _port: int
    _seconds: float | None
    _paper: Paper
    _complain: Callable[[str], None]
    _interrupted: bool = field(init=False, default=False)
    _over: bool = field(init=False, default=False)
    _agent: OwnAgent = field(init=False)
    _showing: Deferred[None] = field(init=False)

    async def run(self) -> int:
        """
        Show it, and leave nothing behind.

        @return: An exit code.
        """
        await _started(self._reactor, self._interrupt)
        with TemporaryDirectory(prefix="smartmob-demo-") as folder:
            self._agent = start(self._reactor, self._port, Path(folder), self._complain)
            self._showing = ensureDeferred(self._show())
            # An agent that goes takes the show with it.
            self._agent.ended.addCallback(self._agent_ended)
            try:
                await self._showing
                well = True
            except AgentEnded:
                return 1
            except Exception as error:  # whatever it is, the agent is to be ended
                well = self._interrupted
                if not self._over:
                    self._complain(f"smartmob: {error or type(error).__name__}")
            self._over = True
            return 0 if await self._end() and well else 1

    def _interrupt(self) -> None:
        """
        Ctrl-C, or what else asks to end.  Where that is under way already, the
        agent is told to hurry.
        """
        if self._over:
            self._agent.signal("TERM")
        else:
            self._over = self._interrupted = True
            self._showing.cancel()

    def _agent_ended(self, code: int | None) -> int | None:
        """
        The agent is gone, be it at the right time or not.
        """
        if not self._over:
            self._over = True
            self._showing.cancel()
        return code

    async def _show(self) -> None:
        """
        Deploy the application and show what it writes.
        """
        url = await self._within(self._agent.listening, "the agent does not listen")
        async with (
            shelf(self._reactor, "hello.tar.gz", pack(HELLO)) as source_url,
            connected(self._reactor, url) as remote,
        ):
            index = await remote.get(f"{url}/")
            self._paper.say(f"agent    {url}/\narchive  {source_url}")
            web, clock = [
                await remote.post(index["create"], _request(process_type, source_url))
                for process_type in ("web", "clock")
            ]
            until = " until Ctrl-C" if self._seconds is None else ""
            self._paper.say("\n".join([_card(web), _card(clock), "", f"Lines{until}:", ""]))
            self._paper.name(web["slug"], clock["slug"])
            web_wrote, clock_wrote = [await self._attach(process) for process in (web, clock)]
            await self._within(web_wrote, "the web process writes nothing")
            await self._visit(await remote.get(web["status"]))
            await self._within(clock_wrote, "the clock process writes nothing")
            if self._seconds is None:
                await Deferred()
            else:
                await deferLater(self._reactor, self._seconds)

    async def _attach(self, process: dict[str, Any]) -> Deferred[None]:
        """
        Show the lines of C{process}, from its first one on.

        @return: Fires when there was one.
        """
        slug: str = process["slug"]
        wrote: Deferred[None] = Deferred()

        def on_line(line: str) -> None:
            self._paper.line(slug, line)
            if self._paper.gone and not self._over:
                self._interrupt()
            if not wrote.called:
                wrote.callback(None)

        def on_detached(end: Detached) -> None:
            if not self._over:
                self._complain(f"smartmob: the console of {slug} was closed: {end}")

        detached = await attach(self._reactor, f"{process['attach']}?tail=1000", on_line)
        detached.addCallback(on_detached)
        return wrote

    async def _visit(self, process: dict[str, Any]) -> None:
        """
        Ask the web process for its page, as a browser would, for a line of it.
        """
        client = HTTPClient(Agent(self._reactor, connectTimeout=_PATIENCE))
        await treq.content(await client.get(_page(process)))

    async def _within(self, awaited: Deferred[_T], otherwise: str) -> _T:
        """
        What C{awaited} fires with.

        @raise Silence: It takes too long; C{otherwise} is what to say then.
        """
        try:
            return await awaited.addTimeout(_PATIENCE, self._reactor)
        except TimeoutError:
            raise Silence(f"{otherwise}, for {_PATIENCE:.0f} seconds") from None

    async def _end(self) -> bool:
        """
        End the agent, and with it all that it started.

        @return: Whether it ended as it should, and when it should.
        """
        self._agent.signal("TERM")
        too_long = self._reactor.callLater(_GRACE, self._agent.signal, "KILL")
        code = await self._agent.ended
        if too_long.active():
            too_long.cancel()
        if code != 0 and self._agent.listened:
            how = "killed" if code is None else f"with exit code {code}"
            self._complain(f"smartmob: the agent ended badly, {how}")
        # One that had not come to listen has nothing to end, and may not know how yet.
        return code == 0 or not self._agent.listened


async def _started(reactor: IDemoReactor, interrupt: Callable[[], None]) -> None:
    """
    Wait until the reactor runs, and have C{interrupt} called for each signal that
    asks to end.  As the reactor starts it sets handlers of its own: a signal that
    comes before they are replaced has to wait.
    """
    pthread_sigmask(SIG_BLOCK, _ENDING)
    running: Deferred[None] = Deferred()
    reactor.callWhenRunning(running.callback, None)
    await running
    for number in _ENDING:
        signal(number, lambda *_: reactor.callFromThread(interrupt))
    pthread_sigmask(SIG_UNBLOCK, _ENDING)


def _request(process_type: str, source_url: str) -> dict[str, str]:
    """
    What asks for a process of the example.
    """
    return {
        "app": "hello",
        "node": f"{process_type}.0",
        "process_type": process_type,
        "source_url": source_url,
    }


def _page(process: dict[str, Any]) -> str:
    """
    Where the web process of the example answers.
    """
    return f"http://127.0.0.1:{process['port']}/"


def _card(process: dict[str, Any]) -> str:
    """
    A process, for a person: its name, and where to find what of it.
    """
    urls = {"status": process["status"], "attach": process["attach"]}
    if process["process_type"] == "web" and process["port"] is not None:
        urls = {"page": _page(process), **urls}
    return "\n".join([process["slug"], *(f"  {name:6} {url}" for name, url in urls.items())])
