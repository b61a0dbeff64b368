"""
How errors are told to gafferd's clients: C{{"error": REASON, "errno": STATUS}}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from attrs import frozen

from smartmob.web.problems import Problem, Rendered, as_problem

REASONS: Mapping[str, str] = {
    "bad-json": "invalid_json",
    "bad-query": "bad_value",
    "invalid-document": "invalid_process_info",
    "no-input": "forbidden_write",
    "not-found": "resource_not_found",
    "not-running": "not_found",
    "slug-in-use": "conflict",
    "unknown-app": "not_found",
    "unknown-process": "not_found",
}
"""What gafferd calls the errors of the catalogue; others go by their own names."""

STATUSES: Mapping[str, int] = {
    "no-input": 403,
    "not-running": 404,
}
"""Where gafferd answers with another status."""


@frozen(eq=False, repr=False)
class Reasoned(Problem):
    """
    An error that gafferd has a name of its own for.
    """

    reason: str = ""


def bad_value(detail: str) -> Reasoned:
    """
    A part of a path, or a parameter, that can't be used.
    """
    return Reasoned("bad-query", detail, reason="bad_value")


def as_gafferd(path: bytes, problem: Problem) -> Rendered:
    """
    The document that gafferd's clients expect, whatever the path; C{reason} is for the
    person.
    """
    known = REASONS.get(problem.code, problem.code.replace("-", "_"))
    reason = problem.reason if isinstance(problem, Reasoned) else known
    status = STATUSES.get(problem.code, problem.status)
    detail = problem.detail
    if problem.code == "invalid-document" and problem.errors:  # others say it all
        detail = "; ".join(f"{each.field} {each.message}".strip() for each in problem.errors)
    document = {"error": reason, "errno": status, "reason": detail}
    return Rendered(status, b"application/json", json.dumps(document).encode() + b"\n")


PLACES = frozenset(
    [b"processes", b"status", b"stats", b"groups", b"streams", b"wstreams", b"watch"]
)
"""How paths begin that only gafferd has."""


def by_path(path: bytes, problem: Problem) -> Rendered:
    """
    Each interface's own, where an endpoint offers both.
    """
    first = path.removeprefix(b"/").partition(b"/")[0]
    return (as_gafferd if first in PLACES else as_problem)(path, problem)
