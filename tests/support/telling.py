"""
Programs of a configuration file that tell what they were given.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.configured_agent import ConfiguredTestCase
from tests.support.remote import Document, Remote

TELLER = f"""\
#!{sys.executable} -ISu
import json, os, resource, sys

umask = os.umask(0)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
limits = ("AS", "NPROC", "NOFILE", "FSIZE", "CORE", "CPU")
bounds = {{name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in limits}}
print(json.dumps({{
    "program": os.path.abspath(sys.argv[0]),
    "words": sys.argv[1:],
    "cwd": os.getcwd(),
    "env": dict(os.environ),
    "umask": umask,
    "nice": os.nice(0),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "limits": bounds,
}}))
"""
"""Tells about itself, and ends."""


class TellingTestCase(ConfiguredTestCase):
    """
    Tests with a program that tells, C{./tell} in the folder of the file.
    """

    def setUp(self) -> None:
        """
        Write it.
        """
        super().setUp()
        self.teller(self.folder / "tell")

    def teller(self, path: Path) -> None:
        """
        Write another one.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TELLER)
        path.chmod(0o755)

    async def lines(self, remote: Remote, slug: str, query: str = "") -> list[str]:
        """
        The lines of a process that was run once, and has ended.
        """
        document = await remote.state(slug, "stopped", "failed")
        answer = await remote.ask("GET", f"/process-logs/{slug}?{query}")
        said = answer.body.decode().splitlines()
        self.assertEqual(document["state"], "stopped", (document, said))
        return said

    async def told(self, remote: Remote, name: str) -> Document:
        """
        What a program told, of the app C{default} and run once.
        """
        [line] = await self.lines(remote, f"default.{name}.0")
        document: Document = json.loads(line)
        return document


def once(name: str, command: str = "./tell", **keys: object) -> str:
    """
    A process of the file whose program is run once.
    """
    said = {"cmd": command, "restart": "never", **keys}
    return f"[process:{name}]\n" + "".join(f"{key} = {said[key]}\n" for key in said)
