"""
What a real program may use, and is, as somebody said: whoever said it, with each guardian.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from smartmob.launch.helper import COMPILED, PYTHON, VARIABLE
from tests.support.applications import archive
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.remote import Document, Remote
from tests.support.twins import require_compiled

LOOK = "/bin/cat /proc/self/status /proc/self/stat /proc/self/limits"

BOUNDS = {
    "memory_bytes": 1 << 40,
    "processes": 5_000,
    "open_files": 99,
    "file_bytes": 1 << 30,
    "core_bytes": 0,
    "cpu_seconds": 999,
}

KERNEL_NAMES = {
    "memory_bytes": "Max address space",
    "processes": "Max processes",
    "open_files": "Max open files",
    "file_bytes": "Max file size",
    "core_bytes": "Max core file size",
    "cpu_seconds": "Max cpu time",
}

MORE_THAN_ANYBODY = 1 << 40
"""Open files that not even root can be given: the kernel's own bound is lower."""


def may_go_first() -> bool:
    """
    Whether we may have a lower niceness than others, as root often may.
    """
    tried = subprocess.run(
        [sys.executable, "-c", "import os; os.nice(-1)"], capture_output=True, check=False
    )
    return tried.returncode == 0


class BoundsTests(ConfiguredTestCase):
    """
    Limits, umask, niceness and no new privileges.
    """

    async def said(self, remote: Remote, slug: str) -> str:
        """
        What a program said that looks at itself, and has ended.
        """
        document = await remote.state(slug, "stopped", "failed")
        self.assertEqual(document["state"], "stopped", document)
        answer = await remote.ask("GET", f"/process-logs/{slug}")
        return answer.body.decode()

    def check(self, said: str, slug: str) -> None:
        """
        The kernel has what was asked for.
        """
        for name, value in BOUNDS.items():
            found = re.search(rf"^{KERNEL_NAMES[name]} +(\S+) +(\S+) ", said, re.MULTILINE)
            assert found is not None, said
            self.assertEqual(found.groups(), (str(value), str(value)), (slug, name))
        self.assertRegex(said, r"(?m)^Umask:\t0027$", slug)
        self.assertRegex(said, r"(?m)^NoNewPrivs:\t1$", slug)
        fields = re.search(r"^\d+ \(cat\) (.*)$", said, re.MULTILINE)
        assert fields is not None, said
        # proc(5), field 19; the first of these is the third.
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        self.assertEqual(int(fields[1].split()[16]), min(19, niceness + 3), slug)

    async def takes(self, guardian: str) -> None:
        """
        See that each takes effect.
        """
        keys: dict[str, object] = {f"limit_{name}": value for name, value in BOUNDS.items()}
        keys |= {"umask": "027", "nice": 3, "no_new_privileges": "true", "restart": "never"}
        _, remote = await self.configured(
            section("plain", LOOK, **keys),
            section("detached", LOOK, detach="true", **keys),
            env={VARIABLE: guardian},
        )
        await remote.create(
            self.origin.serve("/a", archive({"Procfile": f"web: {LOOK}\n"})),
            umask="027",
            nice=3,
            no_new_privileges=True,
            restart="never",
            limits=BOUNDS,
        )
        for slug in "app.web.0", "default.plain.0", "default.detached.0":
            self.check(await self.said(remote, slug), slug)

    async def refuses(self, guardian: str) -> None:
        """
        See that what can't be given is said.
        """
        _, remote = await self.configured(
            section("files", "true", limit_open_files=MORE_THAN_ANYBODY, restart="never"),
            section("first", "true", nice=-1, restart="never"),
            env={VARIABLE: guardian},
        )
        url = self.origin.serve("/a", archive({"Procfile": "web: true\n"}))
        limits = {"open_files": MORE_THAN_ANYBODY}
        await remote.create(url, "web.0", limits=limits, restart="never")
        await remote.create(url, "web.1", nice=-1, restart="never")
        for slug in "app.web.0", "default.files.0":
            self.refused(await remote.state(slug, "stopped", "failed"), "RLIMIT_NOFILE")
        for slug in "app.web.1", "default.first.0":
            document = await remote.state(slug, "stopped", "failed")
            if may_go_first():
                self.assertEqual(document["state"], "stopped", document)
            else:
                self.refused(document, "niceness")

    def refused(self, document: Document, what: str) -> None:
        """
        It was not executed, and says why.
        """
        self.assertEqual(document["state"], "failed", document)
        self.assertIn(what, document["reason"])
        self.assertEqual(document["last_exit"]["code"], 126)

    async def test_compiled(self) -> None:
        """
        All of it takes effect: for a created process, a configured one, and one that
        outlives the agent.
        """
        require_compiled()
        await self.takes(COMPILED)

    async def test_python(self) -> None:
        """
        With the guardian in Python too.
        """
        await self.takes(PYTHON)

    async def test_refusedByCompiled(self) -> None:
        """
        What the agent has no right to give is not left out: the program is not executed, and
        its document says why.
        """
        require_compiled()
        await self.refuses(COMPILED)

    async def test_refusedByPython(self) -> None:
        """
        With the guardian in Python too.
        """
        await self.refuses(PYTHON)
