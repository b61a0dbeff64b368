"""
What launching looks like from above: as close to C{IReactorProcess} as it can be.

A program's life is told to a L{twisted.internet.interfaces.IProcessProtocol}:

  - C{makeConnection(program)}: it was executed, C{program.pid} is known.
  - C{childDataReceived(1 or 2, data)}: output, up to 64 KiB at a time.
  - C{processExited(reason)}: its first process, the leader, has ended.
  - C{processEnded(reason)}: nothing of its tree is left, or what is left can't
    be ended (C{program.left}); all its output has been delivered.  Comes exactly
    once a run, always last, also where nothing could be executed: then it is
    the only call.

None of them comes within the call of a method of the program.  What the leader
wrote before it ended is delivered before C{processExited}, also while output is
paused: that is at most what two pipes hold.  Both calls get the same reason,
unless how the leader ended was never learnt: then C{processExited} is left out
and C{processEnded} gets a L{LauncherLost}.

C{reason.value} is a L{twisted.internet.error.ProcessDone} (code 0), a
L{twisted.internet.error.ProcessTerminated} (any other), a L{NotExecuted}, or a
L{LauncherLost}.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport
from zope.interface import Attribute, Interface

from smartmob.documents import Left


@frozen(kw_only=True)
class Detach:
    """
    A program that outlives the agent, for the next one to find.

    @ivar name: By which it is found; no two programs of an agent share one.
    @ivar folder: Where what is needed for that is kept: an absolute path, made if it is
        not there.
    @ivar ambient: Names of variables that come from the agent's own environment: with
        other values of them it is the same program still.
    """

    name: str
    folder: str
    ambient: frozenset[str] = frozenset()

    def __attrs_post_init__(self) -> None:
        if not self.name or self.name.startswith(".") or "/" in self.name or "\0" in self.name:
            raise ValueError("the name of a detached program has to be that of a file")


@frozen(kw_only=True)
class Group:
    """
    A cgroup of its own for a program, where the agent has one to divide; else there is none,
    and none of its bounds.

    @ivar name: By which its L{Usage} is asked for.  No two programs that run have the same.
    @ivar memory_bytes: Of all its processes together; takes the place of RLIMIT_AS.
    @ivar processes: With their threads; takes the place of RLIMIT_NPROC.
    @ivar cpu_percent: 100 is one processor.
    """

    name: str
    memory_bytes: int | None = None
    processes: int | None = None
    cpu_percent: int | None = None

    def __attrs_post_init__(self) -> None:
        if not self.name or "/" in self.name or "\0" in self.name:
            raise ValueError("the name of a cgroup has to be that of a folder")

    @property
    def bounds(self) -> tuple[int | None, ...]:
        """
        All three.
        """
        return self.memory_bytes, self.processes, self.cpu_percent


@frozen(kw_only=True)
class Usage:
    """
    What a program and all it started use; C{None} is: that is not counted here.

    @ivar memory_bytes: As it counts against its bound, so with what is cached of files.
    @ivar cpu_seconds: Processor time since the group was made.
    @ivar processes: As they count against its bound, so with their threads.
    """

    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    processes: int | None = None


@frozen(kw_only=True)
class Command:
    """
    A program to execute.

    @ivar argv: Its words; the first is looked up in the PATH of C{env}, one with
        a slash relative to C{cwd}.
    @ivar stop_signal: What asks it to end; also its stragglers, when the leader
        ended by itself.
    @ivar grace: Seconds between C{stop_signal} and KILL.
    @ivar umask: The file mode creation mask.
    @ivar nice: Added to the niceness.
    @ivar rlimits: Soft and hard bound by the names of L{resource}, as
        C{{"RLIMIT_CORE": (0, 0)}}.
    @ivar uid: A number; where it is set, C{gid} has to be (a user without a group
        would stay in root's), and C{groups} are all the supplementary ones.
    @ivar redirect_input: Give it a pipe as standard input, else /dev/null.
    @ivar merge_output: Its stdout and stderr are one pipe, so that the order of what
        is written to them is kept; all of it arrives as descriptor 1.
    @ivar detach: It is not ended with the agent.
    @ivar group: It gets a cgroup of its own, if there can be one.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: str = "/"
    stop_signal: int = 15
    grace: float = 10.0
    umask: int = 0o022
    nice: int = 0
    no_new_privileges: bool = False
    rlimits: Mapping[str, tuple[int, int]] = field(factory=dict)
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()
    redirect_input: bool = False
    merge_output: bool = False
    detach: Detach | None = None
    group: Group | None = None

    def __attrs_post_init__(self) -> None:
        if not self.argv:
            raise ValueError("a command needs a word to execute")
        if (self.uid is None) != (self.gid is None):
            raise ValueError("uid and gid are set together")

    @property
    def owner(self) -> tuple[int, int] | None:
        """
        Whose its pipes are, where not the agent's: what opens /dev/stdout needs a right
        to it.
        """
        if self.uid is None or self.gid is None:
            return None
        return self.uid, self.gid


class NotExecuted(ProcessTerminated):
    """
    The program could not be executed.

    C{exitCode} is 127 where it was not found, else 126, as a shell has it.

    @ivar why: A sentence for a person.
    """

    def __init__(self, exitCode: int, why: str) -> None:
        super().__init__(exitCode, None, exitCode << 8)
        self.why = why


class LauncherLost(Exception):
    """
    The helper that kept the program was killed, and its tree with it, so how
    the program itself ended is not known.

    The message is a sentence for a person.
    """


class IProgram(IProcessTransport):
    """
    A program that can be run, again and again, but only once at a time.

    From L{IProcessTransport} come:

      - C{pid};
      - C{signalProcess}, a name (C{"HUP"}) or a number, to the process group of the
        leader; raises C{ProcessExitedAlready} from C{processExited} on;
      - C{writeToChild(0, data)} and C{write(data)}: raise C{ProcessExitedAlready}
        from C{processExited} on, and C{ConnectionDone} where the program has no
        input pipe or it was closed.  What a program that closed its end does not
        take is dropped;
      - C{closeStdin}, C{closeChildFD(0)}: end of file, behind all that was written;
      - C{closeChildFD(1 or 2)}: its output is read on, and thrown away;
      - C{loseConnection}: all three.

    Nothing here blocks.
    """

    pid = Attribute(
        "int | None: the leader's, which leads its group and session;"
        " from makeConnection until processEnded, that call excepted."
    )
    killed = Attribute("tuple[str, ...]: names (comm) of what the last run needed KILL for.")
    left = Attribute("tuple[Left, ...]: what of the last run could not be ended.")
    adopted = Attribute(
        "bool: the run under way, or the last, was begun by an earlier agent;"
        " from makeConnection on."
    )
    started_at = Attribute(
        "float | None: when a detached program began, in seconds since the epoch; from"
        " makeConnection on.  None for others: that is when their protocol was told."
    )
    takesInput = Attribute("bool: it runs, and writeToChild(0, ...) would not raise.")
    stdinBuffered = Attribute("int: bytes written but not yet taken by the program's pipe.")

    def run(protocol: IProcessProtocol) -> None:
        """
        Execute it, and tell C{protocol} about it.  A detached program that lives, and is
        the same, is adopted instead: its protocol is told of it as if it had begun now,
        and gets the output of its time alone.

        @raise RuntimeError: A run is under way, or the launcher does not run.
        """

    def stop(grace: float | None = None) -> None:
        """
        Ask every process of the tree to end (C{stop_signal}, then CONT), and after
        C{grace} seconds (the command's own, unless given) kill what is left, again
        and again until nothing is.  Later calls may only shorten the grace.
        Where the program was asked for but not executed yet, it never is (the
        reason is L{NotExecuted}), or is stopped as soon as it was: C{processEnded}
        comes in any case.  Without a run under way, nothing happens.
        """

    def kill() -> None:
        """
        As C{stop(0)}, without asking first.
        """

    def letGo() -> None:
        """
        The agent is about to end: let go of a detached program, which goes on, and tell
        nothing more of its run, not even its end.  Where it was to be executed, and the
        launcher was not that far, it is not.  A program that is not detached stays as it
        is.
        """

    def endLeft() -> Deferred[tuple[Left, ...]]:
        """
        Try once more to end what of the last run was C{left}.  Only while no run is
        under way.  Fires after at most 5 s with what is left now, as does C{left}.
        """

    def whenWritable() -> Deferred[None]:
        """
        Fires when everything written to the program's stdin has been taken by its
        pipe, or the program has ended.
        """

    def pauseOutput() -> None:
        """
        Read no more of its output: it waits once its pipes are full.
        """

    def resumeOutput() -> None:
        """
        Read its output again.  Each run begins like that.
        """

    def dismiss() -> None:
        """
        Let go of what was kept for it between runs: a helper process and its
        descriptors.  Only while no run is under way; it may still be run again,
        which then takes longer.
        """


class ILauncher(Interface):
    """
    Starts programs.
    """

    bounds = Attribute(
        "frozenset[str]: what the cgroups of programs can bound: memory, pids, cpu; none where"
        " they get no cgroups."
    )

    def program(command: Command) -> IProgram:
        """
        A program, not yet running.  Costs no descriptor before L{IProgram.run}.
        """

    def lives(folder: str, name: str) -> bool:
        """
        Whether a detached program of that name, whose L{Detach} has that folder, runs
        since the time of an earlier agent.
        """

    def answers(within: float) -> Deferred[bool]:
        """
        Ask what starts programs whether it is there.  Fires with whether it has answered
        within so many seconds; where it was killed, whether another one is ready by then.
        At once with False where the launcher does not run.
        """

    def usage(name: str) -> Usage | None:
        """
        What a program uses whose L{Group} has that name; C{None} where it does not run, or
        has no cgroup.
        """
