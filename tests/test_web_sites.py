"""
Tests of L{smartmob.web.sites} and L{smartmob.web.plugins}: what browsers get of plugins.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import succeed

from smartmob.web.file_sender import PIECE
from smartmob.web.measurements import Measurements
from smartmob.web.plugins import PluginReports
from smartmob.web.root import make_site
from smartmob.web.sites import Sites
from smartmob.web.stats import Usage
from tests.support.httpwire import Answer, Transport, Wire
from tests.support.plugging import PluggingCase, app, plugin

NAVIGATE = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site")


class SitesCase(PluggingCase):
    """
    A plugins folder that is served.
    """

    def setUp(self) -> None:
        super().setUp()
        self.load()
        self.site = make_site(
            self.agent.real,
            self.clock,
            measurements=Measurements(lambda measure: succeed(Usage())),
            families=[Sites(self.plugins, self.clock), PluginReports(self.plugins)],
        )

    def ask(self, path: str, *headers: str, method: str = "GET", **more: Any) -> Answer:
        """The answer to a request."""
        wire = Wire(self.site)
        answer = wire.ask(method, path, None, *headers, **more)
        wire.hang_up()
        self.assertEqual(self.clock.getDelayedCalls(), [], path)
        return answer

    def assertMissing(self, path: str) -> None:
        """There is nothing at a path."""
        answer = self.ask(path)
        self.assertEqual((answer.status, answer.json()["code"]), (404, "not-found"), path)


class ServingTests(SitesCase):
    """
    What is served.
    """

    def test_file(self) -> None:
        """A file with its type, to be looked at only as that."""
        self.put("it/_site/a/b c.css", b"p {}")
        answer = self.ask("/_plugin/it/a/b%20c.css")
        self.assertEqual((answer.status, answer.body), (200, b"p {}"))
        self.assertEqual(answer.header("content-type"), "text/css; charset=utf-8")
        self.assertEqual(answer.header("content-length"), "4")
        self.assertEqual(answer.header("x-content-type-options"), "nosniff")
        self.assertEqual(answer.header("content-security-policy"), "frame-ancestors 'self'")
        self.assertEqual(answer.header("x-frame-options"), "SAMEORIGIN")
        self.assertEqual(answer.header("referrer-policy"), "same-origin")
        self.assertEqual(answer.header("cross-origin-resource-policy"), "same-origin")
        self.assertEqual(
            answer.header("cross-origin-opener-policy"), "same-origin-allow-popups"
        )

    def test_types(self) -> None:
        """Types do not depend on the machine."""
        for name, kind in (
            ("a.html", "text/html; charset=utf-8"),
            ("a.JS", "text/javascript; charset=utf-8"),
            ("a.min.mjs", "text/javascript; charset=utf-8"),
            ("a.woff2", "font/woff2"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.tar.gz", "application/gzip"),
            ("a.wasm", "application/wasm"),
            ("a", "application/octet-stream"),
            ("a.thing", "application/octet-stream"),
        ):
            self.put(f"it/_site/{name}", b"x")
            self.assertEqual(self.ask(f"/_plugin/it/{name}").header("content-type"), kind)

    def test_index(self) -> None:
        """Folders are shown by their index.html, behind a slash."""
        self.put("it/_site/index.html", b"one")
        self.put("it/_site/sub/index.html", b"two")
        self.put("it/_site/bare/file")
        self.assertEqual(self.ask("/_plugin/it/").body, b"one")
        self.assertEqual(self.ask("/_plugin/it/sub/").body, b"two")
        for path in ("sub", "bare", "bare/", "index.html/", "sub/index.html/x"):
            self.assertMissing(f"/_plugin/it/{path}")

    def test_redirect(self) -> None:
        """The site of a plugin is behind a slash, and that is said."""
        self.put("it/_site/index.html")
        for method in ("GET", "HEAD"):
            answer = self.ask("/_plugin/it", method=method, host="localhost:1")
            self.assertEqual(answer.status, 301)
            self.assertEqual(answer.header("location"), "http://localhost:1/_plugin/it/")
            self.assertEqual(answer.header("cache-control"), "no-cache")
        self.assertMissing("/_plugin/other")

    def test_nameOfFolder(self) -> None:
        """Any name of a folder will do, as long as it is not hidden."""
        self.put("a b%ü/_site/index.html", b"<p>")
        self.assertEqual(self.ask("/_plugin/a%20b%25%C3%BC/").body, b"<p>")
        answer = self.ask("/_plugin/a%20b%25%C3%BC")
        self.assertEqual(
            answer.header("location"), "http://127.0.0.1:8080/_plugin/a%20b%25%C3%BC/"
        )
        [report] = self.ask("/plugins").json()["plugins"]
        self.assertEqual(report["site"], "http://127.0.0.1:8080/_plugin/a%20b%25%C3%BC/")

    def test_head(self) -> None:
        """HEAD is GET without the body."""
        self.put("it/_site/a.txt", b"abc")
        answer = self.ask("/_plugin/it/a.txt", method="HEAD")
        self.assertEqual((answer.status, answer.header("content-length")), (200, "3"))
        self.assertEqual(answer.header("etag"), self.ask("/_plugin/it/a.txt").header("etag"))

    def test_otherMethods(self) -> None:
        """There are no other methods."""
        self.put("it/_site/a.txt", b"abc")
        for method in ("POST", "PUT", "DELETE"):
            self.assertEqual(self.ask("/_plugin/it/a.txt", method=method).status, 405)

    def test_empty(self) -> None:
        """A file with nothing in it is one."""
        self.put("it/_site/a.txt")
        answer = self.ask("/_plugin/it/a.txt")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_later(self) -> None:
        """What is added or taken away after the start is, or is not, served from then on."""
        self.assertMissing("/_plugin/it/")
        self.put("it/_site/index.html", b"new")
        self.assertEqual(self.ask("/_plugin/it/").body, b"new")
        shutil.rmtree(self.folder / "it" / "_site")
        self.assertMissing("/_plugin/it/")

    def test_asItLies(self) -> None:
        """A folder with an index and without Python is a site; nothing is moved."""
        self.put("it/index.html", b"<p>")
        self.put("it/a.js", b"1")
        self.assertEqual(self.ask("/_plugin/it/").body, b"<p>")
        self.assertEqual(self.ask("/_plugin/it/a.js").body, b"1")
        self.assertEqual(sorted(os.listdir(self.folder / "it")), ["a.js", "index.html"])

    def test_python(self) -> None:
        """A folder with Python shows its _site and nothing else."""
        self.put("it/index.html")
        self.put("it/it.py", plugin())
        self.put("pack/index.html")
        self.put("pack/plugin/__init__.py", plugin())
        self.put("both/_site/a.txt")
        self.put("both/index.html")
        self.put("both/it.py", plugin())
        for path in ("it/", "it/index.html", "it/it.py", "pack/", "both/", "both/it.py"):
            self.assertMissing(f"/_plugin/{path}")
        self.assertEqual(self.ask("/_plugin/both/a.txt").status, 200)

    def test_first(self) -> None:
        """Of two plugins of a name it is the first one's."""
        second = Path(self.mktemp()).absolute()
        self.put("it/_site/index.html", b"first")
        (second / "it" / "_site").mkdir(parents=True)
        (second / "it" / "_site" / "index.html").write_bytes(b"second")
        self.load(self.folder, second)
        self.assertEqual(self.ask("/_plugin/it/").body, b"first")

    def test_brokenPlugin(self) -> None:
        """The site of a plugin that could not be loaded is served."""
        self.put("it/_site/index.html", b"<p>")
        self.put("it/it.py", "1 / 0")
        self.load()
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(self.ask("/_plugin/it/").body, b"<p>")


