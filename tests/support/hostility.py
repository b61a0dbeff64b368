"""
Programs that mean harm, and who runs them.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping

from twisted.trial.unittest import SkipTest

STRANGER = 1_000_000 + os.getpid()
"""The number of a user, and of a group, that nothing else on a machine is likely to be, nor
other tests at the same time: how many processes a user has is the same for all of them."""

BOMB = """\
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
full = False
while True:
    try:
        os.fork()
    except OSError:
        if not full:
            os.write(1, b"full\\n")
        full = True
"""
"""Forks until it can't, and whenever it can again.  It says when it can't."""

CALLER = """\
import glob, json, os, sys, urllib.error, urllib.request
def asked(method, path, body=None):
    headers = {"Content-Type": "application/json"}
    url = open("url").read() + path
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        return error.code
def seen():
    for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
        try:
            yield path, open(path, "rb").read()
        except OSError:
            pass
body = json.dumps(dict(app="a", node="b", process_type="c", source_url="http://x/")).encode()
answers = [asked("GET", path) for path in ("/", "/list-processes", "/events", "/nowhere")]
answers.append(asked("POST", "/create-process", body))
answers.append(asked("POST", "/stop-process/default.caller.0", b"{}"))
answers.append(asked("GET", "/ping"))
token = open("tokens", "rb").read().split()[0]
with open("saying", "w") as file:
    json.dump([answers, [path for path, text in seen() if token in text]], file)
os.rename("saying", "said")
"""
"""Asks the agent it runs under, and looks for its token in what /proc shows of others."""


def python_for(uid: int) -> str:
    """
    A Python that a user can run.

    @raise SkipTest: There is none.
    """
    if uid == os.geteuid():
        return sys.executable
    for path in (sys.executable, "/usr/bin/python3"):
        try:
            ran = subprocess.run(
                [path, "-I", "-S", "-c", "pass"],
                user=uid,
                group=uid,
                extra_groups=[],
                capture_output=True,
                check=False,
                cwd="/",
            )
        except OSError:
            continue
        if ran.returncode == 0:
            return path
    raise SkipTest("HOSTILE PROGRAMS ARE NOT TESTED: other users can't run any Python")


def attempts(commands: Mapping[str, str]) -> str:
    """
    A shell script that tries commands, and says C{NAME yes} or C{NAME no} of each.
    """
    return "".join(
        f"if {{ {command}; }} >/dev/null 2>&1; then echo {shlex.quote(name)} yes; "
        f"else echo {shlex.quote(name)} no; fi\n"
        for name, command in commands.items()
    )
