"""
How long output is read in a turn of the reactor, and whose.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from select import select
from typing import cast

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from smartmob.launch.keeper_link import KeeperPackets
from smartmob.launch.pipes import CHUNK, Reader
from smartmob.launch.turns import LEAST, LONG, SLICE, TRIED, Portion, Turns


def next_turn(clock: Clock) -> None:
    """
    What is due now is done, and what that wants to be done next is not: as in a reactor.
    """
    for call in list(clock.calls):
        if call in clock.calls and call.getTime() <= clock.seconds():
            clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


@define(eq=False)
class Fake:
    """
    Something that can be read so often, and takes so long each time.
    """

    clock: Clock
    turns: Turns
    name: str
    log: list[str]
    costs: float = SLICE / 4
    left: int = 1 << 30
    failure: Exception | None = None
    meanwhile: Callable[[], object] = lambda: None
    lost: list[Failure] = field(factory=list)

    def take(self) -> bool:
        """As the real one."""
        self.log.append(self.name)
        if self.failure is not None:
            raise self.failure
        self.meanwhile()
        self.left -= 1
        self.clock.rightNow += self.costs
        self.turns.spend(self.costs)
        return self.left > 0

    def connectionLost(self, reason: Failure) -> None:
        """As the real one."""
        self.lost.append(reason)


class TurnsTests(SynchronousTestCase):
    """
    L{Turns}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.turns = Turns(self.clock)
        self.log: list[str] = []

    def waiting(self, count: int, **more: float) -> list[Fake]:
        """
        So many that wait.
        """
        found = [
            Fake(self.clock, self.turns, str(n), self.log, **more)  # type: ignore[arg-type] # numbers
            for n in range(count)
        ]
        for one in found:
            self.turns.wait(one)
        return found

    def test_order(self) -> None:
        """
        They are read one after the other, and nobody twice before each was read once,
        over as many turns as that takes.
        """
        self.waiting(10)
        for _ in range(5):
            next_turn(self.clock)
        self.assertEqual("".join(self.log), "01234567890123456789")

    def test_bound(self) -> None:
        """
        A turn is over when its time is; what is read last may be late by itself.
        """
        self.waiting(1000, costs=SLICE * 0.7)
        for _ in range(20):
            before = self.clock.seconds()
            next_turn(self.clock)
            self.assertLess(self.clock.seconds() - before, SLICE * 1.5)
            self.assertFalse(self.turns.over)  # who did not have to wait has a slice too

    def test_once(self) -> None:
        """
        Where there is time enough, each is read once a turn, and no more.
        """
        self.waiting(3, costs=0.0)
        next_turn(self.clock)
        self.assertEqual(self.log, ["0", "1", "2"])

    def test_over(self) -> None:
        """
        Once so much time was spent nobody may read, until the next turn; what a clock that
        was set back says does not count.
        """
        self.turns.spend(SLICE * 0.6)
        self.turns.spend(-1000.0)
        self.assertFalse(self.turns.over)
        self.turns.spend(SLICE * 0.6)
        self.assertTrue(self.turns.over)
        next_turn(self.clock)
        self.assertFalse(self.turns.over)

    def test_idle(self) -> None:
        """
        Where nobody waits, nothing is to be done.
        """
        self.waiting(5, left=2)
        self.turns.spend(1.0)
        for _ in range(5):
            next_turn(self.clock)
        self.assertEqual(len(self.log), 10)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forget(self) -> None:
        """
        Who no longer waits is not read, also where that is said in the midst of a turn.
        """
        first, second, third = self.waiting(3)
        self.assertTrue(self.turns.forget(second))
        self.assertFalse(self.turns.forget(second))
        first.meanwhile = lambda: self.turns.forget(third)
        next_turn(self.clock)
        self.assertEqual(self.log, ["0"])

    def test_failure(self) -> None:
        """
        One that fails is told so, and the others do not care.
        """
        first, *_ = self.waiting(3)
        first.failure = ValueError("broken")
        for _ in range(2):
            next_turn(self.clock)
        self.assertEqual("".join(self.log), "01212")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(len(first.lost), 1)


