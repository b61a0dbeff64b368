"""
How many instances of a process type there are, and how many there should be.

The instances of a type are the processes of an app whose node is C{TYPE.K}, with a
number K; others are neither counted nor touched, and only the difference is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count, islice

from attrs import evolve, frozen
from twisted.internet.defer import Deferred

from smartmob.checks import APP
from smartmob.converter import InvalidDocument, shown
from smartmob.documents import CreateRequest
from smartmob.process import Process
from smartmob.refusals import Refusal
from smartmob.waiting import all_of

MOST = 99_999
"""Instances that may be asked for at once; the agent's own bound is another."""

_STEP = re.compile(r"[+-][0-9]{1,5}")


@frozen
class Step:
    """
    What is asked for a type: C{number} instances, or so many more or less.
    """

    number: int
    relative: bool = False

    def target(self, present: int) -> int:
        """
        How many there should be, where there are C{present}; never below 0.
        """
        return max(0, present + self.number if self.relative else self.number)


def steps(value: object) -> Mapping[str, Step]:
    """
    Check the document of a scale request: C{{"web": 3, "worker": "+1"}}.

    @raise InvalidDocument: With all that is wrong.
    """
    if not isinstance(value, Mapping):
        raise InvalidDocument((("", "must be an object"),))
    found: dict[str, Step] = {}
    errors: list[tuple[str, str]] = []
    for name, wanted in value.items():
        if re.fullmatch(APP, name) is None:
            errors.append((name, "is no name of a process type"))
        elif isinstance(wanted, str) and _STEP.fullmatch(wanted):
            found[name] = Step(int(wanted), relative=True)
        elif isinstance(wanted, int) and not isinstance(wanted, bool) and 0 <= wanted <= MOST:
            found[name] = Step(wanted)
        else:
            errors.append((name, f'must be a number from 0 to {MOST}, "+N" or "-N"'))
    if errors:
        raise InvalidDocument(tuple((shown(name), message) for name, message in errors))
    return found


def instance(node: str, process_type: str) -> int | None:
    """
    The number of an instance of a type, or C{None} where a node is none.
    """
    match = re.fullmatch(rf"{re.escape(process_type)}\.([0-9]+)", node)
    return None if match is None else int(match[1])


def scale(
    processes: Sequence[Process],
    wanted: Mapping[str, Step],
    remembered: Mapping[str, CreateRequest],
    create: Callable[[Sequence[CreateRequest]], None],
    updated: Callable[[CreateRequest], None],
) -> Deferred[None]:
    """
    Have as many instances as is wanted.  Everything is checked before anything changes.

    @param processes: Those of the app, oldest first; at least one.
    @param remembered: The last request of each type of the app.
    @param create: Takes on processes for requests: all of them or, raising, none.
    @param updated: Told, for each type whose number changes, the request of an
        instance.
    @return: Fires when those that are too many are gone; fails with L{TreeLeft}
        where something of them can't be ended.
    @raise InvalidDocument: A type is none of the app's.
    @raise Refusal: From C{create}.
    """
    new: list[CreateRequest] = []
    surplus: list[Process] = []
    errors: list[tuple[str, str]] = []
    for process_type, step in wanted.items():
        try:
            more, less = _difference(processes, process_type, step, remembered)
        except Refusal as refusal:
            errors.append((process_type, str(refusal)))
        else:
            new += more
            surplus += less
    if errors:
        raise InvalidDocument(tuple(errors))
    create(new)
    for one in _one_of_each_type([*new, *(process.request for process in surplus)]):
        updated(one)
    return all_of(process.delete() for process in surplus)


def _difference(
    processes: Sequence[Process],
    process_type: str,
    step: Step,
    remembered: Mapping[str, CreateRequest],
) -> tuple[list[CreateRequest], list[Process]]:
    numbered = [
        (number, process)
        for process in processes
        if (number := instance(process.request.node, process_type)) is not None
    ]
    # What is being deleted has its name still, but is none of them any more.
    present = [(number, process) for number, process in numbered if not process.doomed]
    target = step.target(len(present))
    if target <= len(present):
        highest_first = sorted(present, key=lambda pair: pair[0], reverse=True)
        return [], [process for _, process in highest_first[: len(present) - target]]
    newest = [process.request for _, process in present]
    model = newest[-1] if newest else remembered.get(process_type)
    if model is None:
        model = _of_another_type(processes[-1], process_type)
    taken = {number for number, _ in numbered}
    numbers = _lowest_free(taken, target - len(present))
    return [evolve(model, node=f"{process_type}.{number}") for number in numbers], []


def _one_of_each_type(requests: Iterable[CreateRequest]) -> Iterable[CreateRequest]:
    return {request.process_type: request for request in requests}.values()


def _of_another_type(process: Process, process_type: str) -> CreateRequest:
    known = process.recipe.types
    if known is not None and process_type not in known:
        raise UnknownType(f"the Procfile has no such process type; it has {', '.join(known)}")
    return evolve(process.request, process_type=process_type)


def _lowest_free(taken: set[int], number: int) -> Iterable[int]:
    return islice((free for free in count() if free not in taken), number)


class UnknownType(Refusal):
    """The Procfile has no such process type."""

    code = "invalid-document"
