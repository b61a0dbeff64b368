"""
L{smartmob.client.archive}.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smartmob.client.archive import pack
from smartmob.client.demo import HELLO


def entries(archive: bytes) -> dict[str, tarfile.TarInfo]:
    """
    What is in it, by name.
    """
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
        return {entry.name: entry for entry in opened}


class PackTests(SynchronousTestCase):
    """
    L{pack}.
    """

    def setUp(self) -> None:
        """
        An application of three files, one of them to be executed.
        """
        self.folder = Path(self.mktemp()) / "app"
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "Procfile").write_text("web: bin/web\n")
        (self.folder / "data").write_bytes(b"\0\1\2")
        (self.folder / "bin" / "web").write_text("#!/bin/sh\n")
        (self.folder / "bin" / "web").chmod(0o700)

    def test_oneTopFolder(self) -> None:
        """
        Everything lies below one folder, which has the name of the one packed.
        """
        self.assertEqual(
            sorted(entries(pack(self.folder))),
            ["app", "app/Procfile", "app/bin", "app/bin/web", "app/data"],
        )

    def test_sameBytes(self) -> None:
        """
        The same files give the same bytes, whoever owns them and whenever they
        were written.
        """
        before = pack(self.folder)
        os.utime(self.folder / "data", (1, 1))
        (self.folder / "Procfile").chmod(0o600)
        self.assertEqual(pack(self.folder), before)

    def test_otherBytes(self) -> None:
        """
        A change in a file is a change in the archive.
        """
        before = pack(self.folder)
        (self.folder / "data").write_bytes(b"\0\1\3")
        self.assertNotEqual(pack(self.folder), before)

    def test_executable(self) -> None:
        """
        Of a file's mode it is kept whether it can be executed.
        """
        packed = entries(pack(self.folder))
        self.assertEqual(packed["app/bin/web"].mode, 0o755)
        self.assertEqual(packed["app/data"].mode, 0o644)

    def test_leftOut(self) -> None:
        """
        What version control, virtual environments and Python leave in a folder is
        no part of the application.
        """
        for name in (".git", ".venv", "__pycache__", "bin/__pycache__"):
            (self.folder / name).mkdir()
            (self.folder / name / "file").write_text("")
        self.assertEqual(len(entries(pack(self.folder))), 5)

    def test_hello(self) -> None:
        """
        The bundled example is packed as files, not as a link to them.
        """
        packed = entries(pack(HELLO))
        self.assertTrue(packed["hello"].isdir())
        for name in ("Procfile", "web.py", "clock.py"):
            self.assertTrue(packed[f"hello/{name}"].isfile(), name)
