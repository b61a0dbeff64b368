"""
The templates there are: those of the configuration file, and what clients have made of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

from smartmob.agent import Agent
from smartmob.configured import Changes, Plan
from smartmob.refusals import SlugInUse, TooManyProcesses, UnknownProcess
from smartmob.templates import Template


@frozen
class _Wish:
    """
    What a client wants of a name.

    @ivar instead_of: The file's own template of that name; C{None}: it has none.  As
        soon as the file says something else, that counts.
    @ivar wanted: C{None}: no template.
    """

    instead_of: Template | None
    wanted: Template | None


@frozen(eq=False, repr=False)
class Intent:
    """
    What is to be done.
    """

    plan: Plan
    file: Mapping[str, Template]
    wishes: Mapping[str, _Wish]


@define(eq=False, repr=False)
class Declarations:
    """
    The templates of an agent.

    What clients add, change and remove is known until the agent ends; and until the file
    says something else of the same name.
    """

    agent: Agent
    _file: Mapping[str, Template] = field(factory=dict)
    _wishes: Mapping[str, _Wish] = field(factory=dict)

    def plan(self, templates: Sequence[Template], most: int | None = None) -> Intent:
        """
        What has to be done to take over the sections of the file.

        @param most: How many processes the agent is to take then; C{None}: as many as now.
        @raise Refusal: As for L{Configuring.plan<smartmob.configuring.Configuring.plan>}.
        """
        file = {template.name: template for template in templates}
        wishes = {
            name: wish
            for name, wish in self._wishes.items()
            if file.get(name) == wish.instead_of
        }
        return self._intent(file, wishes, most)

    def carry_out(self, intent: Intent) -> Changes:
        """
        Do what was planned, in the same turn.
        """
        self._file, self._wishes = intent.file, intent.wishes
        return self.agent.configuring.carry_out(intent.plan)

    def all(self) -> list[Template]:
        """
        Those of the file as in the file, then those that were added.
        """
        return _effective(self._file, self._wishes)

    def add(self, template: Template) -> Changes:
        """
        One more.

        @raise Refusal: L{SlugInUse}, L{TooManyProcesses}, or as for L{plan}.
        """
        if self._has(template.name):
            raise SlugInUse(f"there is a template {template.name}")
        most = self.agent.most_processes
        if len(self.all()) >= most:  # a template need not have any process
            raise TooManyProcesses(f"the agent takes {most} templates, and has as many")
        return self._wish(template.name, template)

    def change(self, template: Template) -> Changes:
        """
        Another in place of the one of the same name.

        @raise Refusal: L{UnknownProcess}, or as for L{plan}.
        """
        if not self._has(template.name):
            raise UnknownProcess(f"there is no template {template.name}")
        return self._wish(template.name, template)

    def remove(self, name: str) -> Changes:
        """
        One less, and with it its processes.

        @param name: As L{Template.name}.
        @raise UnknownProcess: There is none.
        """
        if not self._has(name):
            raise UnknownProcess(f"there is no template {name}")
        return self._wish(name, None)

    def _has(self, name: str) -> bool:
        return any(template.name == name for template in self.all())

    def _wish(self, name: str, wanted: Template | None) -> Changes:
        wishes = {**self._wishes, name: _Wish(self._file.get(name), wanted)}
        if wishes[name].instead_of == wanted:
            del wishes[name]
        return self.carry_out(self._intent(self._file, wishes))

    def _intent(
        self,
        file: Mapping[str, Template],
        wishes: Mapping[str, _Wish],
        most: int | None = None,
    ) -> Intent:
        return Intent(self.agent.configuring.plan(_effective(file, wishes), most), file, wishes)


def _effective(file: Mapping[str, Template], wishes: Mapping[str, _Wish]) -> list[Template]:
    named: dict[str, Template | None] = dict(file)
    named.update((name, wish.wanted) for name, wish in wishes.items())
    return [template for template in named.values() if template is not None]
