"""
The values that come in and go out: frozen, checked once, at the border.

What stands in an C{Annotated} beside a type is the check that a value from
outside has to pass (L{smartmob.converter}); values made inside are taken as
they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from attrs import field, frozen

from smartmob import checks


class State(StrEnum):
    """
    Where a process stands, as its document says it.
    """

    PENDING = "pending"
    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Restart(StrEnum):
    """
    When a program that ended by itself is started again.
    """

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class Output(StrEnum):
    """
    What happens to lines for which the slowest reader has no room.
    """

    DROP = "drop"
    BLOCK = "block"


@frozen(kw_only=True)
class Flapping:
    """
    When restarts pause, and when they end.

    @ivar attempts: This many unplanned ends ...
    @ivar window: ... within so many seconds, first to last, are flapping.
    @ivar retry_in: The pause, in seconds.
    @ivar max_retry: So many pauses, then the process is failed; -1: no bound.
    """

    attempts: Annotated[int, checks.integer(1, 1000)]
    window: Annotated[float, checks.seconds(checks.A_YEAR, zero=False)]
    retry_in: Annotated[float, checks.seconds(checks.A_YEAR)]
    max_retry: Annotated[int, checks.integer(-1)]


Limit = Annotated[int, checks.limit]


@frozen(kw_only=True)
class Limits:
    """
    Bounds on a program, each as setrlimit(2) has it.  C{None} is: as the agent's.

    @ivar cpu_percent: 100 is one processor; only where a program has a cgroup.
    """

    memory_bytes: Limit | None = None
    processes: Limit | None = None
    open_files: Limit | None = None
    file_bytes: Limit | None = None
    core_bytes: Limit | None = None
    cpu_seconds: Limit | None = None
    cpu_percent: Annotated[int, checks.integer(1, 1_000_000)] | None = None


@frozen(kw_only=True)
class Definition:
    """
    What is to be run and how it is kept, wherever that was said.

    @ivar stop_signal: A signal number.
    @ivar graceful_timeout: Seconds between C{stop_signal} and KILL.
    @ivar umask: The file mode creation mask, as umask(2) takes it.
    @ivar nice: Added to the niceness, as nice(2) takes it.
    """

    app: Annotated[str, checks.app]
    node: Annotated[str, checks.node]
    process_type: Annotated[str, checks.process_type]
    env: Annotated[Mapping[str, str], checks.env] = field(factory=dict, repr=False)
    stop_signal: Annotated[int, checks.signal_number] = 15
    graceful_timeout: Annotated[float, checks.seconds(3600)] = 10.0
    flapping: Flapping | None = None
    redirect_input: Annotated[bool, checks.boolean] = False
    restart: Restart = Restart.ALWAYS
    output: Output = Output.DROP
    umask: Annotated[int, checks.umask] = 0o022
    nice: Annotated[int, checks.integer(-20, 19)] = 0
    no_new_privileges: Annotated[bool, checks.boolean] = False
    limits: Limits = field(factory=Limits)
    labels: Annotated[Mapping[str, str], checks.labels] = field(factory=dict)

    @property
    def slug(self) -> str:
        """
        The unique name of the process: an app has no dot, so this is one to one.
        """
        return f"{self.app}.{self.node}"

    @property
    def restart_rule(self) -> Restart:
        """
        When its program is started again, all things considered.
        """
        return self.restart


def app_of(slug: str) -> str:
    """
    The app of a process, by its slug.
    """
    return slug.partition(".")[0]


@frozen(kw_only=True)
class CreateRequest(Definition):
    """
    What a client asks to be run.

    @ivar cwd: Relative to the release; no part of it is C{..}.
    """

    source_url: Annotated[str, checks.source_url] = field(repr=False)
    source_sha256: Annotated[str, checks.sha256] | None = None
    cwd: Annotated[str, checks.cwd] | None = None


@frozen
class VerbRequest:
    """
    What stop, start, restart and delete need to know: nothing yet.
    """


@frozen(kw_only=True)
class SignalRequest:
    """
    Which signal the group of a program is to get.

    @ivar signal: Its number.
    """

    signal: Annotated[int, checks.signal_number]


@frozen(kw_only=True)
class StdinRequest:
    """
    What a program is to read.

    @ivar eof: Nothing follows, until the program's next start.
    """

    data: Annotated[str, checks.input_text] = field(default="", repr=False)
    eof: Annotated[bool, checks.boolean] = False


@frozen(kw_only=True)
class SignInRequest:
    """
    Who wants to sign in.
    """

    token: Annotated[str, checks.shown_token] = field(repr=False)


@frozen(kw_only=True)
class TicketRequest:
    """
    What a ticket is wanted for.

    @ivar path: The path of a URL; what is behind a question mark does not count.
    """

    path: Annotated[str, checks.url_path]


@frozen
class Left:
    """
    A process that the agent has no right to end.
    """

    pid: int
    name: str


@frozen(kw_only=True)
class LastExit:
    """
    How a run of a program ended: one of C{code} and C{signal} is set, or
    neither where that can't be known (its reaper was killed).

    @ivar signal: The name without SIG.
    @ivar at: Seconds since the epoch.
    @ivar killed: Names of what had to be ended with KILL.
    @ivar left: What could not be ended.
    """

    code: int | None
    signal: str | None
    at: float
    ran_seconds: float
    killed: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()


@frozen
class PastExit:
    """
    One of the last exits of a program.

    @ivar lines: The last ones that it said before.
    """

    exit: LastExit
    lines: tuple[str, ...] = ()
