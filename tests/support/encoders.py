"""
Lines with the compiled library and without it, for tests that have to pass with both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smartmob.lines import encoder, encodings, splitter

BOTH = settings(suppress_health_check=[HealthCheck.differing_executors])
"""For a test that is inherited: examples that fail with one of them are tried with both."""


def require_library() -> encoder.Library:
    """
    The library of this checkout.

    @raise SkipTest: There is none.
    """
    try:
        return encoder.Library(encoder.LIBRARY)
    except encoder.WRONG as error:
        raise SkipTest(f"no compiler, no compiled encoder of frames: {error}") from None


def use(case: SynchronousTestCase, library: encoder.Library | None) -> None:
    """
    Have this library do all that it can in a test, however little that is.

    @param library: None: have Python do it.
    """
    for module in (splitter, encodings):
        case.patch(module, "loaded", lambda: library)
    case.patch(splitter, "MUCH", 0)
    case.patch(encodings, "MANY", 0)


if TYPE_CHECKING:
    _Case = SynchronousTestCase
else:
    _Case = object  # else trial would run the mixins by themselves


class InPython(_Case):
    """
    In front of a case: without the library.
    """

    def setUp(self) -> None:
        """
        Do without it.
        """
        super().setUp()
        use(self, None)


class WithLibrary(_Case):
    """
    In front of a case: the same with the library.
    """

    def setUp(self) -> None:
        """
        Use it.
        """
        super().setUp()
        use(self, require_library())
