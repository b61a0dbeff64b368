"""
Tests of L{smartmob.main}, as real processes.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

LIMIT = 60.0
"""Seconds after which a test has failed."""


class StartTests(SynchronousTestCase):
    """
    Starts that fail say why in one line; those that do not can be ended.
    """

    def setUp(self) -> None:
        """
        A folder of its own.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def _start(
        self, *options: str, before: str = "", bind: tuple[str, ...] = ("127.0.0.1:0",)
    ) -> tuple[int, str]:
        program = f"{before}\nimport sys; from smartmob.main import main; sys.exit(main())"
        done = subprocess.run(
            (sys.executable, "-c", program, *options, *(f"--bind={each}" for each in bind)),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return done.returncode, done.stderr

    def test_folder(self) -> None:
        """A state folder that can't be one is named, with the reason."""
        (self.folder / "file").write_text("")
        for below in ("file", "file/below"):
            code, said = self._start("--state-dir", below)
            self.assertEqual(code, 1, said)
            [line] = said.splitlines()
            self.assertIn(str(self.folder / below), line)
            self.assertNotIn("Errno", line)

    def test_port(self) -> None:
        """A port that is taken is named once, with the reason."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            code, said = self._start("--bind", address)
        self.assertEqual(
            (code, said), (1, f"smartmob: can't listen on {address}: Address already in use\n")
        )

    def test_portOfFile(self) -> None:
        """So it is where a file asks for it, and the place in the file is, too."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            file = self.folder / "agent.ini"
            file.write_text(f"[smartmob]\nhttp_endpoints = a\n[endpoint:a]\nbind = {address}\n")
            code, said = self._start(str(file), bind=())
        why = f"can't listen on {address}: Address already in use"
        self.assertEqual((code, said), (1, f"smartmob: {file}:4: [endpoint:a] bind: {why}\n"))

    def test_blocked(self) -> None:
        """SIGTERM ends an agent also where whoever started it had blocked all signals."""
        before = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))"
        code, said = self._start("--daemon", "--pidfile", "agent.pid", before=before)
        self.assertEqual((code, said), (0, ""))
        pid = int((self.folder / "agent.pid").read_text())
        pidfd = os.pidfd_open(pid)
        self.addCleanup(os.close, pidfd)
        os.kill(pid, signal.SIGTERM)
        ended, _, _ = select.select([pidfd], [], [], LIMIT)
        if not ended:
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(ended, "it goes on")
