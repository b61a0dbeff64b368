"""
Tests of L{smartmob.launch.helper} and L{smartmob.launch.guardians}: which guardian is
started, and what becomes of one that does not work.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch import helper, wire
from smartmob.launch.guardians import Guardians
from smartmob.launch.helper import COMPILED, PYTHON, VARIABLE, Helper

WORKS = "#!/bin/sh\nprintf ready >&3\nexec cat <&3\n"
"""As much of a guardian as is needed to be taken for one."""


class GuardianCase(SynchronousTestCase):
    """
    Scripts stand in for what a compiler makes.
    """

    def setUp(self) -> None:
        self.executable = str(Path(self.mktemp()).absolute())
        self.bounds = resource.getrlimit(resource.RLIMIT_NOFILE)
        clean = {name: os.environ[name] for name in os.environ if name != VARIABLE}
        self.patch(os, "environ", clean)
        self.descriptors = os.listdir("/proc/self/fd")

    def tearDown(self) -> None:
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(self.descriptors))

    def write(self, text: str = WORKS, mode: int = 0o755) -> None:
        """
        An executable.
        """
        path = Path(self.executable)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def ended(self, helper: Helper) -> Helper:
        """
        The same, once it is gone.
        """
        helper.connection.close()
        helper.reap()
        return helper


class BuiltTests(SynchronousTestCase):
    """
    The executable of this checkout.
    """

    def test_fresh(self) -> None:
        """
        It was made of the sources as they are: else what is tested is another one.
        """
        folder = Path(helper.EXECUTABLE).parent
        if not os.path.exists(helper.EXECUTABLE):
            raise SkipTest("the guardian was not compiled: no C compiler, or SMARTMOB_PURE")
        made = os.stat(helper.EXECUTABLE).st_mtime
        newer = [path.name for path in folder.glob("*.[ch]") if path.stat().st_mtime > made]
        self.assertEqual(
            newer, [], "changed since: `pip install --editable .` compiles it again"
        )


class ChoiceTests(GuardianCase):
    """
    What the environment may say.
    """

    def test_unset(self) -> None:
        """
        Nothing, also where it is empty: the best that works.
        """
        self.assertIsNone(helper.chosen({}, self.executable))
        self.assertIsNone(helper.chosen({VARIABLE: ""}, self.executable))

    def test_one(self) -> None:
        """
        It is one of two; the compiled one has to be there.
        """
        self.write()
        for kind in (COMPILED, PYTHON):
            self.assertEqual(helper.chosen({VARIABLE: kind}, self.executable), kind)

    def test_wrong(self) -> None:
        """
        Another name, or one that was not built, is an error that says so.
        """
        with self.assertRaisesRegex(ValueError, "SMARTMOB_GUARDIAN is .*, not 'C'"):
            helper.chosen({VARIABLE: "C"}, self.executable)
        with self.assertRaisesRegex(ValueError, f"no {self.executable}"):
            helper.chosen({VARIABLE: COMPILED}, self.executable)


class StartTests(GuardianCase):
    """
    Which one is started.
    """

    def started(self, choice: str | None = None) -> str:
        """
        The kind of one that is ready.
        """
        instead: list[OSError] = []
        made = helper.start_guardian(self.bounds, choice, instead.append, self.executable)
        self.assertEqual(made.connection.recv(100), wire.READY)
        self.assertEqual(self.ended(made).kind, helper.runs(choice, self.executable))
        self.why = [error.strerror for error in instead]
        return made.kind

    def test_none(self) -> None:
        """
        The one in Python where no other was built, without a word.
        """
        self.assertEqual((self.started(), self.why), (PYTHON, []))

    def test_compiled(self) -> None:
        """
        The compiled one where it is there, and it is still to be heard that it is ready.
        """
        self.write()
        self.assertEqual((self.started(), self.why), (COMPILED, []))

    def test_chosen(self) -> None:
        """
        The one that was chosen, in code or by the environment.
        """
        self.write()
        self.assertEqual(self.started(PYTHON), PYTHON)
        self.assertEqual(self.started(COMPILED), COMPILED)
        os.environ[VARIABLE] = PYTHON
        self.assertEqual(self.started(), PYTHON)

    def test_unusable(self) -> None:
        """
        The one in Python where the other does not work, with the reason.
        """
        for text, mode, why in (
            (WORKS, 0o644, "Permission denied"),
            ("\x7fELF of another machine", 0o755, "Exec format error"),
            ("#!/no/such/loader\n", 0o755, "No such file or directory"),
            ("#!/bin/sh\nexit 127\n", 0o755, "it ended at once, with exit code 127"),
            ("#!/bin/sh\nkill -9 $$\n", 0o755, "it ended at once, killed by signal 9"),
            ("#!/bin/sh\nprintf 'broken\\0why' >&3\n", 0o755, "why"),
        ):
            self.write(text, mode)
            self.assertEqual((self.started(), self.why), (PYTHON, [why]), text)
            self.assertRaises(OSError, self.started, COMPILED)
            self.assertRaises(OSError, helper.runs, COMPILED, self.executable)

    def test_scarce(self) -> None:
        """
        What is no fault of the executable's is none: there are no descriptors left.
        """
        self.write()
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, self.bounds)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, self.bounds[1]))
        try:
            self.assertRaises(OSError, self.started)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.bounds)


class GuardiansTests(GuardianCase):
    """
    One after the other.
    """

    def test_saidOnce(self) -> None:
        """
        That the compiled one does not work is said once, and it is not tried again.
        """
        self.write("#!/bin/sh\nexit 3\n")
        guardians = Guardians(executable=self.executable)
        with capturedLogs() as logs:
            for _ in range(2):
                self.assertEqual(self.ended(guardians(self.bounds)).kind, PYTHON)
                self.write()
        [warning] = [event for event in logs if event["log_level"] is LogLevel.warn]
        said = formatEvent(warning)
        self.assertIn(self.executable, said)
        self.assertTrue(said.endswith(": it ended at once, with exit code 3"), said)

    def test_insisted(self) -> None:
        """
        Where the compiled one was chosen, there is no other.
        """
        self.write("#!/bin/sh\nexit 3\n")
        self.assertRaises(OSError, Guardians(COMPILED, executable=self.executable), self.bounds)
