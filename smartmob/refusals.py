"""
What the agent answers when it will not, or can not, do what was asked.

Each class is one code of the error catalogue.  The domain raises them; the
REST interface gives them a status and renders them (L{smartmob.web.problems}).
The message is for the person who asked.
"""

from __future__ import annotations

from typing import ClassVar


class Refusal(Exception):
    """
    A request that is answered with an error, and changes nothing.

    @cvar code: The name of the error in the catalogue.
    """

    code: ClassVar[str]


class UnknownProcess(Refusal):
    """There is no process of that slug."""

    code = "unknown-process"

    @classmethod
    def of(cls, slug: str) -> UnknownProcess:
        """
        Its name is said.
        """
        return cls(f"there is no process {slug!r}")


class UnknownApp(Refusal):
    """There is no process of that app."""

    code = "unknown-app"

    @classmethod
    def of(cls, app: str) -> UnknownApp:
        """
        Its name is said.
        """
        return cls(f"there is no process of app {app!r}")


class SourceNotAllowed(Refusal):
    """Sources may not come from there."""

    code = "source-not-allowed"


class SlugInUse(Refusal):
    """A process of that slug exists, or its delete has not answered yet."""

    code = "slug-in-use"


class NotRunning(Refusal):
    """The verb needs a running program."""

    code = "not-running"


class NoInput(Refusal):
    """The program was created without C{redirect_input}."""

    code = "no-input"


class StdinFull(Refusal):
    """The program does not read, and its bound of waiting input is reached."""

    code = "stdin-full"


class NoPort(Refusal):
    """Every port of C{port_range} is taken."""

    code = "no-port"


class OutOfDescriptors(Refusal):
    """Another process would need more descriptors than the agent may open."""

    code = "out-of-descriptors"


class TooManyProcesses(Refusal):
    """The configured number of processes is reached."""

    code = "too-many-processes"


class StateNotWritten(Refusal):
    """What was sent can't be kept: the disk, or the agent's share of it, is full."""

    code = "state-not-written"


class TreeLeft(Refusal):
    """Something of the program is left that the agent has no right to end."""

    code = "tree-left"


class Stopping(Refusal):
    """The agent is about to end, and takes no new work."""

    code = "stopping"
