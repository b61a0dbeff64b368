"""
A cgroup for each program, where the agent's own was delegated to it (cgroups(7), version 2).

::

    the delegated one
        agent                 the agent, its guardian, and all reapers
        programs/_NAME        a program and all it starts
        detached/_NAME
            keeper            what keeps a detached program
            program           that, and all it starts

A program's name comes behind an underscore, so that C{memory.max} may be one: no file of the
kernel's begins so.  What is in a group can be ended as a whole, whoever it belongs to, and
however fast it forks; also by the next agent, where this one and all its helpers were killed at
once.  That one spares only what a keeper keeps, and who keeps is told by the kernel.

Nothing here is needed: where no group is delegated, programs are kept as well as can be done
without.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import filterfalse
from signal import SIGKILL

from attrs import frozen
from twisted.logger import Logger

from smartmob.launch import cgroup_files as files
from smartmob.launch.delegation import LEAF, NotDelegated, Places, delegated
from smartmob.launch.interfaces import Group, Usage
from smartmob.launch.tree import send

_log = Logger()

PROGRAMS, DETACHED = "programs", "detached"
KEEPER, PROGRAM = "keeper", "program"

MEMORY, PROCESSES, PROCESSOR = "memory", "pids", "cpu"
CONTROLLERS = (MEMORY, PROCESSES, PROCESSOR)
"""
Those that are made use of, by the kernel's names.
"""

PATIENCE = 5.0
"""
Seconds that what an earlier agent left has to end by KILL.
"""

_PERIOD = 100_000
"""
Microseconds within which a bound on processor time goes: the kernel's own.
"""


@frozen(kw_only=True)
class Place:
    """
    The group of a program.

    @ivar folder: An absolute path.
    @ivar keeper: The folder of the group of its keeper, where it is detached.
    @ivar controllers: What bounds it in there.
    """

    folder: str
    keeper: str | None = None
    controllers: frozenset[str] = frozenset()


class Cgroups:
    """
    The groups of an agent's programs.

    @ivar controllers: Those that there are for them; none where nothing is delegated.
    """

    def __init__(
        self,
        places: Places | None = None,
        *,
        mkdir: Callable[[str], object] = os.mkdir,
        rmdir: Callable[[str], object] = os.rmdir,
    ) -> None:
        """
        @param places: By which it is found out what is delegated.
        @param mkdir: Makes a group.
        @param rmdir: Removes one.
        """
        self.controllers: frozenset[str] = frozenset()
        self._places = places or Places()
        self._mkdir = mkdir
        self._rmdir = rmdir
        self._root: str | None = None
        self._wanted: Counter[str] = Counter()
        self._unwanted: set[str] = set()

    def begin(self) -> None:
        """
        Take over what is delegated, if anything is, and end what an earlier agent left in it.
        To be called before there is a helper.
        """
        if self._root is not None:
            return
        try:
            root = delegated(self._places)
            self._take(root)
        except NotDelegated as why:
            _log.info("programs get no cgroups of their own: {why}", why=str(why))
        except OSError as error:
            self.controllers = frozenset()
            _log.warn(
                "programs get no cgroups of their own: {path}: {why}",
                path=error.filename,
                why=error.strerror,
            )
        else:
            self._root = root
            _log.info(
                "programs get cgroups of their own below {root}, which can bound {controllers}",
                root=root,
                controllers=", ".join(sorted(self.controllers)) or "nothing",
            )

    def end(self) -> None:
        """
        The agent ends, and so have all its programs but those that are detached.  They keep
        their groups, but no controllers: else systemd could not start the next agent in the
        one above them, where it leaves them alone (C{KillMode=process}).
        """
        if self._root is None:
            return
        self._tidy()
        programs, detached = (os.path.join(self._root, name) for name in (PROGRAMS, DETACHED))
        for folder in *files.below(detached), programs, self._root:
            for name in self.controllers:
                with suppress(OSError):  # it has none, or is there no more
                    files.write(folder, "cgroup.subtree_control", f"-{name}")
        self._root = None
        self.controllers = frozenset()
        self._wanted.clear()
        self._unwanted.clear()

    def enter(self, group: Group, *, detached: bool) -> Place | None:
        """
        Have a group for a program, with its bounds, until L{leave}.

        @return: C{None} where programs get none.
        @raise OSError: It can't be made.
        """
        if self._root is None:
            return None
        self._tidy()
        folder = self._folder(group.name, detached)
        keeper = None
        if detached:
            above = os.path.dirname(folder)
            keeper = os.path.join(above, KEEPER)
            self._make(above)
            self._divide(above, self.controllers)
            self._make(keeper)
        self._make(folder)
        for file, word in bounds(group, self.controllers):
            files.write(folder, file, word)
        self._bound_swap(folder, group)
        self._wanted[folder] += 1
        return Place(folder=folder, keeper=keeper, controllers=self.controllers)

    def leave(self, place: Place) -> None:
        """
        Have it no more.  Where something is in it still, it is removed later.
        """
        if self._root is None:
            return
        self._wanted[place.folder] -= 1
        if not self._wanted[place.folder]:
            del self._wanted[place.folder]
            self._unwanted.add(place.folder)
            self._tidy()

    def usage(self, name: str) -> Usage | None:
        """
        What a program uses; C{None} where none of that name is in a group.
        """
        if self._root is None:
            return None
        for detached in False, True:
            folder = self._folder(name, detached)
            if files.populated(folder):
                spent = files.number(folder, "cpu.stat", "usage_usec")
                return Usage(
                    memory_bytes=files.number(folder, "memory.current"),
                    cpu_seconds=None if spent is None else spent / 1e6,
                    processes=files.number(folder, "pids.current"),
                )
        return None

    def _folder(self, name: str, detached: bool) -> str:
        assert self._root is not None
        if detached:
            return os.path.join(self._root, DETACHED, f"_{name}", PROGRAM)
        return os.path.join(self._root, PROGRAMS, f"_{name}")

    def _bound_swap(self, folder: str, group: Group) -> None:
        """
        A program that is bounded gets none: it could take all of the machine's beside its
        bound, and be slow instead of ended.
        """
        if MEMORY in self.controllers:
            swap = "max" if group.memory_bytes is None else "0"
            with suppress(FileNotFoundError):  # a kernel without
                files.write(folder, "memory.swap.max", swap)

    def _make(self, folder: str) -> None:
        if not os.path.isdir(folder):
            self._mkdir(folder)

    def _tidy(self) -> None:
        """
        Remove what is wanted no more.
        """
        for folder in list(self._unwanted):
            if folder in self._wanted:
                self._unwanted.remove(folder)
                continue
            above = os.path.dirname(folder)
            whole = above if os.path.basename(folder) == PROGRAM else folder
            if files.remove(whole, self._rmdir):
                self._unwanted.remove(folder)

    # At the start.

    def _take(self, root: str) -> None:
        leaf, *others = (os.path.join(root, name) for name in (LEAF, PROGRAMS, DETACHED))
        for folder in leaf, *others:
            self._make(folder)
        # First of all: a group with processes of its own can't have controllers below it.
        files.write(leaf, "cgroup.procs", "0")
        there = files.words(root, "cgroup.controllers")
        found = [name for name in CONTROLLERS if name in there]
        for folder in root, *others:
            found = self._divide(folder, found)
        self.controllers = frozenset(found)
        self._end_leftovers(leaf, *others)

    def _divide(self, folder: str, controllers: Iterable[str]) -> list[str]:
        """
        Have controllers for what is below a group.

        @return: Those of them that there are.
        """
        given = []
        for name in controllers:
            try:
                files.write(folder, "cgroup.subtree_control", f"+{name}")
            except OSError as error:
                _log.warn(
                    "programs can't be bounded by {name}: {path}: {why}",
                    name=name,
                    path=error.filename,
                    why=error.strerror,
                )
            else:
                given.append(name)
        return given

    def _end_leftovers(self, leaf: str, programs: str, detached: str) -> None:
        """
        KILL what an earlier agent left, and wait for its end.
        """
        left = [*_groups(programs), *filterfalse(_is_kept, _groups(detached))]
        living, helpers = _living(left, leaf)
        if living or helpers:
            _log.warn(
                "an earlier agent left {programs} programs and {helpers} helpers: they are "
                "killed",
                programs=len(living),
                helpers=len(helpers),
            )
        end = time.monotonic() + PATIENCE
        while (living or helpers) and time.monotonic() < end:
            for folder in living:
                files.kill(folder)
            for pid in helpers:
                send(pid, SIGKILL)
            time.sleep(0.005)  # there is no reactor yet, nor anybody to be served
            living, helpers = _living(left, leaf)
        if living or helpers:
            _log.error(
                "what an earlier agent left can't be ended: {programs} programs, {helpers} "
                "helpers",
                programs=len(living),
                helpers=len(helpers),
            )
        for folder in left:
            files.remove(folder, self._rmdir)


def _groups(folder: str) -> list[str]:
    """
    Those right below a group.
    """
    return [entry.path for entry in os.scandir(folder) if entry.is_dir()]


def _is_kept(folder: str) -> bool:
    """
    Whether there is a keeper in the group of a detached program.
    """
    return files.populated(os.path.join(folder, KEEPER))


def _living(folders: list[str], leaf: str) -> tuple[list[str], list[int]]:
    """
    The groups in which something is, and what is in the agent's but the agent.
    """
    # 0 is one that our PID namespace does not have; and who sends to 0 kills itself.
    helpers = [pid for pid in files.processes(leaf) if pid not in (0, os.getpid())]
    return list(filter(files.populated, folders)), helpers


def bounds(group: Group, controllers: frozenset[str]) -> list[tuple[str, str]]:
    """
    What is to be written to the files of a group: everything, since it may be that of an
    earlier program.
    """
    written = []
    if MEMORY in controllers:
        memory = group.memory_bytes
        written += [
            ("memory.max", _bound(memory)),
            # Half a program is none: if one of its processes has to go, all do.
            ("memory.oom.group", "0" if memory is None else "1"),
        ]
    if PROCESSES in controllers:
        written.append(("pids.max", _bound(group.processes)))
    if PROCESSOR in controllers:
        share = None if group.cpu_percent is None else group.cpu_percent * _PERIOD // 100
        written.append(("cpu.max", f"{_bound(share)} {_PERIOD}"))
    return written


def _bound(most: int | None) -> str:
    return "max" if most is None else str(most)
