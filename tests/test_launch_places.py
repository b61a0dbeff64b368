"""
Where a guardian runs: on kernels, in namespaces and below parents that are not as usual.
"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGCHLD, signal

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch import helper, wire
from smartmob.launch.helper import COMPILED, EXECUTABLE, HERE, PYTHON, start_compiled
from tests.support.twins import (
    Guardian,
    Said,
    children,
    heard,
    order,
    require_compiled,
    sent,
    shell,
    soon,
)
from tests.support.wheels import compiler
from tests.test_launch_twins import TwinCase

BOUNDS = (256, 1024)

WORDS = {
    COMPILED: [EXECUTABLE],
    PYTHON: [sys.executable, "-I", "-S", os.path.join(HERE, "guardian.py")],
}
"""What is executed, by kind."""


class ElsewhereCase(SynchronousTestCase):
    """
    Guardians that are started by way of something else.
    """

    def setUp(self) -> None:
        require_compiled()
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.folder.chmod(0o755)

    def script(self, kind: str, *before: str) -> str:
        """
        One that starts a guardian below another command, which is skipped where it does not
        work here.
        """
        tried = subprocess.run(
            [*before, sys.executable, "-c", "pass"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if tried.returncode:
            raise SkipTest(f"{shlex.join(before)}: {tried.stderr.decode()}")
        path = self.folder / kind
        words = shlex.join([*before, *WORDS[kind]])
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        path.chmod(0o755)
        return str(path)


class StrangeTests(ElsewhereCase):
    """
    Where it can't do its work, it says so, and does none.
    """

    def test_otherProc(self) -> None:
        """
        That is so where /proc is of another PID namespace, or lists no children: nothing could
        be ended, or strangers would be.
        """
        for kind in COMPILED, PYTHON:
            path = self.script(kind, "unshare", "--pid", "--fork")
            error = self.assertRaises(OSError, start_compiled, BOUNDS, path)
            self.assertRegex(
                str(error.strerror), "^/proc/self/task/[0-9]+/children: No such file"
            )

    def test_copies(self) -> None:
        """
        And where vfork(2) copies memory, as with what emulates another machine: the compiled
        one would not learn why a program can't be executed.
        """
        found = compiler()
        if found is None:
            raise SkipTest("no C compiler on this machine")
        path = str(self.folder / "copies")
        sources = sorted(map(str, (Path(HERE) / "compiled").glob("*.c")))
        subprocess.run([found, "-Dvfork=fork", "-o", path, *sources], check=True)
        error = self.assertRaises(OSError, start_compiled, BOUNDS, path)
        self.assertEqual(error.strerror, "vfork(2) does not work, or copies memory")

    def test_ignored(self) -> None:
        """
        Where SIGCHLD is ignored, which a parent may have left to us, nobody is told how what
        does not work has ended.
        """
        self.addCleanup(signal, SIGCHLD, signal(SIGCHLD, SIG_DFL))
        signal(SIGCHLD, SIG_IGN)
        self.assertEqual(helper.runs(COMPILED), COMPILED)
        path = self.folder / "ends"
        path.write_text("#!/bin/sh\nexit 3\n")
        path.chmod(0o755)
        error = self.assertRaises(OSError, start_compiled, BOUNDS, str(path))
        self.assertEqual(error.strerror, "it ended at once, it is not known how")


class HiddenTests(ElsewhereCase):
    """
    Programs that /proc hides from who started them (hidepid, see proc(5)).
    """

    def test_killed(self) -> None:
        """
        They are killed like all others; only their names are not known.
        """
        before = ["unshare", "--mount", "sh", "-c"]
        mount = "mount -t proc -o hidepid=2 proc /proc && exec setpriv"
        # Nobody who sees everything, but still the owner of the interpreter.
        dropped = "--bounding-set=-sys_ptrace,-dac_override,-dac_read_search"
        before += [f'{mount} --regid 65534 --clear-groups {dropped} "$@"', "sh"]
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        program = self.folder / "unreadable"
        shutil.copy("/bin/sh", program)
        program.chmod(0o111)
        words = (os.fsencode(program), b"-c", f"echo up; read word < {fifo}".encode())
        for kind in COMPILED, PYTHON:
            guardian = Guardian(kind, BOUNDS, self.script(kind, *before))
            self.addCleanup(guardian.end)
            control, output = guardian.give(order(*words))
            with control, open(output, "rb") as file:
                word, pid = wire.unpack(control.recv(100))
                self.assertEqual(word, wire.EXECUTED)
                self.assertEqual(file.readline(), b"up\n")
                sent(control, wire.KILL)
                answers = heard(control)
            self.assertEqual(answers, [[wire.EXITED, b"9"], [wire.GONE, b"1", b"?"]])
            self.assertRaises(ProcessLookupError, os.kill, int(pid), 0)


class CapableTests(ElsewhereCase):
    """
    An agent that is not root, and has capabilities from its service manager.
    """

    def test_anotherUser(self) -> None:
        """
        Programs that run as another user have none of them, and so can't be a third.
        """
        some = "+setuid,+setgid,+kill,+dac_read_search"  # the last to reach the interpreter
        before = ["setpriv", "--reuid", "41001", "--regid", "41001", "--clear-groups"]
        before += ["--inh-caps", some, "--ambient-caps", some]
        look = (b"/bin/grep", b"-E", b"^(Uid|Gid|CapPrm|CapEff|CapAmb):", b"/proc/self/status")
        for kind in COMPILED, PYTHON:
            guardian = Guardian(kind, BOUNDS, self.script(kind, *before))
            self.addCleanup(guardian.end)
            said = guardian.run(order(*look, identity=[41002, 41003]))
            found = dict(line.split(b":", 1) for line in said.output.splitlines())
            self.assertEqual(found[b"Uid"].split(), [b"41002"] * 4)
            self.assertEqual(found[b"Gid"].split(), [b"41003"] * 4)
            for name in b"CapPrm", b"CapEff", b"CapAmb":
                self.assertEqual(int(found[name], 16), 0, (kind, name))


class UnseenTests(TwinCase):
    """
    Reapers that can't open a file.
    """

    def test_leader(self) -> None:
        """
        They KILL the leader and its group, and do not say that nothing is left: they can't
        know.
        """
        for twin in self.twins:
            control, output = twin.give(shell("trap '' TERM; echo up; sleep 1000"))
            with control, open(output, "rb") as file:
                _, pid = wire.unpack(control.recv(100))
                self.assertEqual(file.readline(), b"up\n")
                reaper = twin.reaper()
                resource.prlimit(reaper, resource.RLIMIT_NOFILE, (3, BOUNDS[1]))
                sent(control, wire.KILL)
                self.assertEqual(heard(control), [[wire.GONE, b"0", pid, b"?"]])
                soon(children, reaper, [])
                sent(control, wire.KILL)
                self.assertEqual(heard(control), [[wire.GONE, b"0"]])


class DashTests(TwinCase):
    """
    Names that an interpreter would take for an option.
    """

    def test_folders(self) -> None:
        """
        Scripts are executed from folders whose names begin with a dash.
        """
        place = Path(self.folder())
        (place / "-x").mkdir()
        for name, text in ("line", "#!/bin/sh\necho $0 $*\n"), ("noline", "echo $0 $*\n"):
            path = place / "-x" / name
            path.write_text(text)
            path.chmod(0o755)
            at = os.fsencode(place)
            for packet in (
                order(name.encode(), b"a", env=[(b"PATH", b"/none:-x")], cwd=at),
                order(b"-x/" + name.encode(), b"a", cwd=at),
            ):
                self.assertEqual(
                    self.same(packet),
                    Said(
                        [[wire.EXECUTED], [wire.EXITED, b"0"], [wire.GONE, b"0"]],
                        f"./-x/{name} a\n".encode(),
                    ),
                )
