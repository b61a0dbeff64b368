"""
How much is tried where whatever may come is tried: a few seconds' worth with all other
tests, and as much as is wanted alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from random import SystemRandom
from types import FrameType
from typing import Any

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


def doublings(call: Callable[[int], object], size: int) -> None:
    """
    See that something twice as large takes twice as many steps, not four times: counted,
    since seconds say more about the machine.

    What the interpreter does in one step, such as copying a text, can't be counted; for
    that there is L{linear}.

    @param call: Does it with something of a size.
    """
    least = steps(call, size)
    most = steps(call, 2 * size)
    assert most <= 3 * least + 100, f"{least} steps for {size}, {most} for twice as much"


def steps(call: Callable[[int], object], size: int) -> int:
    """
    How many lines of Python are executed.
    """
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call(size)
    finally:
        sys.settrace(before)
    return count


def linear(call: Callable[[], object], seconds: float) -> None:
    """
    See that something takes less than so many seconds of a processor: ten times of what it
    should take, and a tenth of what it would if it took four times as long for twice as
    much.
    """
    before = time.process_time()
    call()
    taken = time.process_time() - before
    assert taken < seconds, f"{taken:.1f} s"