class KnownTests(SitesCase):
    """
    What a browser has already.
    """

    def setUp(self) -> None:
        super().setUp()
        self.file = self.put("it/_site/a.txt", b"abc")
        self.tag = self.ask("/_plugin/it/a.txt").header("etag")

    def status(self, *headers: str) -> int:
        """How the file is answered."""
        answer = self.ask("/_plugin/it/a.txt", *headers)
        self.assertEqual(answer.body, b"abc" if answer.status == 200 else b"")
        self.assertEqual(answer.header("etag"), self.tag)
        self.assertEqual(answer.header("cache-control"), "no-cache")
        self.assertEqual(answer.header("x-content-type-options"), "nosniff")
        return answer.status

    def test_tag(self) -> None:
        """It is not sent again to whom it is known by its tag."""
        for known in (self.tag, f"W/{self.tag}", f'"x", {self.tag}', "*"):
            self.assertEqual(self.status(f"If-None-Match: {known}"), 304, known)
        for other in ('"x"', "", f"{self.tag}x", '"'):
            self.assertEqual(self.status(f"If-None-Match: {other}"), 200, other)

    def test_changed(self) -> None:
        """It is sent once it is another, of the same size and at the same time even."""
        self.put("it/_site/new", b"xyz")
        before = self.file.stat()
        os.utime(self.folder / "it/_site/new", ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(self.folder / "it/_site/new", self.file)
        answer = self.ask("/_plugin/it/a.txt", f"If-None-Match: {self.tag}")
        self.assertEqual((answer.status, answer.body), (200, b"xyz"))

    def test_date(self) -> None:
        """The date counts where there is no tag."""
        os.utime(self.file, (1e9, 1e9))
        self.tag = self.ask("/_plugin/it/a.txt").header("etag")
        date = "Sun, 09 Sep 2001 01:46:40 GMT"
        self.assertEqual(self.ask("/_plugin/it/a.txt").header("last-modified"), date)
        self.assertEqual(self.status(f"If-Modified-Since: {date}"), 304)
        self.assertEqual(self.status(f"If-Modified-Since: {date}", 'If-None-Match: "x"'), 200)
        for other in (
            *(date.replace("40", "39"), "never", "", "Sun, 99 Sep 99999 0:0:0 GMT"),
            *(date.replace("2001", "9" * 20), date.replace("GMT", f"+{'9' * 14}")),
        ):
            self.assertEqual(self.status(f"If-Modified-Since: {other}"), 200, other)

    def test_oddDate(self) -> None:
        """A file from a time that HTTP has no dates for is served without one."""
        os.utime(self.file, (-5.0, -5.0))
        answer = self.ask("/_plugin/it/a.txt")
        self.assertEqual((answer.status, answer.header("last-modified")), (200, None))


class NotFoundTests(SitesCase):
    """
    What is not served.
    """

    def setUp(self) -> None:
        super().setUp()
        self.put("it/_site/index.html", b"<p>")
        self.put("it/_site/sub/a.txt", b"a")
        self.put("it/_site/.hidden", b"secret")
        self.put("it/_site/.git/config", b"secret")
        self.put("it/secret.txt", b"secret")
        self.put("it/_site2/secret.txt", b"secret")
        self.put("secret.txt", b"secret")

    def test_traversal(self) -> None:
        """Nothing outside, in whatever spelling."""
        for path in (
            "it/../it/secret.txt",
            "it/../secret.txt",
            "it/%2e%2e/secret.txt",
            "it/%2E%2e/secret.txt",
            "it/.%2e/secret.txt",
            "it/..%2fsecret.txt",
            "it/..%2Fsecret.txt",
            "it/%2e%2e%2fsecret.txt",
            "it/..%5csecret.txt",
            "it/..\\secret.txt",
            "it/sub/../../secret.txt",
            "it/sub/..%2f..%2fsecret.txt",
            "it/..;/secret.txt",
            "it//secret.txt",
            "it///etc/passwd",
            "it/%2fetc/passwd",
            "it/%252e%252e/secret.txt",
            "it/../_site2/secret.txt",
            "it%2f..%2fsecret.txt",
            "it%2f_site%2findex.html",
            "../secret.txt",
            "..",
            "../",
            ".",
            "./",
            "%2e%2e/",
            "%2e%2e%2f",
            "/",
            "//etc/passwd",
            "%00/",
            "it/sub/./a.txt",
            "it/./sub/a.txt",
            "it/sub//a.txt",
            "it/sub/..",
            "it/sub/../",
        ):
            self.assertMissing(f"/_plugin/{path}")
        for path in ("/_plugin%2fit/index.html", "/_plugin%2fit/sub/a.txt", "/_plugin%2fit"):
            self.assertMissing(path)

    def test_oddNames(self) -> None:
        """Names that no file can have."""
        for name in (
            "a%00",
            "%00",
            "index.html%00",
            "index.html%00.txt",
            "x" * 300,
            "x/" * 2000,
            "x" * 5000,
            "%0a",
            "%ff",
            "%",
            "%zz",
            "a:b",
            "CON",
            "sub%5ca.txt",
            "sub%2fa.txt",
            "*",
            "%",
        ):
            self.assertMissing(f"/_plugin/it/{name}")
            self.assertMissing(f"/_plugin/{name}/")
            self.assertMissing(f"/_plugin/{name}")

    def test_hidden(self) -> None:
        """What begins with a dot."""
        self.put(".plugin/_site/index.html", b"secret")
        for path in ("it/.hidden", "it/%2ehidden", "it/.git/config", ".plugin/", ".plugin"):
            self.assertMissing(f"/_plugin/{path}")

    def test_links(self) -> None:
        """Links that leave the site, at any part of a path, but not those within it."""
        site = self.folder / "it" / "_site"
        for name, target in (
            ("file", "../secret.txt"),
            ("absolute", "/etc/passwd"),
            ("folder", ".."),
            ("root", "/"),
            ("hidden", ".hidden"),
            ("hiding", ".git"),
            ("beside", "../_site2"),
            ("nowhere", "nothing"),
            ("round", "round"),
            ("itself", "."),
            ("good", "sub/a.txt"),
            ("better", "sub"),
            ("back", "../_site/sub"),
            ("whole", str(site / "sub")),
        ):
            os.symlink(target, site / name)
        for path in (
            "file",
            "absolute",
            "folder/secret.txt",
            "root/etc/passwd",
            "hidden",
            "hiding/config",
            "beside/secret.txt",
            "nowhere",
            "round",
            "round/index.html",
            "itself",
        ):
            self.assertMissing(f"/_plugin/it/{path}")
        for path in ("good", "better/a.txt", "back/a.txt", "whole/a.txt", "itself/sub/a.txt"):
            self.assertEqual(self.ask(f"/_plugin/it/{path}").body, b"a", path)

    def test_linkedSite(self) -> None:
        """A _site that is a link is none."""
        os.symlink("../it/_site", self.folder / "it" / "x")
        (self.folder / "linked").mkdir()
        os.symlink("/etc", self.folder / "linked" / "_site")
        self.assertMissing("/_plugin/linked/passwd")
        self.assertMissing("/_plugin/linked")
        self.assertMissing("/_plugin/linked/")

    def test_exchanged(self) -> None:
        """A folder that becomes a link while a file of it is looked for leads nowhere."""
        site = self.plugins.site("it")
        assert site is not None
        elsewhere = Path(self.mktemp()).absolute()
        elsewhere.mkdir()
        (elsewhere / "a.txt").write_text("secret")
        sub = self.folder / "it" / "_site" / "sub"
        real = os.path.realpath

        def exchange(*args: Any, **more: Any) -> Any:
            found = real(*args, **more)
            if sub.is_dir() and not sub.is_symlink() and "a.txt" in found:
                shutil.rmtree(sub)
                os.symlink(elsewhere, sub)
            return found

        self.patch(os.path, "realpath", exchange)
        self.assertRaises(OSError, site.open, ["sub", "a.txt"])

    def test_exchangedPlugin(self) -> None:
        """
        A plugin that others exchange for a link, after it was found, leads nowhere either.
        """
        self.put("it/_site/a.txt", b"a")
        elsewhere = Path(self.mktemp()).absolute()
        (elsewhere / "_site").mkdir(parents=True)
        (elsewhere / "_site" / "a.txt").write_text("secret")
        self.folder.chmod(0o777)
        site = self.plugins.site("it")
        assert site is not None
        site.open(["a.txt"]).close()
        shutil.rmtree(self.folder / "it")
        os.symlink(elsewhere, self.folder / "it")
        self.assertRaises(OSError, site.open, ["a.txt"])

    def test_notRegular(self) -> None:
        """Devices, FIFOs, sockets and folders, none of which is even opened."""
        site = self.folder / "it" / "_site"
        os.mkfifo(site / "fifo")
        with socket.socket(socket.AF_UNIX) as listening:
            here = os.getcwd()
            os.chdir(site)
            try:
                listening.bind("socket")
            finally:
                os.chdir(here)
        for name in ("fifo", "socket", "sub"):
            self.assertMissing(f"/_plugin/it/{name}")

    def test_unreadable(self) -> None:
        """What the agent may not read."""
        (self.folder / "it" / "_site" / "sub" / "a.txt").chmod(0)
        answer = self.ask("/_plugin/it/sub/a.txt")
        self.assertEqual(answer.status, 200 if os.geteuid() == 0 else 404)


class SlowTransport(Transport):
    """
    A client that takes one write, then waits.
    """

    def write(self, data: bytes) -> None:
        """
        Enough for now.
        """
        super().write(data)
        if self.producer is not None:
            self.producer.pauseProducing()


def open_files() -> int:
    """
    How many descriptors this process has.
    """
    return len(os.listdir("/proc/self/fd"))


class LargeTests(SitesCase):
    """
    Files that are sent in pieces.
    """

    def setUp(self) -> None:
        super().setUp()
        self.data = os.urandom(5 * PIECE + 1)
        self.file = self.put("it/_site/large", self.data)
        self.before = open_files()
        self.wire = Wire(self.site, transport=SlowTransport())

    def begin(self) -> bytes:
        """Ask; what comes at once of the file."""
        self.wire.request("GET", "/_plugin/it/large")
        head, _, body = self.wire.received().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Length: %d" % len(self.data), head)
        return body

    def more(self) -> None:
        """The client takes more."""
        producer: Any = self.wire.transport.producer
        producer.resumeProducing()

    def test_pace(self) -> None:
        """No more is read than the client takes."""
        body = self.begin()
        pieces = 0
        while len(body) < len(self.data):
            self.more()
            piece = self.wire.received()
            self.assertTrue(0 < len(piece) <= PIECE)
            body += piece
            pieces += 1
        self.more()
        self.assertEqual(body, self.data)
        self.assertEqual(open_files(), self.before)
        self.wire.request("GET", "/ping")
        self.assertEqual(self.wire.received().partition(b"\r\n\r\n")[2], b"OK")

    def test_gone(self) -> None:
        """Who hangs up leaves nothing open."""
        self.begin()
        self.wire.hang_up()
        self.assertEqual(open_files(), self.before)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shrinks(self) -> None:
        """An answer that can't be completed is cut."""
        self.begin()
        os.truncate(self.file, PIECE)
        while not self.wire.closed:
            self.more()
        self.assertTrue(self.wire.transport.aborted)
        self.assertEqual(open_files(), self.before)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unreadable(self) -> None:
        """So is one whose file can't be read any more; the log says why."""
        self.begin()

        def fails(descriptor: int, size: int) -> bytes:
            raise OSError("the disk is gone")

        self.patch(os, "read", fails)
        self.more()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertTrue(self.wire.transport.aborted)

    def test_grows(self) -> None:
        """Never more is sent than was announced."""
        body = self.begin()
        with open(self.file, "ab") as file:
            file.write(b"more")
        while len(body) < len(self.data):
            self.more()
            body += self.wire.received()
        self.more()
        self.assertEqual((body, self.wire.received()), (self.data, b""))
        self.assertEqual(open_files(), self.before)

    def test_small(self) -> None:
        """Small ones, unchanged ones and failures leave nothing open either."""
        self.wire.hang_up()
        self.put("it/_site/a.txt", b"a")
        tag = self.ask("/_plugin/it/a.txt").header("etag")
        self.ask("/_plugin/it/a.txt", f"If-None-Match: {tag}")
        self.ask("/_plugin/it/a.txt", method="HEAD")
        self.ask("/_plugin/it/sub/")
        self.ask("/_plugin/it/nothing")
        self.assertEqual(open_files(), self.before)


class StrangersTests(SitesCase):
    """
    Sites that others may write to.
    """

    def policy(self) -> str:
        """What its page may do."""
        return str(self.ask("/_plugin/it/a/").header("content-security-policy"))

    def test_scripts(self) -> None:
        """They are served without scripts, whatever of them it is that others write to."""
        file = self.put("it/_site/a/index.html", b"<script>alert(1)</script>")
        self.assertEqual(self.policy(), "frame-ancestors 'self'")
        for path in (file, file.parent, file.parents[1], file.parents[2], self.folder):
            mode = path.stat().st_mode
            path.chmod(mode | 0o002)
            self.assertIn("default-src 'none'", self.policy(), path)
            self.assertIn("form-action 'none'", self.policy(), path)
            self.assertNotIn("script", self.policy())
            path.chmod(mode)


class GateTests(SitesCase):
    """
    Who may come in.
    """

    def setUp(self) -> None:
        super().setUp()
        self.put("it/_site/index.html", b"<p>")

    def test_navigation(self) -> None:
        """A link to a site may stand on any page."""
        for method in ("GET", "HEAD"):
            for path in ("/_plugin/it/", "/_plugin/it/index.html"):
                self.assertEqual(self.ask(path, *NAVIGATE, method=method).status, 200)
        self.assertEqual(self.ask("/_plugin/it", *NAVIGATE).status, 301)

    def test_framed(self) -> None:
        """But no other page can show it."""
        answer = self.ask("/_plugin/it/", *NAVIGATE, "Sec-Fetch-Dest: iframe")
        self.assertIn("frame-ancestors 'self'", str(answer.header("content-security-policy")))
        self.assertEqual(answer.header("x-frame-options"), "SAMEORIGIN")

    def test_others(self) -> None:
        """Nothing else can be asked from other sites."""
        for method, path, headers in (
            ("GET", "/_plugin/it/", ("Sec-Fetch-Site: cross-site",)),
            ("GET", "/_plugin/it/", ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors")),
            ("GET", "/_plugin/it/", (*NAVIGATE, "Sec-Fetch-Mode: cors")),
            ("GET", "/_plugin/it/", (*NAVIGATE, "Origin: http://evil.example")),
            ("POST", "/_plugin/it/", NAVIGATE),
            ("GET", "/list-processes", NAVIGATE),
            ("GET", "/plugins", NAVIGATE),
            ("GET", "/_plugin", NAVIGATE),
            ("GET", "/%5fplugin/it/", NAVIGATE),
        ):
            answer = self.ask(path, *headers, method=method)
            self.assertEqual((answer.status, answer.json()["code"]), (403, "forbidden-origin"))
        self.assertEqual(self.ask("/_plugin/it/", *NAVIGATE, host="evil.example").status, 403)


class ReportTests(SitesCase):
    """
    GET /plugins.
    """

    def test_report(self) -> None:
        """What there is, and why something is not."""
        self.put("a/it.py", app("def start(self, *_):\n    1 / 0", name="first", version="2"))
        self.put("b/it.py", "1 / 0")
        self.put("c/_site/index.html")
        self.start()
        self.flushLoggedErrors(ZeroDivisionError)
        self.put("d/it.py", plugin())
        answer = self.ask("/plugins", host="localhost:81")
        self.assertEqual(answer.header("content-type"), "application/json")
        reports = answer.json()["plugins"]
        self.assertNotIn(b"Traceback", answer.body)
        self.assertEqual(
            [(r["name"], r["folder"], r["state"], r["error"], r["site"]) for r in reports],
            [
                ("first", "a", "failed", "ZeroDivisionError: division by zero", None),
                ("b", "b", "failed", "ZeroDivisionError: division by zero", None),
                ("c", "c", "site", None, "http://localhost:81/_plugin/c/"),
                ("d", "d", "failed", "NotLoaded: it was added later; a reload loads it", None),
            ],
        )
        self.assertEqual(reports[0]["version"], "2")
        self.stop()

    def test_noName(self) -> None:
        """A folder whose name no URL can say is no plugin."""
        self.put(os.fsdecode(b"\xff/_site/index.html"))
        self.assertEqual(self.ask("/plugins").json(), {"plugins": []})
        self.assertMissing("/_plugin/%FF/")

    def test_none(self) -> None:
        """No plugins are no trouble."""
        self.assertEqual(self.ask("/plugins").json(), {"plugins": []})
