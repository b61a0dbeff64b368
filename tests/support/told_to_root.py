"""
What an agent of root says at each start.
"""

from __future__ import annotations

import os
import re

_LOCAL_USERS = re.compile(rb"^\S+ warn: every local user can act as .*\n", re.MULTILINE)


def beside_local_users(said: bytes) -> bytes:
    """
    What was said beside the warning that every local user can act as root, which root
    has to get.
    """
    rest, number = _LOCAL_USERS.subn(b"", said)
    assert number == (os.geteuid() == 0), said
    return rest
