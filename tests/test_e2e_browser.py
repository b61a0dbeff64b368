"""
A browser at an agent with tokens: a person signs in, and pages from elsewhere get nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.web.server import Site
from twisted.web.static import Data

from tests.support.agent_process import AgentProcess
from tests.support.chromium import FOUND, ITS_ENDS, Browser, Page, command
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.papers import TREE
from tests.support.remote import Remote

reactor: Any = installed_reactor

TOKEN = "a-token-that-tests-type-in"

SITE = "<!DOCTYPE html><title>It</title><h1>The site</h1>"

SLUG = "default.a.0"

NAME = "agent.example"
"""A name of the agent that browsers do not take for this machine's."""

ATTACH = """new Promise((over) => {{
  window.socket = new WebSocket("{url}");
  socket.onmessage = ({{data}}) => over(data);
  socket.onclose = ({{code}}) => {{ window.code = code; over(`closed with ${{code}}`); }};
}})"""
"""A script that comes to the first line of a console."""

HEADING = "document.querySelector('h1').textContent"


class BrowserCase(ConfiguredTestCase):
    """
    An agent that asks for a token, and has a site of a plugin.

    @ivar url: What its URLs begin with.
    """

    if FOUND is None:
        skip = "there is no Chromium here, so no browser was asked what it makes of answers"

    agent: AgentProcess
    url: str

    async def begin(self) -> Page:
        """
        Start both.
        """
        site = self.folder / "plugins" / "it"
        shutil.copytree(TREE / "examples" / "plugins" / "hello", site.with_name("hello"))
        site.mkdir()
        (site / "index.html").write_text(SITE)
        tokens = self.folder / "tokens"
        tokens.touch(0o600)
        tokens.write_text(TOKEN)
        self.write(section("a"))
        settings = f"[gaffer]\nallowed_hosts = {NAME}\ntoken_file = {tokens}\n"
        self.file.write_text(self.file.read_text().replace("[gaffer]\n", settings))
        options = ("-p", str(site.parent))
        self.agent = self.spawn_agent("-v", "-c", str(self.file), *options, bind=())
        [self.url] = await self.agent.listens()
        return await self.browse()

    async def browse(self) -> Page:
        """
        Start a browser that has been nowhere.
        """
        ours, its = socket.socketpair()
        with ours, its:
            self.spawn(
                *command(str(self.folder / "profile")),
                f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
                descriptors={end: its.fileno() for end in ITS_ENDS},
                env={"HOME": str(self.folder)},
            )
            browser = Browser.on(ours)
        self.addCleanup(browser.close)
        return await browser.page()

    async def sign_in(
        self, page: Page, path: str = "/_plugin/it/", heading: str = "The site"
    ) -> None:
        """
        Have a page of the agent's, as a person who has its token.
        """
        await page.visit(self.url + path)
        await page.shows("document.activeElement.id === 'token'")
        await page.type(TOKEN)
        await page.shows(HEADING, lambda shown: shown == heading)

    def elsewhere(self, name: str = "127.0.0.1") -> str:
        """
        Serve an empty page; returns its URL.
        """
        site = Site(Data(b"<!DOCTYPE html><title>Elsewhere</title>", "text/html"))
        site.noisy = False
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(lambda: Deferred.fromCoroutine(_stopped(port)))
        return f"http://{name}:{port.getHost().port}/"

    async def answered(self, request: str, times: int = 1) -> None:
        """
        Wait until the agent has logged that it has answered so.
        """
        await self.agent.hears(
            lambda: self.agent.err.decode().count(f" {request}, ") >= times, request
        )

    def answers(self, request: str) -> list[str]:
        """
        With what statuses it has answered requests so far.
        """
        lines = self.agent.err.decode().splitlines()
        return [
            line.partition(f" {request} ")[2].split(",")[0]
            for line in lines
            if f" {request} " in line
        ]


async def _stopped(port: Any) -> None:
    await port.stopListening()


