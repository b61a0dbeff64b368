"""
A real browser, driven by U{the DevTools protocol
<https://chromedevtools.github.io/devtools-protocol/>} over descriptors that it inherits.
"""

from __future__ import annotations

import json
import shutil
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from attrs import define, field
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from tests.support.console_client import PATIENCE

reactor: Any = installed_reactor

FOUND = shutil.which("chromium") or shutil.which("chromium-browser")
"""Where it is, if it is installed."""

ITS_ENDS = (3, 4)
"""It reads what it is told from the one, and writes what it has to say to the other."""

OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    # Only pages of tests are shown, often to root, whom it refuses to have a sandbox.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--password-store=basic",
)
"""A browser that does nothing by itself."""


def command(profile: str) -> tuple[str, ...]:
    """
    The command line.

    @param profile: The folder that it keeps everything in.
    """
    assert FOUND is not None
    return (FOUND, *OPTIONS, f"--user-data-dir={profile}", "about:blank")


class Browser(LineReceiver):
    """
    The other ends of these descriptors.
    """

    delimiter = b"\0"
    MAX_LENGTH = 1 << 26
    noisy = False

    def __init__(self) -> None:
        self._numbers = count(1)
        self._asked: dict[int, Deferred[Any]] = {}
        self._pages: dict[str, Page] = {}

    @classmethod
    def on(cls, ours: socket.socket) -> Browser:
        """
        Talk to a browser that has the other end of this pair of sockets.
        """
        ours.setblocking(False)
        browser = cls()
        factory: Any = Factory.forProtocol(lambda: browser)
        factory.noisy = False
        reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
        return browser

    async def page(self) -> Page:
        """
        A new page in a window of its own.
        """
        target = await self.ask("Target.createTarget", url="about:blank")
        attached = await self.ask(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self, attached["sessionId"])
        self._pages[page.session] = page
        for domain in ("Page", "Runtime"):
            await page.ask(f"{domain}.enable")
        return page

    async def ask(self, method: str, session: str | None = None, **params: object) -> Any:
        """
        Have something done.

        @return: What came of it.
        """
        number = next(self._numbers)
        asked: dict[str, object] = {"id": number, "method": method, "params": params}
        if session is not None:
            asked["sessionId"] = session
        answer: Deferred[Any] = Deferred()
        self._asked[number] = answer
        self.sendLine(json.dumps(asked).encode())
        said = await answer.addTimeout(PATIENCE, reactor)
        assert "error" not in said, (method, params, said["error"])
        return said["result"]

    def close(self) -> None:
        """
        Its end: it has nobody to listen to then.
        """
        if self.transport is not None:
            self.transport.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        """
        It said something.
        """
        said = json.loads(line)
        if "id" in said:
            self._asked.pop(said["id"]).callback(said)
        elif said.get("sessionId") in self._pages:
            self._pages[said["sessionId"]].heard(said["method"], said["params"])

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        It is gone.
        """
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.errback(ConnectionError("the browser is gone"))


@define(eq=False)
class Page:
    """
    A page.

    @ivar complaints: What it, or the browser about it, wrote to the console of developers.
    """

    browser: Browser
    session: str
    complaints: list[str] = field(factory=list)
    _waiting: list[Deferred[None]] = field(factory=list)
    _paused: Callable[[Mapping[str, Any]], None] = field(default=lambda params: None)

    async def ask(self, method: str, **params: object) -> Any:
        """
        Have something done with it.
        """
        return await self.browser.ask(method, self.session, **params)

    def heard(self, method: str, params: Mapping[str, Any]) -> None:
        """
        Something happened to it.
        """
        match method:
            case "Page.loadEventFired":
                waiting, self._waiting = self._waiting, []
                for each in waiting:
                    each.callback(None)
            case "Fetch.requestPaused":
                self._paused(params)
            case "Runtime.consoleAPICalled":
                self.complaints += [str(each.get("value")) for each in params["args"]]
            case "Runtime.exceptionThrown":
                self.complaints.append(params["exceptionDetails"]["text"])

    async def visit(self, url: str) -> None:
        """
        Go somewhere, as if a person had typed it, and wait until something is there.
        """
        there = self.loaded()
        said = await self.ask("Page.navigate", url=url)
        assert "errorText" not in said, said
        await there

    def loaded(self) -> Deferred[None]:
        """
        Fires with the next page that is loaded.
        """
        there: Deferred[None] = Deferred()
        there.addTimeout(PATIENCE, reactor)
        self._waiting.append(there)
        return there

    async def always(self, pattern: str, status: int, body: bytes) -> list[str]:
        """
        Have the browser take this for the answer of some URLs, without asking for it.

        @return: Those that it would have asked for, so far.
        """
        asked: list[str] = []

        def paused(params: Mapping[str, Any]) -> None:
            asked.append(params["request"]["url"])
            answered = self.ask(
                "Fetch.fulfillRequest",
                requestId=params["requestId"],
                responseCode=status,
                responseHeaders=[{"name": "Content-Type", "value": "text/html"}],
                body=b64encode(body).decode(),
            )
            Deferred.fromCoroutine(answered)

        self._paused = paused
        await self.ask("Fetch.enable", patterns=[{"urlPattern": pattern}])
        return asked

    async def run(self, script: str) -> Any:
        """
        What a script comes to, which may have to be waited for.
        """
        said = await self.ask(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def shows(self, script: str, wanted: Callable[[Any], object] = bool) -> Any:
        """
        Wait until a script comes to what is wanted, also on pages that come yet.
        """
        made = f"""new Promise((over) => {{
            const look = () => {{
                let found = null;
                try {{ found = {script}; }} catch {{ }}
                return found;
            }};
            let tries = 0;
            const again = () => {{
                const found = look();
                if (found || ++tries > 20) over(found);
                else setTimeout(again, 20);
            }};
            again();
        }})"""
        deadline = reactor.seconds() + PATIENCE
        found = None
        while reactor.seconds() < deadline:
            try:
                found = await self.run(made)
            except AssertionError:
                continue  # the page that was asked made place for another
            if wanted(found):
                return found
        raise AssertionError(f"waited in vain for {script}, which is {found!r}")

    async def type(self, text: str) -> None:
        """
        Type something, and then Enter.
        """
        await self.ask("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            await self.ask(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                text="\r" if kind == "keyDown" else "",
                windowsVirtualKeyCode=13,
            )

    async def picture(self, *, dark: bool = False) -> bytes:
        """
        What it looks like, as PNG.
        """
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        shot = await self.ask("Page.captureScreenshot", format="png")
        return b64decode(shot["data"])
