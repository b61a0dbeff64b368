"""
Configuration files that tests write and load.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import BadConfiguration, Configuration
from smartmob.config.identity import Accounts
from smartmob.config.load import load
from smartmob.config.overrides import Overrides
from smartmob.templates import Template

NOTHING = Overrides()

_USERS = {
    "ada": pwd.struct_passwd(("ada", "x", 1001, 2001, "", "/home/ada", "/bin/sh")),
    "root": pwd.struct_passwd(("root", "x", 0, 0, "", "/root", "/bin/sh")),
    "bare": pwd.struct_passwd(("bare", "x", 1002, 2002, "", "", "/bin/sh")),
}
_GROUPS = {"staff": grp.struct_group(("staff", "x", 2050, ["ada"]))}


def _user(number: int) -> pwd.struct_passwd:
    return {entry.pw_uid: entry for entry in _USERS.values()}[number]


def accounts(*, uid: int = 0, gid: int = 0, capabilities: int = 0xC0) -> Accounts:
    """
    A system with the users root, ada and bare, and the group staff, which ada is in.

    @param uid: The agent's.
    @param capabilities: The agent's; CAP_SETUID and CAP_SETGID unless given.
    """
    return Accounts(
        user_named=_USERS.__getitem__,
        user_numbered=_user,
        group_named=_GROUPS.__getitem__,
        groups_of=lambda name, own: [own, 2050] if name == "ada" else [own],
        capabilities=lambda: capabilities,
        uid=lambda: uid,
        gid=lambda: gid,
        groups=lambda: [gid, 4],
    )


DOCUMENTED = """\
[gaffer]
http_endpoints = public

[endpoint:public]
bind = 127.0.0.1:5000
;certfile=
;keyfile=

[webhooks]
;create = http://some/url
;proc.dummy.spawn = http://some/otherurl

[process:dummy]
cmd = ./dummy.py
;cwd = .
;uid =
;gid =
;detach = false
;shell = false
; flapping format: attempts=2, window=1., retry_in=7., max_retry=5
;flapping = 2, 1., 7., 5
numprocesses = 1
redirect_output = stdout, stderr
; redirect_input  = true
; graceful_timeout = 30

[process:echo]
cmd = ./echo.py
numprocesses = 1
redirect_output = stdout, stderr
redirect_input  = true
"""
"""The file that gafferd's documentation shows."""


class ConfigurationTestCase(SynchronousTestCase):
    """
    Has a folder for configuration files.
    """

    def setUp(self) -> None:
        """
        Make the folder.
        """
        # Its path is short, as that of a unix socket in it has to be.
        self.folder = Path(tempfile.mkdtemp(prefix="smartmob-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.file = self.folder / "agent.ini"
        self.accounts = accounts()
        self.environ: dict[str, str] = {}

    def write(self, name: str, text: str | bytes = "", mode: int = 0o644) -> Path:
        """
        A file in the folder.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # which may be one that we may not write to
        path.write_bytes(text if isinstance(text, bytes) else dedent(text).encode())
        path.chmod(mode)
        return path

    def load(self, text: str | bytes, overrides: Overrides = NOTHING) -> Configuration:
        """
        The configuration of a file with that text.
        """
        self.write(self.file.name, text)
        return load(
            os.fspath(self.file), overrides, accounts=self.accounts, environ=self.environ
        )

    def process(self, lines: str = "", name: str = "dummy") -> Template:
        """
        What one process section says that has C{cmd} and these lines.
        """
        [template] = self.load(f"[process:{name}]\ncmd = ./dummy.py\n{lines}\n").templates
        return template

    def mistakes(self, text: str | bytes, overrides: Overrides = NOTHING) -> list[str]:
        """
        What is wrong with a file with that text, each with its line, section and key.
        """
        with self.assertRaises(BadConfiguration) as caught:
            self.load(text, overrides)
        self.assertEqual(str(caught.exception), str(caught.exception.mistakes[0]))
        return [self._bare(str(mistake)) for mistake in caught.exception.mistakes]

    def wrong(self, line: str, section: str = "process:dummy") -> list[str]:
        """
        What is wrong with one line of a section, a process with C{cmd} unless said.
        """
        first = "cmd = ./dummy.py" if section.startswith("process:") else ""
        mistakes = self.mistakes(f"[{section}]\n{first}\n{line}\n")
        place = f"agent.ini:3: [{section}] "
        for mistake in mistakes:
            self.assertTrue(mistake.startswith(place), mistake)
        return [mistake.removeprefix(place) for mistake in mistakes]

    def warnings(self, text: str | bytes, overrides: Overrides = NOTHING) -> list[str]:
        """
        What is odd about a file with that text.
        """
        return [self._bare(warning) for warning in self.load(text, overrides).warnings]

    def _bare(self, said: str) -> str:
        return said.replace(f"{self.folder}/", "")