class SignInTests(BrowserCase):
    """
    Signing in.
    """

    async def test_signIn(self) -> None:
        """
        Somebody who opens a site is asked for a token, told that one is wrong, and with the
        right one is where they wanted to go, query and fragment included.
        """
        page = await self.begin()
        await page.visit(f"{self.url}/_plugin/it/?a=1#part")
        await page.shows("document.activeElement.id === 'token'")
        self.assertEqual(await page.run("document.querySelector('#open').hidden"), True)
        await page.type("a-token-of-another-agent")
        wrong = await page.shows("document.querySelector('.wrong')?.textContent")
        self.assertEqual(wrong, "That is no token of this agent.")
        await page.type(f" {TOKEN} ")  # what was wrong is selected; blanks come along easily
        await page.shows(HEADING, lambda shown: shown == "The site")
        self.assertEqual(await page.run("location.href"), f"{self.url}/_plugin/it/?a=1#part")
        self.assertEqual(await page.run("document.cookie"), "")
        self.assertEqual(page.complaints, [])
        self.assertNotIn(TOKEN.encode(), self.agent.err)

    async def test_site(self) -> None:
        """
        Pages of a site may use the agent from then on, WebSockets too, until somebody signs
        out: then all of that ends.
        """
        page = await self.begin()
        await self.sign_in(page)
        listed = await page.run("fetch('/list-processes').then((answer) => answer.json())")
        self.assertEqual([each["slug"] for each in listed["processes"]], [SLUG])
        line = await page.run(ATTACH.format(url=f"/attach-console/{SLUG}?tail=9"))
        self.assertEqual(line, "up")
        status = "fetch('{}', {{method: '{}'}}).then((answer) => answer.status)"
        self.assertEqual(await page.run(status.format("/sign-out", "POST")), 204)
        self.assertEqual(await page.shows("window.code"), 1008)
        self.assertEqual(await page.run(status.format("/list-processes", "GET")), 401)
        await page.visit(f"{self.url}/_plugin/it/")
        self.assertEqual(await page.run("document.title"), "Sign in")

    async def test_example(self) -> None:
        """
        The site of the examples works for whoever is signed in; whoever is not any more is
        asked again.
        """
        page = await self.begin()
        await self.sign_in(page, "/_plugin/hello/", "Processes")
        shown = await page.shows("document.querySelector('#processes button').textContent")
        self.assertEqual(shown, SLUG)
        lines = "document.querySelector('#lines').textContent"
        await page.shows(lines, lambda shown: "up" in str(shown))
        self.assertEqual(page.complaints, [])
        await page.run("void fetch('/sign-out', {method: 'POST'})")
        await page.shows("document.title", lambda shown: shown == "Sign in")

    async def test_gone(self) -> None:
        """
        Where the agent has ended meanwhile, that is what is said.
        """
        page = await self.begin()
        await page.visit(f"{self.url}/")
        await page.shows("document.activeElement.id === 'token'")
        await self.answered("GET / 401", 2)
        os.kill(self.agent.pid, signal.SIGTERM)
        await self.agent.exit()
        await page.type(TOKEN)
        wrong = await page.shows("document.querySelector('.wrong')?.textContent")
        self.assertIn("does not answer", wrong)

    async def test_name(self) -> None:
        """
        By a name, without TLS, where browsers do not say that they navigate, the same page
        comes, with a warning.
        """
        page = await self.begin()
        self.url = f"http://{NAME}:{urlsplit(self.url).port}"
        await page.visit(f"{self.url}/_plugin/it/")
        self.assertEqual(await page.run("document.querySelector('#open').hidden"), False)
        await page.type(TOKEN)
        await page.shows(HEADING, lambda shown: shown == "The site")


class ElsewhereTests(BrowserCase):
    """
    Pages from elsewhere.
    """

    async def test_requests(self) -> None:
        """
        A page of another port, which browsers send the cookie for, and one of another site can
        neither ask for anything, nor do anything, nor open a WebSocket.
        """
        page = await self.begin()
        await self.sign_in(page)
        send = (
            "fetch('{}', {{method: '{}', mode: '{}', credentials: 'include'}})"
            ".then((answer) => answer.type, () => 'failed')"
        )
        ends = f"/stop-process/{SLUG}"
        console = f"/attach-console/{SLUG}"
        for times, name in enumerate(("127.0.0.1", "localhost"), 1):
            await page.visit(self.elsewhere(name))
            for path, method in (("/list-processes", "GET"), (ends, "POST")):
                for mode, comes in (("no-cors", "opaque"), ("cors", "failed")):
                    asked = send.format(self.url + path, method, mode)
                    self.assertEqual(await page.run(asked), comes, (name, path, mode))
                    await self.answered(f"{method} {path} 403", 2 * times - (mode != "cors"))
            attached = await page.run(ATTACH.format(url=f"ws{self.url[4:]}{console}"))
            self.assertEqual(attached, "closed with 1006")
            await self.answered(f"GET {console} 403", times)
        for request, number in (
            ("GET /list-processes", 4),
            (f"POST {ends}", 4),
            (f"GET {console}", 2),
        ):
            self.assertEqual(self.answers(request), ["403"] * number, request)

    async def test_link(self) -> None:
        """
        A link on a page of another site leads to where it says: the browser brings no cookie,
        but the page that it gets finds out that it is signed in, and goes on, once.
        """
        page = await self.begin()
        await self.sign_in(page)
        await page.visit(self.elsewhere("localhost"))
        await page.run(f"void (location.href = '{self.url}/_plugin/it/?b=2#part')")
        await page.shows(HEADING, lambda shown: shown == "The site")
        self.assertEqual(await page.run("location.href"), f"{self.url}/_plugin/it/?b=2#part")
        self.assertEqual(self.answers("GET /_plugin/it/"), ["401", "200", "401", "200"])

    async def test_circle(self) -> None:
        """
        Where the page comes again all the same, it stays, and says so.
        """
        page = await self.begin()
        await self.sign_in(page)
        asked = await page.always(f"{self.url}/_plugin/it/*", 401, await self.page_as_sent())
        await page.ask("Page.navigate", url=f"{self.url}/_plugin/it/")
        said = await page.shows("document.querySelector('#note').textContent")
        self.assertIn("signed in", said)
        self.assertEqual(len(asked), 2)

    async def page_as_sent(self) -> bytes:
        """
        The page to sign in, as anybody gets it.
        """
        remote = Remote(self.url)
        self.addCleanup(lambda: Deferred.fromCoroutine(remote.close()))
        headers = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        answer = await remote.ask("GET", "/", headers=headers)
        self.assertEqual(answer.status, 401)
        return answer.body
