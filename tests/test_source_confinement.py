"""
Tests of L{smartmob.source.unpack.confinement}: what the unpacker can't do, whatever it is
talked into.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

import smartmob
from smartmob.source.unpack import calls
from smartmob.source.unpack.confinement import MACHINES, filter_for
from tests.support.archives import APP, tar
from tests.support.bpf import ALLOW, ERROR, KILL, answer
from tests.support.http_origin import Origin
from tests.support.users import another_user

CODE = os.path.dirname(os.path.dirname(os.path.abspath(smartmob.__file__)))

#: An unpacker whose parser was talked into trying everything.
TALKED_INTO = """
import ctypes, json, os, socket, subprocess, sys
code, port, outside, *arguments = sys.argv[1:]
sys.path.append(code)
from smartmob.source.unpack import confinement, program, tarball

def everything(source, destination):
    answers = {}
    def attempt(name, call):
        try:
            call()
        except OSError as error:
            answers[name] = error.errno
        else:
            answers[name] = 0
    root = destination._root
    attempt("tcp", lambda: socket.socket().connect(("127.0.0.1", int(port))))
    attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    attempt("unix", lambda: socket.socket(socket.AF_UNIX))
    attempt("pair", socket.socketpair)
    attempt("fork", os.fork)
    attempt("execute", lambda: os.execv("/bin/sh", ["sh", "-c", "exit 9"]))
    attempt("kill", lambda: os.kill(os.getppid(), 0))
    attempt("memory", lambda: os.memfd_create("x"))
    attempt("device", lambda: os.mknod("n", 0o20666, 0x103, dir_fd=root))
    attempt("write", lambda: open(outside, "w"))
    attempt("remove", lambda: os.unlink(outside + ".there"))
    attempt("folder", lambda: os.mkdir("folder", dir_fd=root))
    attempt("file", lambda: os.close(os.open("file", os.O_CREAT | os.O_EXCL, dir_fd=root)))
    attempt("hard link", lambda: os.link("file", "folder/h", src_dir_fd=root, dst_dir_fd=root))
    attempt("link", lambda: os.symlink("x", "folder/l", dir_fd=root))
    libc = ctypes.CDLL(None, use_errno=True)
    for name, (number, _) in {"io_uring": (425, 0), "younger": (9999, 0)}.items():
        libc.syscall(number, 0, 0)
        answers[name] = ctypes.get_errno()
    answers["landlock"] = libc.syscall(444, None, ctypes.c_size_t(0), 1)
    with open("/proc/self/status") as status:
        answers["status"] = dict(line.split(":\\t", 1) for line in status.read().splitlines())
    answers["dumpable"] = libc.prctl(3, 0, 0, 0, 0)
    sys.stderr.write(json.dumps(answers))
    sys.stderr.flush()

tarball.unpack = everything
sys.exit(program.main(arguments))
"""

#: A process with a network of its own.
ALONE = """
import socket, sys
sys.path.append(sys.argv[1])
from smartmob.source.unpack.confinement import leave_by_namespace
try:
    leave_by_namespace()
except OSError as error:
    sys.exit(f"not here: {error}")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), timeout=60)
except OSError as error:
    print(error.errno)
