"""
How many instances of a process type there are, and how many there should be.

The instances of a type are the processes of an app whose node is C{TYPE.K}, with a
number K; others are neither counted nor touched, and only the difference is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice

from attrs import evolve, frozen

from smartmob.app import App
from smartmob.checks import APP
from smartmob.converter import InvalidDocument, shown
from smartmob.documents import CreateRequest, Definition
from smartmob.logical_lines import all_shown
from smartmob.process import Process

MOST = 99_999
"""Instances that may be asked for at once; the agent's own bound is another."""

MOST_TYPES = 1_000
"""Process types that may be asked for at once."""

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
    if len(value) > MOST_TYPES:
        raise InvalidDocument((("", f"must not have more than {MOST_TYPES} process types"),))
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


def numbered(node: str) -> tuple[str, int] | None:
    """
    The type that a node is an instance of, with its number; C{None} where it is none.
    """
    process_type, dot, number = node.rpartition(".")
    if not (dot and number.isascii() and number.isdigit()):
        return None
    return process_type, int(number)


def instance(node: str, process_type: str) -> int | None:
    """
    The number of an instance of a type, or C{None} where a node is none.
    """
    match numbered(node):
        case (kind, number) if kind == process_type:
            return number
    return None


def free(taken: Collection[int]) -> Iterator[int]:
    """
    The numbers that are not taken, from the lowest.
    """
    return (number for number in count() if number not in taken)


def surplus(present: Iterable[tuple[int, Process]], wanted: int) -> list[Process]:
    """
    Those that are too many, from the highest number.
    """
    highest_first = sorted(present, key=lambda pair: pair[0], reverse=True)
    return [process for _, process in highest_first[: max(0, len(highest_first) - wanted)]]


@frozen
class Change:
    """
    What has to be done for one type.

    @ivar wanted: How many there should be.
    @ivar model: What a new instance is like.
    @ivar more: So many are to be created, ...
    @ivar taken: ... with numbers other than these.
    @ivar surplus: Those to delete.
    """

    process_type: str
    wanted: int
    model: Definition
    more: int
    taken: Collection[int]
    surplus: Sequence[Process]

    def definitions(self) -> Iterable[Definition]:
        """
        For those that are to be created, with the lowest free numbers.
        """
        for number in islice(free(self.taken), self.more):
            yield evolve(self.model, node=f"{self.process_type}.{number}")


def changes(app: App, wanted: Mapping[str, Step]) -> list[Change]:
    """
    What has to be done so that there are as many instances as wanted.

    @raise InvalidDocument: A type is none of the app's.
    """
    named: dict[str, list[tuple[int, Process]]] = {}
    for process in app.processes.values():  # once, for however many types
        match numbered(process.definition.node):
            case kind, number:
                named.setdefault(kind, []).append((number, process))
    found: list[Change] = []
    errors: list[tuple[str, str]] = []
    for process_type, step in wanted.items():
        try:
            found.append(_change(app, process_type, step, named.get(process_type, [])))
        except UnknownType as unknown:
            errors.append((process_type, str(unknown)))
    if errors:
        raise InvalidDocument(tuple(errors))
    return found


def _change(
    app: App, process_type: str, step: Step, named: Sequence[tuple[int, Process]]
) -> Change:
    """
    @param named: The processes that are called as instances of the type are, with their
        numbers.
    """
    # What is being deleted has its name still, but is none of them any more.
    present = [(number, process) for number, process in named if not process.doomed]
    wanted = step.target(len(present))
    if present:
        model = present[-1][1].definition
    else:
        model = app.models.get(process_type) or _of_another_type(app, process_type)
    return Change(
        process_type=process_type,
        wanted=wanted,
        model=model,
        more=max(0, wanted - len(present)),
        taken={number for number, _ in named},
        surplus=surplus(present, wanted),
    )


def _of_another_type(app: App, process_type: str) -> CreateRequest:
    for process in reversed(app.processes.values()):
        if isinstance(process.definition, CreateRequest):
            break
    else:
        raise UnknownType(f"there is no such process type, only {all_shown(app.models)}")
    known = process.recipe.types
    if known is not None and process_type not in known:
        raise UnknownType(f"the Procfile has no such process type; it has {all_shown(known)}")
    return evolve(process.definition, process_type=process_type)


class UnknownType(Exception):
    """
    There is no such process type; the message says which there are.
    """
