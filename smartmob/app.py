"""
The processes of one app, and what is remembered of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import define, field

from smartmob.documents import CreateRequest, Definition
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
    @ivar absent: Those of types of which there is none now.
    """

    processes: dict[str, Process] = field(factory=dict)
    models: dict[str, Definition] = field(factory=dict)
    absent: dict[str, CreateRequest] = field(factory=dict)
    _present: Counter[str] = field(factory=Counter)

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
        if model.slug not in self.processes:
            self._present[model.process_type] += 1
            self.absent.pop(model.process_type, None)
        self.processes[model.slug] = process
        self.models.pop(model.process_type, None)
        self.models[model.process_type] = model
        if len(self.models) > REMEMBERED:
            oldest = next(iter(self.models))
            del self.models[oldest]
            self.absent.pop(oldest, None)

    def remove(self, process: Process) -> bool:
        """
        A process is gone.

        @return: It was the last one of its type, and somebody may want such again.
        """
        model = process.definition
        kind = model.process_type
        del self.processes[model.slug]
        self._present[kind] -= 1
        if self._present[kind]:
            return False
        del self._present[kind]  # clients name types, and there may be any number in time
        if not isinstance(model, CreateRequest):
            return False
        if kind in self.models:
            self.absent[kind] = model
        return kind in self.models

    def remember(self, model: CreateRequest) -> None:
        """
        So was the last process of a type, under an earlier agent.
        """
        kind = model.process_type
        if kind not in self.models and len(self.models) < REMEMBERED:
            self.models = {kind: model, **self.models}
            self.absent[kind] = model
