"""
How much is tried where whatever may come is tried: a few seconds' worth with all other
tests, and as much as is wanted alone.
"""

from __future__ import annotations

import os
from random import Random, SystemRandom

from hypothesis import HealthCheck, settings

FACTOR = max(1, int(os.environ.get("SMARTMOB_FUZZ", "1")))
"""So many times as much as usual."""

_SEED = os.environ.get("SMARTMOB_FUZZ_SEED")


def tries(number: int) -> settings:
    """
    How a property is tried, as a decorator of its test: always the same where the factor
    is 1, so that a suite that passed passes again, and each time something else where more
    is asked for; what fails is shown with all that it takes to try it again.

    @param number: Examples, where the factor is 1.
    """
    return settings(
        max_examples=number * FACTOR,
        derandomize=FACTOR == 1,
        print_blob=True,
        deadline=None,  # a loaded machine is no failure
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def seed() -> int:
    """
    Where chance begins in tests that need it for themselves: at the same place where the
    factor is 1, else anywhere, or at C{SMARTMOB_FUZZ_SEED}.  They show it when they fail.
    """
    if _SEED is not None:
        return int(_SEED)
    return 0 if FACTOR == 1 else SystemRandom().randrange(1 << 32)


def chance(seed: int) -> Random:
    """
    Numbers that look like chance, the same each time.
    """
    return Random(seed)
