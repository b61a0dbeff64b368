"""
Faults of others, each by its number: what it was, and that it is refused here.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from typing import cast

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smartmob.launch.interfaces import ILauncher
from smartmob.source.errors import SourceRefused
from smartmob.source.unpacking import Unpacker
from smartmob.tokens import parse
from smartmob.web.problems import Problem
from smartmob.web.root import make_site
from smartmob.web.site import Site
from tests.support.agents import FakeAgent
from tests.support.archives import (
    APP,
    Entry,
    beyond_path_max,
    file,
    folder,
    hard_link,
    symlink,
    tar,
    tgz,
    zipped,
)
from tests.support.families import families
from tests.support.forged import below_zero
from tests.support.gafferd import DUMMY, GafferdTestCase
from tests.support.httpwire import Answer, Wire
from tests.support.spawning import SpawningLauncher
from tests.test_options import CommandLine

TOKEN = "correct-horse-battery-staple"

#: Methods that there are, and one that nobody has thought of.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")

CREATE = {
    "app": "shadow",
    "node": "web.0",
    "process_type": "web",
    "source_url": "http://127.0.0.1/a.tar.gz",
}

#: What pages of others send along, and what has no preflight among it.
FOREIGN = (
    ("Origin: http://evil.example",),
    ("Origin: null",),
    ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
    ("Sec-Fetch-Site: same-site",),
    ("Origin: http://evil.example", "Sec-Fetch-Site: same-origin"),
    ("Origin: http://127.0.0.1:8080", "Sec-Fetch-Site: cross-site"),
)


def paths_of(site: Site) -> Iterator[str]:
    """
    Every path of a site, and one that it has not.
    """
    yield "/nowhere"
    for route in site.gate.routes:
        yield re.sub("<.*>", "myapp.web.0" if "slug" in route.path else "myapp", route.path)


class AgentCase(SynchronousTestCase):
    """
    An agent in memory, with one process.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        self.clock = Clock()
        self.agent = FakeAgent()
        self.process = self.agent.add()
        self.site = make_site(self.agent.real, self.clock, families=families())

    def ask(self, method: str, path: str, body: object = None, *headers: str) -> Answer:
        """
        A request of somebody who keeps to no rules, and its answer.
        """
        wire = Wire(self.site)
        wire.request(method, path, cast(None, body), *headers)
        answers = wire.answers(head=method == "HEAD")
        if not wire.closed:
            wire.hang_up()
        return answers[0]

    def assertUntouched(self) -> None:
        """
        Nothing was created, and nothing was done to what was there.
        """
        self.assertEqual(list(self.agent.by_slug), ["myapp.web.0"])
        self.assertEqual(self.process.asked, [])
        self.assertEqual(self.agent.uploads, [])


class SupervisorTests(AgentCase):
    """
    Supervisor.
    """

    def test_CVE_2017_11610(self) -> None:
        """
        Its XML-RPC server looked up what a client named, dots and all, among its objects,
        and called it: C{supervisor.supervisord.options.execve} executed anything.  Here a
        path is one of the table, or it is none, whatever the program calls it inside.
        """
        names = {"supervisor.supervisord.options.execve", "RPC2", "__class__", "agent", "os"}
        for route in self.site.gate.routes:
            names |= {route.endpoint, f"{route.path[1:]}.__class__", f"{route.endpoint}.app"}
        known = {route.path for route in self.site.gate.routes}
        for name in names:
            for path in (f"/{name}", f"/{name}/myapp.web.0", f"/list-processes/{name}"):
                if path in known:
                    continue
                for method in ("GET", "POST"):
                    found = self.site.gate.routes.find(method.encode(), path.encode())
                    if not isinstance(found, Problem):
                        assert found.route is not None
                        self.assertIn(found.route.path, known)
                        continue
                    self.assertIn(found.code, ("not-found", "method-not-allowed"), path)
        for name in ("__class__", "SIG_DFL", "pause", "Signals", "CTRL_C_EVENT", "TERM.real"):
            answer = self.ask("POST", "/signal-process/myapp.web.0", {"signal": name})
            self.assertEqual((answer.status, answer.json()["code"]), (400, "invalid-document"))
        for key in ("__class__", "__init__", "shell", "uid", "detach"):
            answer = self.ask("POST", "/create-process", {**CREATE, key: "os.system"})
            self.assertEqual(answer.status, 400)
            self.assertEqual([each["field"] for each in answer.json()["errors"]], [key])
        self.assertUntouched()

    def test_CVE_2019_12105(self) -> None:
        """
        Who reached its HTTP server could read logs and restart programs without a password,
        where none was configured.  Here whoever shows no token gets 401, for everything but
        C{/ping} and what a browser needs to sign in.
        """
        self.site.gate.access.settle(parse(TOKEN), frozenset())
        for path in paths_of(self.site):
            for method in METHODS:
                answer = self.ask(method, path)
                if path in ("/ping", "/sign-in") and answer.status != 401:
                    continue
                self.assertEqual(answer.status, 401, (method, path))
                self.assertIn("Bearer", answer.header("www-authenticate") or "")
        for path in ("/process-logs/myapp.web.0", "/app-logs/myapp", "/list-processes"):
            for shown in ("Bearer wrong-horse-battery-staple", f"Basic {TOKEN}", "Bearer"):
                answer = self.ask("GET", path, None, f"Authorization: {shown}")
                self.assertEqual(answer.status, 401)
            right = self.ask("GET", path, None, f"Authorization: Bearer {TOKEN}")
            self.assertEqual(right.status, 200)
        self.assertUntouched()


