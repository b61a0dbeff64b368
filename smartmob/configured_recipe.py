"""
The recipe of a configured process: what its section says is all it takes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from attrs import define
from twisted.internet.defer import Deferred, succeed

from smartmob.documents import State
from smartmob.environment import of_user, own
from smartmob.launch.interfaces import Command, Detach
from smartmob.rlimits import group, rlimits
from smartmob.templates import Configured

_BARE = ("PATH", "HOME", "USER", "LOGNAME")
"""What a program gets of the agent's environment without C{os_env}."""

_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[^}]+)\})", re.ASCII
)


@define(eq=False, repr=False)
class ConfiguredRecipe:
    """
    The recipe of a configured process.

    @ivar inherited: The environment of the agent, as far as programs may see it.
    @ivar port: The port that was set aside for it.
    @ivar detached: The folder for what it takes to find it again, where it is detached.
    """

    definition: Configured
    inherited: Mapping[str, str]
    port: int
    detached: str = ""
    types: tuple[str, ...] | None = None
    release: str | None = None

    @property
    def streams(self) -> tuple[str | None, str | None]:
        """
        See L{Recipe<smartmob.recipe.Recipe>}.
        """
        return self.definition.streams

    def prepare(self, progress: Callable[[State], None]) -> Deferred[Command]:
        """
        See L{Recipe.prepare<smartmob.recipe.Recipe.prepare>}.
        """
        return succeed(self.command())

    def discard(self) -> Deferred[None]:
        """
        There are no files.
        """
        return succeed(None)

    def command(self) -> Command:
        """
        What to execute.
        """
        what = self.definition
        who = what.identity
        env = self._environment()
        return Command(
            argv=arguments(what, env),
            env=env,
            cwd=what.cwd,
            stop_signal=what.stop_signal,
            grace=what.graceful_timeout,
            umask=what.umask,
            nice=what.nice,
            no_new_privileges=what.no_new_privileges,
            rlimits=rlimits(what.limits),
            uid=None if who is None else who.uid,
            gid=None if who is None else who.gid,
            groups=() if who is None else who.groups,
            redirect_input=what.redirect_input,
            merge_output=what.streams[0] == what.streams[1],
            detach=self._detach() if what.detach else None,
            group=group(what.slug, what.limits),
        )

    def _detach(self) -> Detach:
        # With another environment of the agent, and another port, it is the same still.
        ambient = {"PORT", *self.inherited} - self.definition.env.keys()
        return Detach(
            name=self.definition.slug, folder=self.detached, ambient=frozenset(ambient)
        )

    def _environment(self) -> dict[str, str]:
        what = self.definition
        env = dict(self.inherited)
        if not what.os_env:
            env = {name: env[name] for name in _BARE if name in env}
        return {**of_user(env, what.identity), **own(what, self.port), **what.env}


def arguments(what: Configured, env: Mapping[str, str]) -> tuple[str, ...]:
    """
    The words to execute, in this environment.

    @raise ValueError: A quote is not closed.
    """
    if what.shell:
        return ("/bin/sh", "-c", f"{what.cmd} {what.args}" if what.args else what.cmd)
    words = [*shlex.split(what.cmd), *shlex.split(what.args)]
    return tuple(replaced(word, env) for word in words)


def replaced(word: str, env: Mapping[str, str]) -> str:
    """
    A word in which C{$NAME} and C{${NAME}} are values of variables, and C{$$} is a
    dollar sign.  What is not set stays as it is written.
    """

    def value(found: re.Match[str]) -> str:
        dollar, name, braced = found.groups()
        return "$" if dollar else env.get(name or braced, found[0])

    return _VARIABLE.sub(value, word)
