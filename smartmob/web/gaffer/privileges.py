"""
What of a template only an admin may ask for.

A template has any command, in any folder.  So has a created process, whose archive says what
it runs, and that runs as the agent as well: to define a template is no more than to create
one.  But what an operator has said of created processes, to bound them, holds for no template;
and a template may ask for more than these can: another user, or to outlive the agent.
"""

from __future__ import annotations

from collections.abc import Iterator

from smartmob.agent import Agent
from smartmob.documents import Limits
from smartmob.privileges import privileges
from smartmob.rlimits import inherited, limited
from smartmob.templates import Configured


def privileges_of(model: Configured, agent: Agent) -> Iterator[tuple[str, str]]:
    """
    The members that go beyond what everybody gets, each with a sentence.
    """
    bounds = {
        "uid": agent.identity is not None,
        "limits": agent.limits != Limits(),
        "allowed_sources": agent.sources.rules.places is not None,
    }
    said = [name for name, is_said in bounds.items() if is_said]
    if said:
        yield "cmd", f"must come from an archive: templates don't keep to {' and '.join(said)}"
    if model.identity is not None:
        yield "uid", "must be the agent's own, and gid too"
    if model.detach:
        yield "detach", "must be false"
    yield from privileges(model, limited(agent.limits, inherited()))
