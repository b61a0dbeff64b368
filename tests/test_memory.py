"""
Memory that is not needed any more.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smartmob.memory import give_back


def resident() -> int:
    """
    Bytes (proc(5)).
    """
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in status if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


class MemoryTests(SynchronousTestCase):
    """
    Tests of L{give_back}.
    """

    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        skip = "the C library is not glibc"

    def test_between(self) -> None:
        """What is unused is given back, also where something behind it is used."""
        size = 1 << 14  # of the C library's, and none that has pages of its own
        many = [b"x" * size for _ in range(4000)]
        kept = many[::100]
        before = resident()
        del many
        give_back()
        self.assertLess(resident(), before - 3000 * size // 2)
        self.assertEqual(len(kept), 40)
