"""
Processes that come from the configuration file, as values.
"""

from __future__ import annotations

from attrs import evolve, field, frozen

from smartmob.documents import Definition, Restart

STREAMS = ("stdout", "stderr")
"""What the descriptors 1 and 2 are called, unless somebody says otherwise."""

GRACE = 30.0
"""Seconds that a program has to end, unless somebody says otherwise."""


@frozen(kw_only=True)
class Identity:
    """
    The user that a program runs as.

    @ivar groups: All its supplementary groups.
    @ivar name: Its login name; C{None} where it has none.
    @ivar home: Its home folder; C{None} where that is not known.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    name: str | None = None
    home: str | None = None


@frozen(kw_only=True)
class Configured(Definition):
    """
    One process of a C{[process:NAME]} section.

    @ivar cmd: As it was written.
    @ivar args: As they were written; empty where there are none.
    @ivar cwd: An absolute path.
    @ivar identity: C{None}: as the agent.
    @ivar detach: It outlives the agent.
    @ivar shell: C{cmd} and C{args} are for C{/bin/sh -c}, whole.
    @ivar os_env: It sees the environment of the agent.
    @ivar streams: What the descriptors 1 and 2 are called: C{None} throws the second
        away, and the same name twice makes them one.
    @ivar priority: Lower ones come first, those without one last.
    """

    cmd: str = field(repr=False)
    args: str = field(default="", repr=False)
    cwd: str
    identity: Identity | None = None
    detach: bool = False
    shell: bool = False
    os_env: bool = True
    streams: tuple[str, str | None] = STREAMS
    priority: int | None = None
    graceful_timeout: float = GRACE

    @property
    def restart_rule(self) -> Restart:
        """
        What outlives the agent is not started again by it: nobody would while there is
        none.
        """
        return Restart.NEVER if self.detach else self.restart


@frozen(kw_only=True)
class Template:
    """
    A C{[process:NAME]} section.

    @ivar model: Its first instance; the others differ in their node.
    @ivar numprocesses: How many instances there are at first.
    @ivar start: Whether they are started with the agent.
    """

    model: Configured
    numprocesses: int = 1
    start: bool = True

    @property
    def name(self) -> str:
        """
        C{APP.TYPE}: by this it is known again after a reload.
        """
        return f"{self.model.app}.{self.model.process_type}"

    def instance(self, number: int) -> Configured:
        """
        One of its processes.
        """
        return evolve(self.model, node=f"{self.model.process_type}.{number}")
