"""
What agent, guardian and reapers say to each other: packets of words.

A packet is one message of a SOCK_SEQPACKET socket: words of bytes, with a NUL
between them.  Nothing that can be executed has a NUL in it, so no word needs an
escape, and a packet is no longer than what it carries.

  - agent to guardian: an L{Order}, with the descriptors C{control, stdout,
    stderr} and, where the input is a pipe, C{stdin}; C{ping}, without any;
  - guardian to agent: C{ready}, once; C{alive}, to each C{ping};
  - agent to reaper, over control: C{run} (with C{stdin} where it is a pipe),
    C{stop SECONDS}, C{kill}, C{signal NUMBER};
  - reaper to agent, over control: C{executed PID}, C{refused CODE WHY},
    C{exited WAIT-STATUS}, C{gone COUNT KILLED... [PID NAME]...};
  - either helper to the agent, as its last packet: C{broken WHY}.

What agent and keeper say to each other is the same, and besides:

  - agent to keeper, before all else: C{keep NAME FINGERPRINT INPUT MERGED} with the
    descriptor of a folder, then an L{Order} without any; 1 is yes; behind them, where
    the program has a cgroup, the folder of the keeper's own;
  - agent to keeper: C{pause}, C{resume}: its output; C{end}: of its input;
  - keeper to agent: output, as a byte 1 or 2, which no word begins with, and what was
    written; C{missed BYTES}.

A keeper lives longer than its agent, and may be of an earlier release than the next:
these words may become more, but they do not change.

There are two guardians, each with reapers of its kind: those in Python, and those in C
(C{compiled/}).  What they answer is the same, word for word, whatever they are told.

This module, L{smartmob.launch.tree}, L{smartmob.launch.execution} and the two
helpers are imported by programs that run without site-packages, and each page of
memory they touch is paid for once a program: they import as little as they can.
"""

from __future__ import annotations

READY = b"ready"
PING = b"ping"
ALIVE = b"alive"
RUN = b"run"
STOP = b"stop"
KILL = b"kill"
SIGNAL = b"signal"
EXECUTED = b"executed"
REFUSED = b"refused"
EXITED = b"exited"
GONE = b"gone"
BROKEN = b"broken"
KEEP = b"keep"
PAUSE = b"pause"
RESUME = b"resume"
END = b"end"
MISSED = b"missed"

DESCRIPTORS = 4
"""
The most descriptors that one packet carries.
"""

LARGEST = 1 << 22
"""
Bytes of the largest packet: what is sent is smaller, since no buffer is larger.
"""


LARGEST_NUMBER = 2**31 - 1
"""
The most that most numbers may be.
"""

FOREVER = 1e9
"""
Seconds that timers can do; more of them are as many.
"""


class Garbled(ValueError):
    """
    A packet makes no sense.
    """


def pack(*words: bytes) -> bytes:
    """
    @raise ValueError: There is a NUL in a word.
    """
    packet = b"\0".join(words)
    if packet.count(b"\0") != len(words) - 1:
        raise ValueError("a NUL byte can't be passed to a program")
    return packet


def unpack(packet: bytes) -> list[bytes]:
    """
    The words of a packet.
    """
    return packet.split(b"\0")


def number(word: bytes, largest: int = LARGEST_NUMBER) -> int:
    """
    Digits, maybe behind a minus.

    @param largest: The most, either way.
    @raise Garbled: It is none, or is more.
    """
    digits = word.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 20 or int(digits) > largest:
        raise Garbled("a number was garbled")
    return int(word)


def seconds(word: bytes) -> float:
    """
    A time as L{repr} has it.

    @return: At most L{FOREVER}.
    @raise Garbled: It is none.
    """
    try:
        if word[:1].isdigit() and not word.strip(b"0123456789.e+-"):
            return min(float(word), FOREVER)
    except ValueError:
        pass  # as what is left
    raise Garbled("a time was garbled")


def broken(error: BaseException) -> bytes:
    """
    The last packet of a helper that can't go on.
    """
    if isinstance(error, Garbled):
        why = str(error)
    elif isinstance(error, OSError) and error.filename is not None:
        why = f"{error.filename}: {error.strerror}"
    else:
        why = repr(error)
    return pack(BROKEN, why.encode("utf-8", "backslashreplace"))


