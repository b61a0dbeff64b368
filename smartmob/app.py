"""
The processes of one app, and what is remembered of them.
"""

from __future__ import annotations

from attrs import define, field

from smartmob.documents import CreateRequest
from smartmob.process import Process

REMEMBERED = 64
"""Process types of an app whose last request is remembered: the latest ones."""


@define(eq=False)
class App:
    """
    An app, from its first process to its last.

    @ivar processes: By slug, oldest first.
    @ivar requests: The last request of each process type, so that scaling to 0 can
        be undone.
    """

    processes: dict[str, Process] = field(factory=dict)
    requests: dict[str, CreateRequest] = field(factory=dict)

    def add(self, process: Process) -> None:
        """
        A process was created.
        """
        request = process.request
        self.processes[request.slug] = process
        self.requests.pop(request.process_type, None)
        self.requests[request.process_type] = request
        if len(self.requests) > REMEMBERED:
            del self.requests[next(iter(self.requests))]
