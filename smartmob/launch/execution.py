"""
From the fork to the program: what a child of a reaper does before it is another.
"""

from __future__ import annotations

import ctypes
import os
import resource
from errno import E2BIG, EACCES, EAGAIN, EINVAL, ELOOP, ENOENT, ENOEXEC, ENOTDIR, EPERM
from signal import SIG_SETMASK, SIGKILL, pthread_sigmask

from smartmob.launch.group import write
from smartmob.launch.wire import Garbled, Order, pack

TYPE_CHECKING = False  # importing typing costs each program memory
if TYPE_CHECKING:
    from typing import NoReturn

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

LONGEST = 2000
"""
Bytes of a sentence that says why, at most: it goes through a pipe in one piece.
"""

NOBODY = 2**32 - 1
"""
The largest uid_t, which is no user.
"""

NOT_FOUND = 127
NOT_EXECUTABLE = 126

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl


def prctl(option: int, argument: int | bytes) -> None:
    """
    prctl(2).

    Plain numbers: ctypes objects made after the fork would cost each reaper 200 KB.

    @raise OSError: It did not work.
    """
    if _prctl(option, argument, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_RT_SIGACTION = {"x86_64": 13, "aarch64": 134, "riscv64": 134}
"""
The numbers of rt_sigaction(2), by machine.
"""


def restore_internal_signals() -> None:
    """
    Have signals 32 and 33 do what they do by default.

    The C library keeps them for its threads: posix_spawn(3) leaves them ignored, and
    no function of the library changes that.  So the kernel is asked.  On other
    machines they stay ignored.
    """
    number = _RT_SIGACTION.get(os.uname().machine)
    if number is not None:
        default = ctypes.create_string_buffer(64)  # all zeros, whatever the layout
        for signal in (32, 33):
            _libc.syscall(
                ctypes.c_long(number), ctypes.c_long(signal), default, None, ctypes.c_ulong(8)
            )


class Refused(Exception):
    """
    It can't be executed.

    @ivar code: As a shell has it.
    @ivar why: A sentence for a person.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code
        self.why = why


def execute(packet: bytes, streams: tuple[int, int, int], report: int, parent: int) -> NoReturn:
    """
    Become the program.  Where that can't be, say why, and end.

    @param packet: The L{Order}.
    @param streams: What it gets as 0, 1 and 2.  All other descriptors of this
        process close on exec.
    @param report: Gets C{CODE WHY} as one packet of words, or its end of file.
    @param parent: The pid of the process that forked this one.
    """
    try:
        _become(Order.unpack(packet), streams, parent)
    except Refused as e:
        code, why = e.code, e.why
    except Garbled as e:
        code, why = NOT_EXECUTABLE, f"it can't be executed: {e}"
    except BaseException as e:  # whatever it is, this copy of the reaper has to end
        code, why = NOT_EXECUTABLE, f"it can't be executed: {e!r}"
    try:
        sentence = why.encode("utf-8", "surrogateescape")[:LONGEST]
        os.write(report, pack(b"%d" % code, sentence))
    finally:
        os._exit(code)


def _become(order: Order, streams: tuple[int, int, int], parent: int) -> NoReturn:
    if any(not name or b"=" in name for name, _ in order.env):
        why = "it can't be executed: a name in its environment is empty, or has = in it"
        raise Refused(NOT_EXECUTABLE, why)
    os.setsid()
    for descriptor, stream in enumerate(streams):
        if stream != descriptor:
            os.dup2(stream, descriptor)
    pthread_sigmask(SIG_SETMASK, ())
    os.umask(order.umask)
    if order.group:
        join(order.group)
    _limit(order)
    _identify(order.identity)
    _enter(order.cwd)
    # The wish to die with the parent is forgotten whenever the identity changes:
    # so it comes last, and what happened before it is looked up after it.
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    if os.getppid() != parent:
        os._exit(NOT_EXECUTABLE)
    _execute(order)


def join(group: bytes) -> None:
    """
    Become a member of a cgroup.

    @param group: Its folder.
    @raise Refused: That can't be.
    """
    try:
        write(group, b"cgroup.procs", b"0")
    except OSError as e:
        why = f"it can't be put into its cgroup {os.fsdecode(group)}: {e.strerror}"
        raise Refused(NOT_EXECUTABLE, why) from e


def _limit(order: Order) -> None:
    try:
        if order.nice:
            os.nice(order.nice)
    except OSError as e:
        raise Refused(
            NOT_EXECUTABLE, f"its niceness can't be changed by {order.nice}: {e.strerror}"
        ) from e
    for name, soft, hard in order.limits:
        why = _set_limit(name, soft, hard)
        if why is not None:
            limit = os.fsdecode(name)
            raise Refused(
                NOT_EXECUTABLE,
                f"its limit {limit} can't be {soft} (soft) and {hard} (hard): {why}",
            )
    if order.no_new_privileges:
        prctl(PR_SET_NO_NEW_PRIVS, 1)


def _set_limit(name: bytes, soft: int, hard: int) -> str | None:
    """
    @return: What is wrong with it, if anything.
    """
    number = getattr(resource, os.fsdecode(name), None) if name[:7] == b"RLIMIT_" else None
    if number is None:
        return "there is no such limit"
    if soft % 2**64 > hard % 2**64:  # -1 is the largest: none at all
        return "the soft one is larger"
    try:
        resource.setrlimit(number, (soft, hard))
    except ValueError:  # as setrlimit has it here where it is EPERM
        return "there is no right to it"
    except OSError as e:
        return e.strerror
    return None


def _identify(identity: list[int]) -> None:
    if not identity:
        return
    uid, gid, *groups = identity
    if not all(0 <= number < NOBODY for number in identity):
        # setresuid(2) takes the largest for "as it is": it would stay root
        raise Refused(
            NOT_EXECUTABLE,
            f"it can't be given the user {uid} and the group {gid}: there is no such number",
        )
    ours = os.getresuid() == (uid, uid, uid) and os.getresgid() == (gid, gid, gid)
    if ours and uid != 0:
        return  # already so, and without the right to say it again
    try:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        _drop_capabilities()
    except OSError as e:
        raise Refused(
            NOT_EXECUTABLE,
            f"it can't be given the user {uid} and the group {gid}: {e.strerror}",
        ) from e


def _drop_capabilities() -> None:
    """
    Another user does not get what the agent may do.  Of root's capabilities nothing is left
    by now; but those of an agent that is not root, and has them from its service manager,
    would be the program's too, and with CAP_SETUID it could be root (capabilities(7)).

    @raise OSError: That can't be.
    """
    try:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    except OSError as e:
        if e.errno != EINVAL:  # a kernel that has no such capabilities
            raise


def _enter(cwd: bytes) -> None:
    try:
        os.chdir(cwd)
    except OSError as e:
        folder = os.fsdecode(cwd)
        if e.errno == ENOENT:
            why = f"its folder {folder} does not exist"
        elif e.errno == ENOTDIR:
            why = f"its folder {folder} is not a folder"
        else:
            why = f"its folder {folder} can't be entered: {e.strerror}"
        raise Refused(NOT_EXECUTABLE, why) from e


def _execute(order: Order) -> NoReturn:
    env = dict(order.env)
    program = order.argv[0]
    if not program:
        raise Refused(NOT_FOUND, "there is no program without a name")
    if b"/" in program:
        places = [program]
    else:
        path = env.get(b"PATH", os.fsencode(os.defpath))
        places = [os.path.join(folder, program) for folder in path.split(b":")]
    worst: OSError | None = None
    for place in places:
        if place.startswith(b"-"):
            place = b"./" + place  # else it would be an option of what interprets it
        try:
            _become_file(place, order.argv, env)
        except OSError as e:
            if e.errno in (ENOENT, ENOTDIR) and not os.path.lexists(place):
                continue
            # As execvp(3): what is found but is not for us does not end the search.
            worst = worst or e
            if e.errno != EACCES:
                break
    if worst is None:
        where = "" if b"/" in program else " in any folder of PATH"
        raise Refused(NOT_FOUND, f"there is no program {os.fsdecode(program)}{where}")
    raise _explained(os.fsdecode(program), worst) from worst


def _become_file(place: bytes, argv: list[bytes], env: dict[bytes, bytes]) -> NoReturn:
    """
    Execute a file; one of no known format by the shell, as execvp(3) and the shell
    itself do: a script needs no #! line.
    """
    try:
        os.execve(place, argv, env)  # noqa: S606 - what else are we here for
    except OSError as e:
        if e.errno != ENOEXEC:
            raise
    # A name that begins with a dash would be an option.
    script = place if b"/" in place else b"./" + place
    os.execve(b"/bin/sh", [b"/bin/sh", script, *argv[1:]], env)  # noqa: S606 - as above


def _explained(program: str, error: OSError) -> Refused:
    if error.errno in (ENOENT, ENOTDIR, ELOOP):
        return Refused(
            NOT_FOUND, f"the interpreter of {program}, or what it links to, is missing"
        )
    reasons = {
        EACCES: "it is not executable, or there is no right to it",
        EPERM: "there is no right to it",
        E2BIG: "its arguments and its environment are too large",
        EAGAIN: "its user runs too many processes",
    }
    why = reasons.get(error.errno or 0, error.strerror)
    return Refused(NOT_EXECUTABLE, f"{program} can't be executed: {why}")
