"""
Processes: C{[process:NAME]} sections, and their environment in C{[env:NAME]}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import fields_dict, frozen

from smartmob import checks
from smartmob.checks import MOST_PROCESSES, Wrong
from smartmob.config import values
from smartmob.config.findings import Findings, hint, near
from smartmob.config.identity import Accounts, identity
from smartmob.config.ini import Section
from smartmob.config.keys import Keys
from smartmob.config.settings import LIMIT, LIMITS
from smartmob.config.values import boolean, numeric, wrong
from smartmob.documents import Definition, Output
from smartmob.events import DEFAULT_APP
from smartmob.templates import GRACE, STREAMS, Configured, Template

PREFIX = "process:"
"""What the name of such a section begins with."""

ENV_PREFIX = "env:"
"""What the name of the section with its environment begins with."""

_BY_NAME = ("app", "node", "process_type")

# What the texts of the members of a definition mean; what they may be is checked with
# the definition.
_MEMBERS: Mapping[str, Callable[[str], object]] = {
    "stop_signal": values.number,
    "graceful_timeout": values.number,
    "flapping": values.flapping,
    "redirect_input": boolean,
    "restart": str,
    "output": str,
    "umask": values.umask,
    "nice": values.number,
    "no_new_privileges": boolean,
    "labels": values.pairs,
}

KEYS = (
    "cmd",
    "args",
    "cwd",
    "uid",
    "gid",
    "detach",
    "shell",
    "os_env",
    "numprocesses",
    "start",
    "priority",
    "redirect_output",
    "env",
    *_MEMBERS,
    *(f"{LIMIT}{name}" for name in LIMITS),
)

_count = numeric(checks.integer(0, MOST_PROCESSES))
_priority = numeric(checks.integer(-(2**31), 2**31 - 1))


def named(text: str) -> tuple[str, str]:
    """
    The app and the process type that a section means: C{TYPE}, C{APP:TYPE} or C{APP.TYPE}.

    @raise Wrong: It can't be one.
    """
    app, separator, kind = text.partition(":" if ":" in text else ".")
    if not separator:
        app, kind = DEFAULT_APP, text
    for part, check, what in ((app, checks.app, "app"), (kind, checks.process_type, "name")):
        try:
            check(part)
        except Wrong as error:
            raise wrong(f"its {what} {error.errors[0][1]}") from None
    try:
        checks.node(f"{kind}.{MOST_PROCESSES - 1}")
    except Wrong:
        raise wrong("its name is too long: with a dot and a number 100 characters") from None
    return app, kind


def templates(
    processes: Mapping[str, Section],
    environments: Mapping[str, Section],
    accounts: Accounts,
    findings: Findings,
    most: int = MOST_PROCESSES,
) -> tuple[Template, ...]:
    """
    What the sections say, by priority.

    @param processes: C{[process:NAME]} sections, by NAME.
    @param environments: C{[env:NAME]} sections, by NAME.
    @param most: So many processes the agent takes.
    """
    envs = _known(environments, findings)
    found = _known(processes, findings)
    for name, section in envs.items():
        if name not in found:
            meant = near(".".join(name), [".".join(each) for each in found])
            why = f"there is no process of that name{hint(meant)}"
            findings.warnings.append(section.wrong(why))
    made = []
    number = 0
    for name, section in found.items():
        keys = Keys(section, findings)
        template = _Reader(keys, envs.get(name), findings).template(*name, accounts)
        if template is not None:
            made.append(template)
            before, number = number, number + template.numprocesses
            if before <= most < number:
                keys.wrong(
                    "numprocesses",
                    f"makes {number} processes in all, and the agent takes {most}",
                )
    return tuple(
        sorted(made, key=lambda one: (one.model.priority is None, one.model.priority or 0))
    )


def _known(
    sections: Mapping[str, Section], findings: Findings
) -> dict[tuple[str, str], Section]:
    known: dict[tuple[str, str], Section] = {}
    for text, section in sections.items():
        try:
            name = named(text)
        except Wrong as error:
            findings.mistakes.append(section.wrong(error.errors[0][1]))
            # What is in it is looked at all the same; no name has an empty app.
            name = ("", text)
        first = known.setdefault(name, section)
        if first is not section:
            findings.mistakes.append(
                section.wrong(f"means the same as [{first.name}], {first.file}:{first.line}")
            )
    return known


@frozen
class _Reader:
    """
    Reads one section.

    @ivar env: The section with its environment.
    """

    keys: Keys
    env: Section | None
    findings: Findings

    def template(self, app: str, kind: str, accounts: Accounts) -> Template | None:
        """
        What it says; C{None}: something is wrong.
        """
        keys = self.keys
        wrong_before = len(self.findings.mistakes)
        keys.warn_of_others((*KEYS, *_BY_NAME))
        for key in _BY_NAME:
            if keys.entry(key) is not None:
                keys.wrong(key, "is said by the name of the section, [process:APP:TYPE]")
        definition = self._definition(app or DEFAULT_APP, kind if app else "x")
        shell = keys.get("shell", boolean, False)
        detach = keys.get("detach", boolean, False)
        self._check_command(shell)
        who = identity(keys, accounts)
        streams = keys.get("redirect_output", values.streams, STREAMS)
        priority = keys.get("priority", _priority, None)
        os_env = keys.get("os_env", boolean, True)
        number = keys.get("numprocesses", _count, 1)
        start = keys.get("start", boolean, True)
        cwd = keys.path("cwd")
        command = keys.entry("cmd")
        if definition is not None and detach:
            self._check_detached(definition)
        if definition is None or command is None or len(self.findings.mistakes) > wrong_before:
            return None
        arguments = keys.entry("args")
        model = Configured(
            **{name: getattr(definition, name) for name in fields_dict(Definition)},
            cmd=command.value,
            args="" if arguments is None else arguments.value,
            cwd=cwd or command.path("."),
            identity=who,
            detach=detach,
            shell=shell,
            os_env=os_env,
            streams=streams,
            priority=priority,
        )
        return Template(model=model, numprocesses=number, start=start)

    def _definition(self, app: str, kind: str) -> Definition | None:
        keys = self.keys
        document: dict[str, object] = {
            "app": app,
            "process_type": kind,
            "node": f"{kind}.0",
            "graceful_timeout": GRACE,
        }
        for name, meant in _MEMBERS.items():
            value = keys.get(name, meant, None)
            if value is not None:
                document[name] = value
        document["env"] = self._environment()
        document["limits"] = {
            name: values.number(entry.value)
            for name in LIMITS
            if (entry := keys.entry(f"{LIMIT}{name}")) is not None
        }
        return keys.structured(document, Definition, _key_of)

    def _environment(self) -> Mapping[str, str]:
        said = self.keys.get("env", lambda text: checks.env(values.pairs(text)), {})
        if self.env is None:
            return said
        section = {name: entry.value for name, entry in self.env.entries.items()}
        try:
            return checks.env({**said, **section})
        except Wrong as error:
            self.findings.mistakes += [self.env.wrong(why) for _, why in error.errors]
            return {}

    def _check_command(self, shell: bool) -> None:
        keys = self.keys
        if keys.entry("cmd") is None:
            keys.wrong(None, "needs cmd, the program to run")
        if shell:  # what that makes of it, it says
            for key in ("cmd", "args"):
                keys.get(key, values.argument, None)
            return
        keys.get("cmd", values.command, None)
        keys.get("args", values.words, None)

    def _check_detached(self, definition: Definition) -> None:
        keys = self.keys
        if definition.redirect_input:
            keys.wrong("redirect_input", "can't be with detach: its input ends with the agent")
        if definition.output is Output.BLOCK:
            keys.wrong("output", "can't be block with detach: its output goes through a file")


def _key_of(member: str) -> tuple[str, str]:
    key, _, name = member.partition(".")
    if key == "limits":
        return f"{LIMIT}{name}", ""
    return key, name