class PortionTests(SynchronousTestCase):
    """
    L{Portion}.
    """

    def portion(self, costs: Callable[[int], float], chunks: int = 40) -> Portion:
        """
        What it comes to where a chunk of a size takes that long.
        """
        it = Portion(CHUNK)
        for _ in range(chunks):
            it.took(costs(it.size))
        return it

    def test_size(self) -> None:
        """
        It is as large as can be, until a chunk takes too long, and becomes that again; it
        stays where less would be of no use, for then chunks are not what costs.
        """
        for costs, expected in (
            (lambda size: 0.0001, CHUNK),
            (lambda size: LONG * 0.99 * size / CHUNK, CHUNK),
            (lambda size: LONG * 7 * size / CHUNK, CHUNK // 8),
            (lambda size: LONG * 1000 * size / CHUNK, LEAST),
            (lambda size: LONG * 3, CHUNK),
        ):
            self.assertEqual(self.portion(costs).size, expected)
        it = self.portion(lambda size: LONG * 1000)
        for _ in range(10):
            it.took(LONG / 100)
        self.assertEqual(it.size, CHUNK)

    def test_triedAgain(self) -> None:
        """
        What was of no use once is tried again later: something else may have been slow.
        """
        it = Portion(CHUNK)
        it.took(LONG * 8)
        it.took(LONG * 8)
        self.assertEqual(it.size, CHUNK)
        it.took(LONG * 8)
        self.assertEqual(it.size, CHUNK)
        for _ in range(TRIED):
            it.took(LONG * 8)
        self.assertEqual(it.size, CHUNK // 2)


class Reactor(MemoryReactorClock):
    """
    Asks its readers as epoll does: all that are ready, in each turn, until they are not.

    @ivar asked: How often one was asked.
    """

    asked = 0

    def turn(self) -> None:
        """
        One turn: what is due, then what is ready.
        """
        next_turn(self)
        readers = cast(list[Reader], self.getReaders())
        ready, _, _ = select(readers, [], [], 0)
        for reader in readers:
            if reader in ready and reader in self.getReaders():
                self.asked += 1
                why = reader.doRead()
                if why is not None:
                    reader.connectionLost(Failure(why))


class ReaderTestCase(SynchronousTestCase):
    """
    Pipes whose bytes take their time.
    """

    costs = SLICE / 4

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.turns = Turns(self.reactor)
        self.got: dict[str, bytes] = {}
        self.order: list[str] = []
        self.writing: dict[str, int] = {}

    def pipe(self, name: str) -> Reader:
        """
        A pipe that is read.
        """
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        self.writing[name] = writing
        self.got[name] = b""

        def got(data: bytes) -> None:
            self.order.append(name)
            self.got[name] += data
            self.reactor.rightNow += self.costs

        reader = Reader(
            self.reactor, self.turns, reading, got, lambda: self.order.append(f"{name} lost")
        )
        self.addCleanup(self.close, name)
        self.addCleanup(reader.close)
        reader.resume()
        return reader

    def write(self, name: str, data: bytes = b"x" * CHUNK) -> None:
        """
        A program wrote.
        """
        self.assertEqual(os.write(self.writing[name], data), len(data))

    def close(self, name: str) -> None:
        """
        A program is gone.
        """
        writing = self.writing.pop(name, None)
        if writing is not None:
            os.close(writing)

    def flooding(self, count: int) -> list[str]:
        """
        Pipes that are full, and known to be.
        """
        names = [f"flood {n}" for n in range(count)]
        for name in names:
            self.pipe(name)
            self.write(name)
        return names

    def go_on(self, names: list[str]) -> None:
        """
        A turn, after which each flood that was read has written again.
        """
        del self.order[:]
        self.reactor.turn()
        for name in self.order:
            if name in names:
                self.write(name)


class ReaderTests(ReaderTestCase):
    """
    L{Reader}.
    """

    def test_interface(self) -> None:
        """
        A reactor can read it.
        """
        verifyObject(IReadDescriptor, self.pipe("a"))

    def test_bound(self) -> None:
        """
        However many flood, a turn takes no more than two slices and what two chunks are
        late by; and in a round each has its share.
        """
        names = self.flooding(100)
        while len(self.turns.waiting) < 100:
            self.go_on(names)
        counts = dict.fromkeys(names, 0)
        for _ in range(60):
            before = self.reactor.seconds()
            self.go_on(names)
            self.assertLessEqual(
                self.reactor.seconds() - before, 2 * (SLICE + self.costs) + 1e-9
            )
            for name in self.order:
                counts[name] += 1
        self.assertGreaterEqual(min(counts.values()), 2)
        self.assertLessEqual(max(counts.values()) - min(counts.values()), 1)

    def test_quiet(self) -> None:
        """
        A pipe that was quiet is read in the very turn in which it has something, and waits
        for no round of those who flood, once it is known who they are.
        """
        self.pipe("quiet")
        names = self.flooding(100)
        while len(self.turns.waiting) < 100:
            self.go_on(names)
        for n in range(1, 20):
            self.write("quiet", b"line\n")
            self.go_on(names)
            self.assertEqual(self.got["quiet"], b"line\n" * n)

    def test_manyAtOnce(self) -> None:
        """
        Where more were quiet than there is time for, each is read before any of them, or of
        those who flood, is read twice.
        """
        names = self.flooding(20)
        self.go_on(names)
        self.go_on(names)
        quiet = [f"quiet {n}" for n in range(50)]
        for name in quiet:
            self.pipe(name)
            self.write(name, b"line\n")
        read: list[str] = []
        while set(quiet) - set(read):
            self.go_on(names)
            read += self.order
        for name in names:
            self.assertLessEqual(read.count(name), len(read) // len(names) + 1)

    def test_between(self) -> None:
        """
        What else is due, as a request is, comes in between: each turn.
        """
        names = self.flooding(100)
        self.go_on(names)
        for _ in range(10):
            done: list[float] = []
            self.reactor.callLater(0, done.append, 1.0)
            self.go_on(names)
            self.assertEqual(done, [1.0])

    def test_few(self) -> None:
        """
        As long as there is time for all, the reactor asks, and nobody waits.
        """
        self.costs = SLICE / 100
        names = self.flooding(2)
        for _ in range(40):
            self.go_on(names)
            self.assertEqual(sorted(self.order), names)
            self.assertEqual(len(self.reactor.getReaders()), 2)

    def test_idle(self) -> None:
        """
        Who has nothing more goes back to the reactor, which then has nothing to do, and
        asks when there is something again.
        """
        names = self.flooding(40)
        for _ in range(20):
            self.reactor.turn()
        self.assertEqual(len(self.reactor.getReaders()), 40)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        asked = self.reactor.asked
        self.reactor.turn()
        self.assertEqual(self.reactor.asked, asked)
        self.write(names[7], b"more")
        self.reactor.turn()
        self.assertTrue(self.got[names[7]].endswith(b"xmore"))

    def waiting(self) -> tuple[Reader, str]:
        """
        One that waits for its turn.
        """
        reader = self.pipe("it")
        self.turns.spend(1.0)
        self.write("it", b"before\n")
        why = reader.doRead()
        self.assertIsNone(why)
        self.assertEqual((self.order, self.reactor.getReaders()), ([], []))
        return reader, "it"

    def test_pause(self) -> None:
        """
        Paused while it waits it is not read, and nothing is lost when it is resumed.
        """
        reader, name = self.waiting()
        reader.pause()
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.order, [])
        reader.resume()
        self.reactor.turn()
        self.assertEqual(self.got[name], b"before\n")

    def test_pausedByWhatItGot(self) -> None:
        """
        Who takes what was read may pause it, or pause and resume it, in the midst of that.
        """
        for resumes in (False, True):
            self.assertPausedByWhatItGot(resumes)

    def assertPausedByWhatItGot(self, resumes: bool) -> None:
        """
        Assert that of what is written later as much comes as it wants.
        """
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        got: list[bytes] = []

        def take(data: bytes) -> None:
            got.append(data)
            reader.pause()
            if resumes:
                reader.resume()

        reader = Reader(self.reactor, self.turns, reading, take, lambda: None)
        self.addCleanup(reader.close)
        reader.resume()
        os.write(writing, b"x" * CHUNK)
        self.turns.spend(1.0)
        reader.doRead()
        for _ in range(3):
            self.reactor.turn()
        self.assertEqual(len(got), 1)
        os.write(writing, b"y")
        for _ in range(3):
            self.reactor.turn()
        self.assertEqual(len(got), 1 + resumes)

    def test_drain(self) -> None:
        """
        Drained while it waits it gives all there is at once, and later what is later.
        """
        reader, name = self.waiting()
        reader.drain()
        self.assertEqual(self.got[name], b"before\n")
        self.write(name, b"after\n")
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.got[name], b"before\nafter\n")

    def test_close(self) -> None:
        """
        Closed while it waits it is told lost, once, and asked no more.
        """
        reader, _ = self.waiting()
        reader.close()
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.order, ["it lost"])

    def test_end(self) -> None:
        """
        Its end while it waits comes behind all it had.
        """
        _, name = self.waiting()
        self.close(name)
        for _ in range(3):
            self.reactor.turn()
        self.assertEqual(self.got[name], b"before\n")
        self.assertEqual(self.order, ["it", "it lost"])


