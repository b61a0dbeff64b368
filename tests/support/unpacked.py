"""
Archives that are unpacked within the process of a test.
"""

from __future__ import annotations

import errno
import io
import json
import os
from contextlib import redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from smartmob.source.removal import remove_tree
from smartmob.source.unpack import program


class UnpackingCase(SynchronousTestCase):
    """
    Unpacks, and sees that nothing is where it does not belong.

    @cvar most_bytes: How many an archive may have.
    @cvar most_entries: How many entries.
    """

    most_bytes = 10_000_000
    most_entries = 500

    def unpack(self, data: bytes) -> tuple[str | None, str]:
        """
        Unpack an archive.

        @return: Why it was refused, if it was; the folder, if it was not.
        """
        base = os.path.abspath(self.mktemp())
        os.makedirs(base)
        self.addCleanup(remove_tree, base)
        archive, folder = os.path.join(base, "archive"), os.path.join(base, "in", "X")
        with open(archive, "wb") as written:
            written.write(data)
        limits = (str(self.most_bytes), str(self.most_entries), "0", "0")
        with redirect_stdout(io.StringIO()) as said:
            code = program.main([archive, folder, *limits], lambda root, beside: None)
        why: str | None = json.loads(said.getvalue()).get("error")
        self.assertEqual(why is None, code == 0)
        self.assertTrue(why is None or why.isprintable(), why)
        self.assertEqual(sorted(os.listdir(base)), ["archive", "in"])
        self.assertEqual(os.listdir(f"{base}/in"), ["X.tmp" if code else "X"])
        self.assertFalse(os.path.lexists("/ESC"))
        self._check_inside(f"{base}/in/X.tmp" if code else folder)
        return why, folder

    def _check_inside(self, folder: str) -> None:
        """
        Nothing in a folder leads out of it.
        """
        root = os.path.realpath(folder)
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                real = _leads_to(os.path.join(parent, name))
                if real is not None:
                    self.assertEqual(os.path.commonpath((root, real)), root)


def _leads_to(path: str) -> str | None:
    """
    Where a path leads, also if nothing is there; C{None}: to itself, so nowhere.  Of
    such a link C{realpath} alone would make one out of the folder.
    """
    try:
        return os.path.realpath(path, strict=True)
    except OSError as error:
        return None if error.errno == errno.ELOOP else os.path.realpath(path)
