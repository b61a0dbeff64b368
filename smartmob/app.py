"""
The processes of one app, and what is remembered of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from smartmob.documents import Definition
from smartmob.process import Process

REMEMBERED = 64
"""Process types of an app of which the last is remembered: the latest ones."""


@define(eq=False, repr=False)
class App:
    """
    An app, from its first process to its last.

    @ivar processes: By slug, oldest first.
    @ivar models: What the last process of each type was like, so that scaling to 0 can
        be undone.
    """

    processes: dict[str, Process] = field(factory=dict)
    models: dict[str, Definition] = field(factory=dict)

    def with_models(self, models: Mapping[str, Definition]) -> App:
        """
        The same processes, and what types are like of which there was none so far.
        """
        return App(self.processes, {**models, **self.models})

    def add(self, process: Process) -> None:
        """
        A process was created.
        """
        model = process.definition
        self.processes[model.slug] = process
        self.models.pop(model.process_type, None)
        self.models[model.process_type] = model
        if len(self.models) > REMEMBERED:
            del self.models[next(iter(self.models))]
