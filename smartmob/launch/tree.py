"""
The tree of processes below this one, as proc(5) shows it.

With C{PR_SET_CHILD_SUBREAPER} a process whose parent ended becomes a child of
its reaper, so that nothing leaves the tree, whatever its group, its session or
its environment.
"""

from __future__ import annotations

import os
from signal import SIGCHLD, SIGCONT, SIGKILL, sigtimedwait
from time import monotonic

from smartmob.launch.group import kill as kill_group

TYPE_CHECKING = False  # importing typing costs each program memory
if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 5.0
"""
Seconds after which what does not end by KILL is left.
"""


HIDDEN = b"?"
"""
The name of a process that has one, but not for us.
"""


def children(pid: int) -> list[int]:
    """
    The children of all threads of a process; none where it is gone.
    """
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", 0) as file:
                found += map(int, file.read().split())
    except OSError:
        return found  # it ended meanwhile
    return found


def descendants(pid: int, spare: set[int] | frozenset[int] = frozenset()) -> list[int]:
    """
    Everything below a process, parents first.

    What forks while this looks may be missed; it is found the next time.

    @param spare: Children that are left out, with all that is below them.
    """
    found = [child for child in children(pid) if child not in spare]
    for child in found:
        found += children(child)
    return found


def name(pid: int) -> bytes | None:
    """
    The name of a process as in comm, or C{None} where it has ended.  One that /proc hides
    from us (hidepid, see proc(5)) lives, and is called L{HIDDEN}.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb", 0) as file:
            head, _, tail = file.read().rpartition(b") ")
    except OSError:
        return HIDDEN if exists(pid) else None
    if not tail or tail[:1] in b"ZX":
        return None
    return head.partition(b" (")[2]


def exists(pid: int) -> bool:
    """
    @return: Whether the process is there, whoever it belongs to.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def send(pid: int, signal: int) -> bool:
    """
    @return: Whether the process was there, and we had the right to.
    """
    try:
        os.kill(pid, signal)
    except OSError:
        return False
    return True


def ask(me: int, signal: int) -> None:
    """
    Send a signal, then CONT, to everything below us, once each.

    What was forked by a process that had not got its signal yet is found by
    looking again until there is nothing new.  What is forked later is left to do its
    work: it may be how a program cleans up.
    """
    asked: set[int] = set()
    for _ in range(20):
        fresh = [pid for pid in descendants(me) if pid not in asked]
        if not fresh:
            return
        asked.update(fresh)
        for pid in fresh:
            send(pid, signal)
            send(pid, SIGCONT)


def kill_once(
    me: int,
    killed: dict[int, bytes],
    spare: set[int] | frozenset[int] = frozenset(),
) -> list[int]:
    """
    KILL everything below us, once.

    Groups are killed as a whole too: that also gets who forks faster than we look.
    All groups below us are of sessions that began below us, so there is no
    stranger in them.

    @param killed: Names by pid of what was killed; added to.
    @return: What is there, killed or not.
    """
    names = {pid: name(pid) for pid in descendants(me, spare)}
    alive = {pid: known_as for pid, known_as in names.items() if known_as is not None}
    groups = set()
    for pid, known_as in alive.items():
        try:
            groups.add(os.getpgid(pid))
            os.kill(pid, SIGKILL)
        except OSError:
            continue  # it ended meanwhile, or we have no right to it
        killed.setdefault(pid, known_as)
    for group in groups - {os.getpgrp()}:
        try:
            os.killpg(group, SIGKILL)
        except OSError:
            continue  # all of it has ended, as it should
    return list(alive)


def kill_all(
    me: int, reap: Callable[[], bool], killed: dict[int, bytes], group: bytes = b""
) -> list[tuple[int, bytes]]:
    """
    KILL everything below us, again and again until nothing is left.

    Blocks, for at most L{PATIENCE}.  SIGCHLD is to be blocked.

    @param reap: Waits for what has ended, and says whether no child is left.
    @param killed: Names by pid of what was killed; added to.
    @param group: The folder of a cgroup that is killed as well, if there is one.
    @return: What is left, since we have no right to end it, or the kernel can't.
    """
    end = monotonic() + PATIENCE
    pause = 0.001
    while True:
        alive = kill_once(me, killed)
        if group:
            kill_group(group)
        if reap():
            return []
        if monotonic() >= end:
            return [(pid, known_as) for pid in alive if (known_as := name(pid)) is not None]
        sigtimedwait((SIGCHLD,), pause)
        pause = min(pause * 1.5, 0.05)
