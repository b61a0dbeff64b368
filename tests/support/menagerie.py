"""
Ten kinds of descendants that other supervisors leave behind.

Run as C{python menagerie.py MARKER [KIND...]} (all, unless given) it starts one of
each, says C{ready} when each of them is what it is to be, and sleeps.  Every one of
them has MARKER on its command line, and, where it is a Python program, its kind as
its name (comm).

Needs nothing but the standard library, so that any Python can run it.  The set-uid
kind executes what C{MENAGERIE_SETUID} names: a set-uid program that sleeps for as
many seconds as its first argument says.  It is left out without.
"""

from __future__ import annotations

import os
import signal
import sys
import time

SLEEP = "/bin/sleep"
FOR = "1000"

KINDS = (
    "child",
    "group",
    "session",
    "daemon",
    "wiped",
    "deaf",
    "setuid",
    "refork",
    "nohup",
    "holder",
)


def main() -> None:
    """
    The leader.
    """
    marker = sys.argv[1]
    kinds = sys.argv[2:] or list(KINDS)
    if "MENAGERIE_SETUID" not in os.environ and "setuid" in kinds:
        kinds.remove("setuid")
    told, tell = os.pipe()
    for kind in kinds:
        if not os.fork():
            os.close(told)
            call(kind)
            globals()[kind](marker, tell)
            sleep(tell)
    os.close(tell)
    while os.read(told, 4096):  # until none has it open any more
        continue
    call("leader")
    os.write(1, b"ready\n")
    sleep(told)


def call(name: str) -> None:
    """
    Have it called that.
    """
    with open("/proc/self/comm", "w") as file:
        file.write(name)


def sleep(tell: int) -> None:
    """
    It is what it is to be.
    """
    os.close(tell)
    time.sleep(int(FOR))
    os._exit(0)


def orphan() -> None:
    """
    Go on as a child of nobody here.
    """
    if os.fork():
        os._exit(0)


def quiet() -> None:
    """
    Hold no pipe.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)


def child(marker: str, tell: int) -> None:
    """
    A plain child.
    """


def group(marker: str, tell: int) -> None:
    """
    An orphan in the leader's group.
    """
    orphan()


def session(marker: str, tell: int) -> None:
    """
    A child in a session of its own.
    """
    os.setsid()


def daemon(marker: str, tell: int) -> None:
    """
    Forked twice, in a session of its own, no pipe held.
    """
    orphan()
    os.setsid()
    orphan()
    os.chdir("/")
    quiet()


def wiped(marker: str, tell: int) -> None:
    """
    A daemon without environment.
    """
    daemon(marker, tell)
    os.execve(SLEEP, [marker, FOR], {})


def deaf(marker: str, tell: int) -> None:
    """
    One that ignores what asks it to end.
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def setuid(marker: str, tell: int) -> None:
    """
    One that runs as another user.
    """
    os.execv(os.environ["MENAGERIE_SETUID"], [marker, FOR])


def refork(marker: str, tell: int) -> None:
    """
    One that is another process every 5 ms.
    """
    os.close(tell)
    while True:
        time.sleep(0.005)
        orphan()


def nohup(marker: str, tell: int) -> None:
    """
    One started with nohup.
    """
    nap = f"import time; time.sleep({FOR})"
    os.execvp("nohup", ["nohup", sys.executable, "-I", "-S", "-c", nap, marker])


def holder(marker: str, tell: int) -> None:
    """
    A grandchild that holds the leader's pipes.
    """
    if os.fork():
        return
    os.setsid()


if __name__ == "__main__":
    main()
