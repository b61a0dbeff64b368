"""
Both guardians, for tests that have to pass with each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.launch.helper import (
    COMPILED,
    EXECUTABLE,
    PYTHON,
    Helper,
    start_compiled,
    start_python,
)

STARTERS: Mapping[str, Callable[[tuple[int, int]], Helper]] = {
    COMPILED: start_compiled,
    PYTHON: start_python,
}
"""
How one of a kind is started.
"""


def require_compiled() -> None:
    """
    @raise SkipTest: There is no compiled guardian.
    """
    if not os.path.exists(EXECUTABLE):
        raise SkipTest(f"no compiler, no compiled guardian: there is no {EXECUTABLE}")


if TYPE_CHECKING:
    _Case = SynchronousTestCase
else:
    _Case = object  # else trial would run the mixin by itself


class WithCompiled(_Case):
    """
    In front of a case: the same with the compiled guardian.
    """

    guardian = COMPILED

    def setUp(self) -> None:
        """
        Make sure that there is one.
        """
        require_compiled()
        super().setUp()
