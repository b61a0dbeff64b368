"""
The Procfile: which command each type of process of an app runs.

Source: Smartmob RFC 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import field, frozen

from smartmob.logical_lines import LineError, logical_lines, shown
from smartmob.shell_words import NotClosed, plain_words, take_word

__all__ = ["ProcessType", "ProcfileError", "parse", "plain_words"]

_TYPE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,99}):[ \t]*(.*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=")
_ENV = re.compile(r"env[ \t]+")
_SPACE = re.compile(r"[ \t]*")
# Behind env's assignments, a word that env can only take for a program.
_PROGRAM = re.compile(r"[A-Za-z0-9_./+@%:,][A-Za-z0-9_./+@%:,-]*(?![^ \t;&|<>()])")


class ProcfileError(LineError):
    """
    A line of a Procfile that is no C{TYPE: COMMAND}, or declares a type again.
    """


@frozen
class ProcessType:
    """
    What a type of process runs.

    @ivar command: For C{/bin/sh -c}, its leading assignments taken off.
    @ivar env: Those assignments.
    """

    command: str
    env: Mapping[str, str] = field(factory=dict, repr=False)


def parse(data: bytes) -> dict[str, ProcessType]:
    """
    The types that a Procfile declares, in its order.

    @raise ProcfileError: For anything but C{TYPE: COMMAND}, a type declared twice,
        and a file that is not UTF-8 without a byte order mark.
    """
    types: dict[str, ProcessType] = {}
    try:
        for number, text in logical_lines(data):
            match = _TYPE.fullmatch(text)
            if match is None:
                raise ProcfileError(number, "is not TYPE: COMMAND")
            name, command = match.groups()
            if name in types:
                raise ProcfileError(number, f"type {name} is declared a second time")
            if not command.strip():
                raise ProcfileError(number, f"type {name} has no command")
            types[name] = _process_type(number, name, command)
    except ProcfileError:
        raise
    except LineError as error:
        raise ProcfileError(error.line, error.why) from None
    return types


def _process_type(number: int, name: str, text: str) -> ProcessType:
    """
    A command, parted from the assignments before it.

    What a shell would not take for assignments before a command stays with the
    text, for the shell: C{A=1; B=2 run}, C{env -u A run}, C{A=1 && run}.
    """
    behind_env = _ENV.match(text)
    at = behind_env.end() if behind_env else 0
    env: dict[str, str] = {}
    while match := _ASSIGNMENT.match(text, at):
        variable = match[1]
        try:
            value, at = take_word(text, match.end())
        except NotClosed as error:
            why = f"type {name}, variable {shown(variable)}: {error}"
            raise ProcfileError(number, why) from None
        if variable in env:
            raise ProcfileError(number, f"type {name} sets {shown(variable)} a second time")
        env[variable] = value
        space = _SPACE.match(text, at)
        assert space is not None
        if space.end() == at and at < len(text):
            # An operator ended the word: for a shell the command ends here.
            return ProcessType(text)
        at = space.end()
    command = text[at:]
    if behind_env:
        return (
            ProcessType(command, env) if _PROGRAM.match(command) and env else ProcessType(text)
        )
    if not env:
        return ProcessType(text)
    if not command:
        raise ProcfileError(number, f"type {name} has variables, but no command")
    if command[0] in ";&|)#":
        return ProcessType(text)
    return ProcessType(command, env)
