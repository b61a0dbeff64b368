"""
The values that come in and go out: frozen, checked once, at the border.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


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

    attempts: int
    window: float
    retry_in: float
    max_retry: int


@frozen(kw_only=True)
class Limits:
    """
    Bounds on a program, each as setrlimit(2) has it.  C{None} is: as the agent's.
    """

    memory_bytes: int | None = None
    processes: int | None = None
    open_files: int | None = None
    file_bytes: int | None = None
    core_bytes: int | None = None
    cpu_seconds: int | None = None


@frozen(kw_only=True)
class CreateRequest:
    """
    What a client asks to be run.

    @ivar stop_signal: A signal number.
    @ivar graceful_timeout: Seconds between C{stop_signal} and KILL.
    @ivar cwd: Relative to the release; no part of it is C{..}.
    @ivar umask: The file mode creation mask, as umask(2) takes it.
    @ivar nice: Added to the niceness, as nice(2) takes it.
    """

    app: str
    node: str
    process_type: str
    source_url: str = field(repr=False)
    env: Mapping[str, str] = field(factory=dict, repr=False)
    source_sha256: str | None = None
    cwd: str | None = None
    stop_signal: int = 15
    graceful_timeout: float = 10.0
    flapping: Flapping | None = None
    redirect_input: bool = False
    restart: Restart = Restart.ALWAYS
    output: Output = Output.DROP
    umask: int = 0o022
    nice: int = 0
    no_new_privileges: bool = False
    limits: Limits = field(factory=Limits)
    labels: Mapping[str, str] = field(factory=dict)

    @property
    def slug(self) -> str:
        """
        The unique name of the process: an app has no dot, so this is one to one.
        """
        return f"{self.app}.{self.node}"


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