class RayTests(AgentCase):
    """
    Ray.
    """

    def test_CVE_2023_48022(self) -> None:
        """
        "ShadowRay": whoever reached the job API could have any command run, there being no
        authentication.  Here, where there are tokens, a job without one is refused at the end
        of its head.
        """
        self.site.gate.access.settle(parse(TOKEN), frozenset())
        for method, path in (("POST", "/create-process"), ("PUT", "/archives")):
            wire = Wire(self.site)
            head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"
            wire.send(f"{head}Content-Length: 1000000\r\n\r\n".encode())
            self.assertEqual(wire.answer().status, 401)
            wire.hang_up()
        self.assertEqual(self.ask("POST", "/create-process", CREATE).status, 401)
        self.assertUntouched()
        bearer = f"Authorization: Bearer {TOKEN}"
        self.assertEqual(self.ask("POST", "/create-process", CREATE, bearer).status, 201)

    def test_CVE_2026_27482(self) -> None:
        """
        Its dashboard refused POST and PUT of pages in a browser, but not DELETE, so that any
        page could end jobs.  Here a page of another's is refused whatever the method, on
        every path, and so is one that gave its own name our address.
        """
        for path in paths_of(self.site):
            for method in METHODS:
                for headers in FOREIGN:
                    answer = self.ask(method, path, None, *headers)
                    self.assertEqual(answer.status, 403, (method, path, headers))
                wire = Wire(self.site)
                wire.request(method, path, host="evil.example")
                self.assertEqual(wire.answer(head=method == "HEAD").status, 403)
        self.assertUntouched()

    def test_CVE_2026_27482_signed_in(self) -> None:
        """
        So it is where the browser has a cookie of ours, which it would send along.
        """
        self.site.gate.access.settle(parse(TOKEN), frozenset())
        answer = self.ask("POST", "/sign-in", {"token": TOKEN})
        self.assertEqual(answer.status, 204)
        given = answer.header("set-cookie") or ""
        self.assertIn("SameSite=Strict", given)
        cookie = f"Cookie: {given.partition(';')[0]}"
        path = "/delete-process/myapp.web.0"
        for headers in FOREIGN:
            self.assertEqual(self.ask("POST", path, None, cookie, *headers).status, 403)
        # What needs no preflight: a form, and a script that says text/plain.
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            ours = ("Origin: http://127.0.0.1:8080", f"Content-Type: {kind}")
            self.assertEqual(self.ask("POST", path, "{}", cookie, *ours).status, 415)
        self.assertUntouched()
        own = "Origin: http://127.0.0.1:8080"
        self.assertEqual(self.ask("POST", path, {}, cookie, own).status, 200)


class RayOnGafferdTests(GafferdTestCase):
    """
    The same on gafferd's interface, which has DELETE.
    """

    def test_CVE_2026_27482(self) -> None:
        """
        A page of another's ends nothing.
        """
        self.load(DUMMY)
        before = self.ok("GET", "/processes")
        deleting = [route for route in self.site.gate.routes if "DELETE" in route.methods]
        self.assertTrue(deleting)
        for route in deleting:
            path = re.sub("<.*>", "dummy", route.path)
            for headers in FOREIGN:
                answer = self.ask("DELETE", path, None, *headers)
                self.assertEqual(answer.status, 403, (path, headers))
        self.assertEqual(self.ok("GET", "/processes"), before)


class RayReachableTests(CommandLine):
    """
    Where it is that an agent listens.
    """

    def test_CVE_2023_48022_reachable(self) -> None:
        """
        Nor does an agent that asks nobody who they are listen where others can reach it,
        unless it is told to.
        """
        for address in ("0.0.0.0:0", "[::]:0", "tcp:0", "tcp:0:interface=0.0.0.0"):
            code, _, err = self.said("--check", "--bind", address)
            self.assertEqual(code, 2, address)
            self.assertIn("--token-file", err)
            self.assertIn("--insecure", err)
        self.assertEqual(self.said("--check", "--bind", "127.0.0.1:0")[0], 0)
        tokens = self.write(TOKEN, "tokens")
        tokens.chmod(0o600)
        code, _, err = self.said("--check", "--bind", "0.0.0.0:0", "--token-file", str(tokens))
        self.assertEqual(code, 0, err)