"""


class FilterTests(SynchronousTestCase):
    """
    What the filter says, on every machine that it is for.
    """

    def test_refused(self) -> None:
        """
        All calls of the table are refused, and no other that there is.
        """
        for name, (machine, column) in MACHINES.items():
            program = filter_for(machine, column)
            refused = set(calls.refused(column))
            for number in range(calls.LAST + 1):
                expected = ERROR + errno.EPERM if number in refused else ALLOW
                self.assertEqual(answer(program, machine, number), expected, (name, number))

    def test_younger(self) -> None:
        """
        Of calls that came later there are none, and none of the x32 kind.
        """
        for machine, column in MACHINES.values():
            program = filter_for(machine, column)
            for number in (calls.LAST + 1, 1000, 0x40000000 + 41, 2**32 - 1):
                self.assertEqual(answer(program, machine, number), ERROR + errno.ENOSYS)

    def test_otherMachine(self) -> None:
        """
        Who makes calls of another machine's, whose numbers mean others, is killed.
        """
        for machine, column in MACHINES.values():
            program = filter_for(machine, column)
            for other in (0x40000003, 0x40000028, 0):  # i386, 32 bits of ARM, nothing
                self.assertEqual(answer(program, other, 0), KILL)

    def test_network(self) -> None:
        """
        There is no way to a network among the calls that are allowed.
        """
        for column in (0, 1):
            refused = set(calls.refused(column))
            self.assertTrue({pair[column] for pair in calls.NETWORK.values()} <= refused)


class ConfinedTests(TestCase):
    """
    Unpackers that were talked into anything.
    """

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        """
        A server to reach, a folder to unpack in, and a file beside it.
        """
        self.origin = Origin(reactor)
        self.addCleanup(self.origin.stop)
        self.base = tempfile.mkdtemp(prefix="smartmob-")
        self.addCleanup(shutil.rmtree, self.base)
        os.chmod(self.base, 0o711)
        self.archive = os.path.join(self.base, "archive")
        with open(self.archive, "wb") as file:
            file.write(tar(APP))
        self.outside = os.path.join(self.base, "elsewhere")
        os.mkdir(self.outside, 0o777)
        os.chmod(self.outside, 0o777)
        self.outside += "/file"
        with open(self.outside + ".there", "w") as there:
            there.write("x")

    async def tried(self, *owner: str, before: Sequence[str] = ()) -> dict[str, Any]:
        """
        What an unpacker tried, and what came of it.

        @param before: Goes before its command.
        """
        program, *arguments = *before, sys.executable
        out, said, code = await getProcessOutputAndValue(
            program,
            [
                *arguments,
                *("-I", "-S", "-c", TALKED_INTO, CODE, str(self.origin.port), self.outside),
                *(self.archive, f"{self.base}/app/X", "1000000", "100", "0", "0", *owner),
            ],
            reactor=IReactorProcess(reactor),
        )
        self.assertEqual(code, 0, said)
        self.assertIsNone(json.loads(out)["network"])
        answers: dict[str, Any] = json.loads(said)
        return answers

    def check(self, answers: dict[str, Any]) -> None:
        """
        Nothing of it worked but what an unpacker is for.
        """
        for name in ("tcp", "udp", "unix", "pair", "fork", "kill", "memory", "device"):
            self.assertEqual(answers[name], errno.EPERM, name)
        self.assertIn(answers["execute"], (errno.EPERM, errno.EACCES))
        self.assertEqual(answers["io_uring"], errno.EPERM)
        self.assertEqual(answers["younger"], errno.ENOSYS)
        for name in ("folder", "file", "hard link", "link"):
            self.assertEqual(answers[name], 0, name)
        self.assertEqual(answers["status"]["Seccomp"], "2")
        self.assertEqual(answers["status"]["NoNewPrivs"], "1")
        self.assertEqual(answers["dumpable"], 0)
        self.assertEqual(self.origin.requests, [])
        folder = f"{self.base}/app/X"
        self.assertEqual(sorted(os.listdir(folder)), ["file", "folder"])
        self.assertEqual(sorted(os.listdir(f"{folder}/folder")), ["h", "l"])
        if answers["landlock"] >= 2:
            self.assertEqual(answers["write"], errno.EACCES)
            self.assertEqual(answers["remove"], errno.EACCES)
            self.assertFalse(os.path.exists(self.outside))

    async def test_agent(self) -> None:
        """
        It has no network, starts nothing, reaches no process, and writes to its folder only.
        """
        self.check(await self.tried())

    async def test_identity(self) -> None:
        """
        So it is for one that has become another user.
        """
        who = another_user()
        answers = await self.tried(str(who.uid), str(who.gid))
        self.check(answers)
        self.assertEqual(answers["status"]["Uid"].split(), [str(who.uid)] * 4)
        self.assertEqual(os.stat(f"{self.base}/app/X/file").st_uid, who.uid)
        self.assertEqual(stat.S_IMODE(os.stat(f"{self.base}/app/X").st_mode), 0o750)

    async def test_capable(self) -> None:
        """
        That of an agent that is not root but may become others may become none.
        """
        who = another_user()
        some = "+setuid,+setgid,+chown,+dac_override"
        before = ["setpriv", "--reuid", "41001", "--regid", "41001", "--clear-groups"]
        before += ["--inh-caps", some, "--ambient-caps", some]
        found = shutil.which(before[0])
        if found is None:
            raise SkipTest("this needs setpriv")
        answers = await self.tried(str(who.uid), str(who.gid), before=[found, *before[1:]])
        self.check(answers)
        for name in ("CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(answers["status"][name], 16), 0, name)

    async def test_namespace(self) -> None:
        """
        Where calls have other numbers, a network with nothing in it does.
        """
        out, said, code = await getProcessOutputAndValue(
            sys.executable,
            ["-I", "-S", "-c", ALONE, CODE, str(self.origin.port)],
            reactor=IReactorProcess(reactor),
        )
        if code and b"not here" in said:
            raise SkipTest(f"NO NAMESPACES: {said.decode()}")
        self.assertEqual((int(out), code), (errno.ENETUNREACH, 0), said)
        self.assertEqual(self.origin.requests, [])