class Order:
    """
    What to execute, and as whom.

    @ivar argv: At least one word.
    @ivar env: Pairs of name and value; no name comes twice.
    @ivar stop_signal: A number.
    @ivar grace: Seconds.
    @ivar limits: Names as in L{resource}, soft and hard bounds.
    @ivar identity: uid, gid and supplementary groups; empty: as the agent.
    @ivar group: The folder of its cgroup, an absolute path; empty: that of the helper.
        It goes as the first of the limits, whose names have no slash: so a helper of an
        earlier release refuses it, and does not execute a program without.
    """

    __slots__ = (
        "argv",
        "cwd",
        "env",
        "grace",
        "group",
        "identity",
        "limits",
        "nice",
        "no_new_privileges",
        "stop_signal",
        "umask",
    )

    def __init__(
        self,
        argv: list[bytes],
        env: list[tuple[bytes, bytes]],
        cwd: bytes,
        stop_signal: int,
        grace: float,
        umask: int,
        nice: int,
        no_new_privileges: bool,
        limits: list[tuple[bytes, int, int]],
        identity: list[int],
        group: bytes = b"",
    ) -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.stop_signal = stop_signal
        self.grace = grace
        self.umask = umask
        self.nice = nice
        self.no_new_privileges = no_new_privileges
        self.limits = limits
        self.identity = identity
        self.group = group

    def pack(self) -> bytes:
        """
        @raise ValueError: There is a NUL in a word.
        """
        limits = [(self.group, 0, 0), *self.limits] if self.group else self.limits
        numbers = (
            self.stop_signal,
            self.grace,
            self.umask,
            self.nice,
            int(self.no_new_privileges),
            len(limits),
            len(self.identity),
            len(self.argv),
        )
        words = [str(number).encode("ascii") for number in numbers]
        for name, soft, hard in limits:
            words += [name, b"%d" % soft, b"%d" % hard]
        words += [b"%d" % number for number in self.identity]
        words += self.argv
        words.append(self.cwd)
        for pair in self.env:
            words += pair
        return pack(*words)

    @staticmethod
    def ending(packet: bytes) -> tuple[int, float]:
        """
        C{stop_signal} and C{grace} of a packet.  The reaper keeps its order packed,
        and needs no more of it.
        """
        stop_signal, grace, _ = packet.split(b"\0", 2)
        return number(stop_signal), seconds(grace)

    @staticmethod
    def place(packet: bytes) -> bytes:
        """
        C{group} of a packet, in the same way.
        """
        words = packet.split(b"\0", 9)
        limited = len(words) > 8 and words[5].strip(b"0")
        return words[8] if limited and words[8][:1] == b"/" else b""

    @classmethod
    def unpack(cls, packet: bytes) -> Order:
        """
        @raise Garbled: This is no order.
        """
        words = iter(unpack(packet))
        try:
            stop_signal = number(next(words))
            grace = seconds(next(words))
            umask = number(next(words))
            nice = number(next(words))
            no_new_privileges = next(words) == b"1"
            counts = [number(next(words)) for _ in range(3)]
            limits = [
                (next(words), number(next(words), _LONG), number(next(words), _LONG))
                for _ in range(counts[0])
            ]
            identity = [number(next(words), _ID) for _ in range(counts[1])]
            argv = [next(words) for _ in range(counts[2])]
            cwd = next(words)
            env = list(zip(words, words, strict=True))
            group = limits.pop(0)[0] if limits and limits[0][0][:1] == b"/" else b""
        except (StopIteration, ValueError) as e:
            raise Garbled("the order is garbled") from e
        if min(*counts, *identity) < 0 or not argv or len(identity) == 1:
            raise Garbled("the order is garbled")
        return cls(
            argv,
            env,
            cwd,
            stop_signal,
            grace,
            umask,
            nice,
            no_new_privileges,
            limits,
            identity,
            group,
        )


_LONG = 2**63 - 1
_ID = 2**32 - 1

NAMED = 50
"""
Names and pids that the packet at the end of a run has of each kind, at most.
"""


def pack_gone(killed: list[bytes], left: list[tuple[int, bytes]]) -> bytes:
    """
    The packet that ends a run.

    @param killed: Names of what needed KILL.
    @param left: What could not be ended.
    """
    killed = killed[:NAMED]
    words = [GONE, b"%d" % len(killed), *killed]
    for pid, name in left[:NAMED]:
        words += [b"%d" % pid, name]
    return pack(*words)


def unpack_gone(words: list[bytes]) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """
    @param words: Those of a packet from L{pack_gone}.
    """
    count = int(words[1])
    rest = iter(words[2 + count :])
    left = [(int(pid), name) for pid, name in zip(rest, rest, strict=True)]
    return words[2 : 2 + count], left