class NomadTests(AgentCase):
    """
    Nomad's plugins.
    """

    def test_CVE_2026_7474(self) -> None:
        """
        The name of a plugin that a client asked for was joined to the folder of plugins as
        it was: C{../../bin/ls} was executed.  Here no name that a client sends has a slash in
        it, or is dots; and what is executed a Procfile says, not a client.
        """
        for key in ("app", "node", "process_type"):
            for name in ("../../../../bin/ls", "..", ".", "a/b", "/bin/ls", "a\0b", "..\\x"):
                answer = self.ask("POST", "/create-process", {**CREATE, key: name})
                self.assertEqual(answer.status, 400, name)
                self.assertEqual([each["field"] for each in answer.json()["errors"]], [key])
        for field, value in (
            ("cwd", "../../bin"),
            ("cwd", "/bin"),
            ("source_url", "smartmob-archive:../../../etc/passwd"),
            ("source_url", "file:///etc/passwd"),
            ("source_sha256", "../" * 21 + "x"),
        ):
            answer = self.ask("POST", "/create-process", {**CREATE, field: value})
            self.assertEqual(answer.status, 400, value)
            self.assertEqual([each["field"] for each in answer.json()["errors"]], [field])
        for name in ("..", "%2e%2e", "%2e%2e%2f%2e%2e%2fbin%2fls", "..%5cx", "a%00b"):
            for path in ("/process-status/", "/process-logs/", "/_plugin/", "/_plugin/x/"):
                answer = self.ask("GET", path + name)
                self.assertEqual(answer.status, 404, path + name)
        self.assertUntouched()


class ArchiveTests(TestCase):
    """
    Archives that wrote elsewhere, unpacked as an agent has it done.
    """

    def setUp(self) -> None:
        """
        A folder, with another one beside it that is not to be written to.
        """
        self.base = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, self.base)
        self.outside = os.path.join(self.base, "outside")
        os.mkdir(self.outside)
        self.archive = os.path.join(self.base, "archive")
        launcher = SpawningLauncher(IReactorProcess(reactor))
        self.unpacker = Unpacker(Clock(), ILauncher(launcher))

    async def refused(self, data: bytes) -> str:
        """
        Why an archive is refused; nothing was written beside it.
        """
        with open(self.archive, "wb") as written:
            written.write(data)
        release = os.path.join(self.base, "releases", "app", "X")
        try:
            await self.unpacker.unpack(self.archive, release)
        except SourceRefused as error:
            why = error.reason
        else:
            raise self.failureException("it was unpacked")
        self.assertEqual(sorted(os.listdir(self.base)), ["archive", "outside", "releases"])
        self.assertEqual(os.listdir(self.outside), [])
        self.assertFalse(os.path.exists(release))
        shutil.rmtree(os.path.join(self.base, "releases"))
        return why

    async def test_CVE_2024_7625(self) -> None:
        """
        Nomad unpacked several headers for one file: a link to a file that did not exist, then
        what was written through it.  Here no name comes twice, links are made last, and none
        leads outside.
        """
        relative = "../../../outside/file"
        for target in (f"{self.outside}/file", relative):
            for entries in (
                [symlink("f", target), file("f")],
                [file("f"), symlink("f", target)],
                [symlink("f", target), folder("f"), file("f/g")],
            ):
                for build in (tar, tgz, zipped):
                    why = await self.refused(build(APP, *entries))
                    self.assertIn("two entries have the name 'f'", why)
            for build in (tar, tgz, zipped):
                why = await self.refused(build(APP, symlink("f", target)))
                self.assertIn(f"the link 'f' -> '{target}' leads out", why)

    async def test_CVE_2025_4517(self) -> None:
        """
        Python's C{tarfile} asked realpath(3) where a member leads, which gave up at PATH_MAX:
        by links through long folders its C{data} filter wrote anywhere.  Here no name below a
        link is opened, and where links lead is found from the archive alone.
        """
        self.assertIn("too long", await self.refused(beyond_path_max(f"{self.outside}/w")))
        step = "d" * 240
        entries: list[Entry] = [APP]
        path = ""
        for letter in "abcdefgh":
            entries += [folder(f"{path}{step}"), symlink(f"{path}{letter}", step)]
            path += f"{step}/"
        short = "a/b/c/d/e/f/g/h/"
        up = "../" * 11
        through = symlink("escape", f"{short}{up}outside")
        self.assertIn("leads out", await self.refused(tar(*entries, through)))
        inside = symlink("escape", f"{short}{'../' * 8}")
        for end in (file("escape/../../../outside/w"), file(f"{short}w"), file("escape/w")):
            self.assertRegex(
                await self.refused(tar(*entries, inside, end)),
                "lies below a link|leads out of the archive",
            )

    async def test_CVE_2025_4138(self) -> None:
        """
        The same filter let links out whose targets it had looked at before others were made.
        """
        chain = [symlink("a/up", ".."), symlink("b", "a/up/.."), hard_link("c", "b")]
        self.assertIn("'c' is a hard link to 'b'", await self.refused(tar(APP, *chain)))
        self.assertIn("leads out", await self.refused(tar(APP, *chain[:2])))

    async def test_CVE_2025_8194(self) -> None:
        """
        A size below zero had C{tarfile} read the same header for ever.
        """
        why = await self.refused(below_zero("Procfile") + bytes(1024))
        self.assertIn("entry 'Procfile' has no size", why)