class KeeperPacketsTests(ReaderTestCase):
    """
    What detached programs say is read in the same slices.
    """

    def setUp(self) -> None:
        super().setUp()
        self.keepers: dict[str, socket.socket] = {}
        self.links: dict[str, KeeperPackets] = {}

    def keeper(self, name: str) -> None:
        """
        One that has much to say.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.addCleanup(theirs.close)
        self.keepers[name] = theirs
        self.got[name] = b""

        def got(packet: bytes) -> None:
            self.order.append(name)
            self.got[name] += packet
            self.reactor.rightNow += self.costs

        self.links[name] = KeeperPackets(
            self.reactor, self.turns, ours, got, lambda: self.order.append(f"{name} lost")
        )
        self.addCleanup(self.links[name].close)
        self.say(name)

    def say(self, name: str) -> None:
        """
        As much as is read at once.
        """
        self.assertEqual(self.keepers[name].send(b"x" * CHUNK), CHUNK)

    def test_bound(self) -> None:
        """
        However many flood, pipes or keepers, a turn takes no more than two slices and what two
        chunks are late; all have their turns; and who is quiet is read at once.
        """
        names = [f"keeper {n}" for n in range(20)]
        for name in names:
            self.keeper(name)
        self.flooding(20)
        self.keeper("quiet")
        self.links["quiet"].doRead()
        counts = dict.fromkeys([*names, *(f"flood {n}" for n in range(20))], 0)
        for n in range(80):
            del self.order[:]
            began = self.reactor.seconds()
            if n >= 20:  # all floods are known by then
                self.keepers["quiet"].send(b"word")
            self.reactor.turn()
            self.assertLessEqual(
                self.reactor.seconds() - began, 2 * (SLICE + self.costs) + self.costs
            )
            self.assertEqual("quiet" in self.order, n >= 20)
            for name in self.order:
                if name in counts:
                    counts[name] += 1
                    (self.say if name in self.keepers else self.write)(name)
        self.assertLessEqual(max(counts.values()) - min(counts.values()), 3, counts)
        self.assertGreater(min(counts.values()), 5)

    def test_ends(self) -> None:
        """
        What was said before the end comes before it, also where it had to wait.
        """
        names = [f"keeper {n}" for n in range(20)]
        for name in names:
            self.keeper(name)
            self.say(name)
            self.keepers[name].close()
        for _ in range(40):
            self.reactor.turn()
        for name in names:
            self.assertEqual(len(self.got[name]), 2 * CHUNK)
            self.assertEqual(
                [said for said in self.order if name == said.removesuffix(" lost")],
                [name, name, f"{name} lost"],
            )
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_closed(self) -> None:
        """
        One that is let go of while it waits is not read any more.
        """
        names = [f"keeper {n}" for n in range(20)]
        for name in names:
            self.keeper(name)
            self.say(name)
        self.reactor.turn()
        [*waiting] = self.turns.waiting
        self.assertGreater(len(waiting), 5)
        for link in self.links.values():
            link.close()
        del self.order[:]
        for _ in range(5):
            self.reactor.turn()
        self.assertEqual(self.order, [])
        self.assertEqual((len(self.turns.waiting), self.reactor.getReaders()), (0, []))


class Machine(RuleBasedStateMachine):
    """
    Pipes that are written to, paused, resumed, drained, closed and read, in any order.
    """

    @initialize()
    def begin(self) -> None:
        """Three pipes."""
        self.case = ReaderTestCase()
        self.case.setUp()
        self.case.costs = SLICE * 0.7
        self.readers = {name: self.case.pipe(name) for name in "abc"}
        self.written = dict.fromkeys(self.readers, b"")
        self.paused: set[str] = set()
        self.count = 0

    @rule(name=st.sampled_from("abc"), size=st.sampled_from([1, 5000, LEAST, CHUNK]))
    def write(self, name: str, size: int) -> None:
        """A program writes as much as fits."""
        if name in self.case.writing:
            self.count += 1
            data = (b"%06d " % self.count * (size // 7 + 1))[:size]
            try:
                taken = os.write(self.case.writing[name], data)
            except BlockingIOError:
                return
            self.written[name] += data[:taken]

    @rule(name=st.sampled_from("abc"), resume=st.booleans())
    def turn_over(self, name: str, resume: bool) -> None:
        """It is to be read, or not."""
        if resume:
            self.readers[name].resume()
            self.paused.discard(name)
        else:
            self.readers[name].pause()
            self.paused.add(name)

    @rule(name=st.sampled_from("abc"))
    def drain(self, name: str) -> None:
        """All there is, now."""
        self.readers[name].drain()
        if self.readers[name].fd >= 0:
            assert self.case.got[name] == self.written[name]

    @rule(name=st.sampled_from("abc"))
    def end(self, name: str) -> None:
        """A program is gone."""
        self.case.close(name)

    @rule(turns=st.integers(1, 3))
    def turn(self, turns: int) -> None:
        """The reactor goes on."""
        before = {name: len(self.case.got[name]) for name in self.paused}
        for _ in range(turns):
            self.case.reactor.turn()
        for name, size in before.items():
            assert len(self.case.got[name]) == size

    @invariant()
    def in_order(self) -> None:
        """What came is the beginning of what was written."""
        for name, data in self.case.got.items():
            assert self.written[name].startswith(data)

    def teardown(self) -> None:
        """In the end all comes, then each end, once, and nothing is left to do."""
        if not hasattr(self, "case"):
            return
        for name, reader in self.readers.items():
            reader.resume()
            self.case.close(name)
        for _ in range(200):
            self.case.reactor.turn()
        assert self.case.got == self.written
        for name in self.readers:
            assert self.case.order.count(f"{name} lost") == 1
        assert self.case.reactor.getReaders() == []
        assert self.case.reactor.getDelayedCalls() == []
        self.case.doCleanups()


class MachineTests(SynchronousTestCase):
    """
    The machine under every order of things that hypothesis thinks of.
    """

    def test_anyOrder(self) -> None:
        """
        Whatever is said and happens, in whatever order, nothing is lost or doubled.
        """
        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=100, stateful_step_count=40, deadline=None),
        )
