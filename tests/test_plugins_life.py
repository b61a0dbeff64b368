"""
Tests of the life of plugins: their applications are started, restarted and stopped,
and none of them holds up anything.
"""

from __future__ import annotations

import shutil
import sys

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.plugins.calls import TooSlow, why, within
from smartmob.plugins.plugins import MissingPlugin
from tests.support.plugging import TOLD, PluggingCase, app, plugin

ALL = """
def start(self, loop, manager):
    TOLD.append(("start", loop, type(manager).__name__))
def stop(self):
    TOLD.append("stop")
def restart(self):
    TOLD.append("restart")
"""
WAITING = """
from twisted.internet.defer import Deferred
class App:
    def start(self, loop, manager):
        return self.wait("start")
    def restart(self):
        return self.wait("restart")
    def stop(self):
        return self.wait("stop")
    def wait(self, what):
        waited = Deferred(lambda _: TOLD.append(what + " cancelled"))
        TOLD.append((what, waited))
        return waited
"""


class LifeTests(PluggingCase):
    """
    What is called when.
    """

    def test_life(self) -> None:
        """start gets the reactor and the processes; restart and stop nothing."""
        self.put("it/it.py", app(ALL))
        self.load()
        self.assertEqual((TOLD, self.states()), ([], {"it": "loaded"}))
        self.plugins.startService()
        self.assertEqual(TOLD, [("start", self.clock, "Supervisor")])
        self.assertEqual(self.states(), {"it": "running"})
        self.reload()
        self.stop()
        self.assertEqual(TOLD[1:], ["restart", "stop"])

    def test_nothing(self) -> None:
        """Methods that an application does not have are not missed; neither is one."""
        self.put("a/it.py", app("rester = None\nstop = None", name="a"))
        self.put("b/it.py", plugin(name="b"))
        self.start()
        self.assertEqual(self.states(), {"a": "running", "b": "loaded"})
        self.reload()
        self.stop()

    def test_notStarted(self) -> None:
        """What was not started is not stopped."""
        self.put("it/it.py", app(ALL))
        self.load()
        self.stop()
        self.assertEqual(TOLD, [])

    def test_coroutines(self) -> None:
        """Each may be a coroutine function."""
        text = ALL.replace("def", "async def")
        self.put("it/it.py", app(text))
        self.start()
        self.assertEqual(TOLD, [("start", self.clock, "Supervisor")])
        self.reload()
        self.stop()
        self.assertEqual(TOLD[1:], ["restart", "stop"])

    def test_deferreds(self) -> None:
        """Each may return a Deferred, and the next is called when that has fired."""
        self.put("it/it.py", f"{plugin('return App()')}\n{WAITING}")
        self.start()
        loading = self.plugins.prepare([str(self.folder)], self.parser)
        restarted = loading.commit()
        [(_, started)] = TOLD
        self.assertEqual(self.states(), {"it": "loaded"})
        started.callback(None)
        self.assertEqual(self.states(), {"it": "running"})
        self.assertNoResult(restarted)
        TOLD[1][1].callback(None)
        self.successResultOf(restarted)
        stopped = self.plugins.stopService()
        self.assertNoResult(stopped)
        TOLD[2][1].callback(None)
        self.successResultOf(stopped)
        self.assertEqual([what for what, _ in TOLD], ["start", "restart", "stop"])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FailingTests(PluggingCase):
    """
    Applications that do harm.
    """

    def setUp(self) -> None:
        super().setUp()
        self.put("other/it.py", app(ALL, name="other"))

    def test_start(self) -> None:
        """One that raises in start is failed, and is not stopped; others go on."""
        self.put(
            "it/it.py", app("def start(self, *_):\n    1 / 0\n" + ALL[ALL.index("def stop") :])
        )
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.states(), {"it": "failed", "other": "running"})
        self.assertEqual(self.reports()["it"]["error"], "ZeroDivisionError: division by zero")
        TOLD.clear()
        self.stop()
        self.assertEqual(TOLD, ["stop"])

    def test_exits(self) -> None:
        """Nor does one end the agent that wants to."""
        self.put("it/it.py", app("async def start(self, *_):\n    raise SystemExit(1)"))
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(SystemExit)), 1)
        self.assertEqual(self.states(), {"it": "failed", "other": "running"})

    def test_slowStart(self) -> None:
        """One that takes more than 10 s is failed, but may have something to stop."""
        self.put("it/it.py", f"{plugin('return App()')}\n{WAITING}")
        self.start()
        self.clock.advance(9.9)
        self.assertEqual(self.states()["it"], "loaded")
        self.clock.advance(0.1)
        self.assertEqual(self.reports()["it"]["error"], "TooSlow: start took more than 10 s")
        self.assertIn("start cancelled", TOLD)
        self.stop()
        self.assertEqual(self.states()["it"], "failed")
        self.assertIn("stop cancelled", TOLD)

    def test_restart(self) -> None:
        """One that can't be restarted is failed until it can, and is stopped in the end."""
        methods = """
        def restart(self):
            TOLD.append("tried")
            if TOLD.count("tried") == 1:
                1 / 0
        def stop(self):
            TOLD.append("stopped")
        """
        self.put("it/it.py", app(methods))
        self.start()
        self.reload()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.reports()["it"]["error"], "ZeroDivisionError: division by zero")
        self.reload()
        self.assertEqual(self.states()["it"], "running")
        self.stop()
        self.assertIn("stopped", TOLD)

    def test_stop(self) -> None:
        """A stop that raises, or never ends, delays the end by 2 s at most."""
        self.put("a/it.py", app("def stop(self):\n    1 / 0", name="a"))
        self.put("b/it.py", f"{plugin('return App()', 'b')}\n{WAITING}")
        self.put(
            "c/it.py",
            app(
                """
                async def stop(self):
                    from twisted.internet.defer import CancelledError, Deferred
                    while True:
                        try:
                            await Deferred()
                        except CancelledError:
                            TOLD.append("stubborn")
                """,
                name="c",
            ),
        )
        self.start()
        stopped = self.plugins.stopService()
        self.clock.advance(1.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        self.successResultOf(stopped)
        self.flushLoggedErrors(ZeroDivisionError)
        self.assertIn("stop", TOLD)
        self.assertIn("stubborn", TOLD)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopWhileStarting(self) -> None:
        """The end waits for no start, nor for a restart behind it."""
        self.put("it/it.py", f"{plugin('return App()')}\n{WAITING}")
        self.start()
        loading = self.plugins.prepare([str(self.folder)], self.parser)
        restarted = loading.commit()
        TOLD.clear()
        stopped = self.plugins.stopService()
        self.successResultOf(restarted)
        self.assertEqual(TOLD[0], "start cancelled")
        self.assertEqual(TOLD[1][0], "stop")
        TOLD[1][1].callback(None)
        self.successResultOf(stopped)


class ReloadTests(PluggingCase):
    """
    The plugins folder is read again.
    """

    def test_new(self) -> None:
        """A new folder is loaded and started; what was loaded is restarted, not loaded."""
        self.put("a/it.py", app(ALL, name="a"))
        self.start()
        TOLD.clear()
        self.put("a/it.py", "1 / 0")
        self.put("b/it.py", app(ALL, name="b"))
        self.reload()
        self.assertEqual(TOLD, ["restart", ("start", self.clock, "Supervisor")])
        self.assertEqual(self.states(), {"a": "running", "b": "running"})

    def test_startFailed(self) -> None:
        """What could not be started is loaded anew, and called nothing else before."""
        failing = ALL.replace("TOLD.append((", "1 / 0, ((", 1)
        self.put("a/it.py", app(failing, name="a"))
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.put("a/it.py", app(ALL, name="a"))
        self.reload()
        self.assertEqual(TOLD, [("start", self.clock, "Supervisor")])
        self.assertEqual(self.states(), {"a": "running"})
        self.reload()
        self.stop()
        self.assertEqual(TOLD[1:], ["restart", "stop"])

    def test_startFailedForOne(self) -> None:
        """Not where another plugin of its folder was started: that stays."""
        self.put("a/bad.py", app("def start(self, *_):\n    1 / 0", name="bad"))
        self.put("a/good.py", app(ALL, name="good"))
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        TOLD.clear()
        self.reload()
        self.assertEqual(TOLD, ["restart"])
        self.assertEqual(self.states(), {"bad": "failed", "good": "running"})

    def test_startFailedRefused(self) -> None:
        """A reload that is refused leaves its error as it was."""
        self.put("a/it.py", app("def start(self, *_):\n    1 / 0", name="a"))
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.put("a/it.py", app(ALL, name="a", mandatory=["none"]))
        self.assertRaises(MissingPlugin, self.plugins.prepare, [str(self.folder)], self.parser)
        self.assertEqual(self.reports()["a"]["error"], "ZeroDivisionError: division by zero")

    def test_gone(self) -> None:
        """A folder that is gone has its plugin stopped and forgotten, and may come back."""
        self.put("a/it.py", app(ALL, name="a"))
        self.start()
        TOLD.clear()
        shutil.rmtree(self.folder / "a")
        self.reload()
        self.assertEqual((TOLD, self.plugins.report()), (["stop"], []))
        self.put("a/it.py", app("def start(self, *_):\n    TOLD.append('new')", name="a"))
        self.reload()
        self.assertEqual((TOLD, self.states()), (["stop", "new"], {"a": "running"}))

    def test_moved(self) -> None:
        """One that was moved to another folder has no trouble with its own name."""
        self.put("a/it.py", app(ALL))
        self.start()
        shutil.move(self.folder / "a", self.folder / "b")
        self.reload()
        self.assertEqual(self.reports()["it"]["folder"], "b")
        self.assertEqual(self.states(), {"it": "running"})

    def test_repaired(self) -> None:
        """What could not be loaded is tried again."""
        self.put("a/it.py", "1 / 0")
        self.start()
        self.flushLoggedErrors(ZeroDivisionError)
        self.put("a/it.py", app(ALL, name="a"))
        self.reload()
        self.assertEqual(self.states(), {"a": "running"})
        self.assertIn("smartmob_plugins.a.it", sys.modules)

    def test_missing(self) -> None:
        """Where something mandatory is missing nothing changes."""
        self.put("a/it.py", app(ALL, name="a", mandatory=["b"]))
        self.put("b/it.py", app(ALL, name="b"))
        self.start()
        TOLD.clear()
        shutil.rmtree(self.folder / "b")
        self.put("c/it.py", app(ALL, name="c"))
        error = self.assertRaises(
            MissingPlugin, self.plugins.prepare, [str(self.folder)], self.parser
        )
        self.assertEqual(str(error), "plugin 'a' needs the plugin 'b', which is missing")
        self.assertEqual(TOLD, [])
        self.assertEqual(self.states(), {"a": "running", "b": "running", "c": "failed"})

    def test_abandoned(self) -> None:
        """Nothing is started of a reload that something else refuses."""
        self.start()
        self.put("a/it.py", app(ALL, name="a"))
        self.plugins.prepare([str(self.folder)], self.parser).abandon()
        self.assertEqual(TOLD, [])
        self.assertIn("NotLoaded", self.reports()["a"]["error"])
        self.reload()
        self.assertEqual(self.states(), {"a": "running"})

    def test_slowStop(self) -> None:
        """A reload is over after 10 s whatever plugins do."""
        self.put("a/it.py", f"{plugin('return App()')}\n{WAITING}")
        self.start()
        TOLD.pop()[1].callback(None)
        shutil.rmtree(self.folder / "a")
        done = self.plugins.prepare([str(self.folder)], self.parser).commit()
        self.clock.advance(9.9)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.successResultOf(done)

    def test_slowStopAtTheEnd(self) -> None:
        """What a reload removed has no longer to stop than all others when the agent ends."""
        self.put("a/it.py", f"{plugin('return App()')}\n{WAITING}")
        self.start()
        TOLD.pop()[1].callback(None)
        shutil.rmtree(self.folder / "a")
        reloaded = self.plugins.prepare([str(self.folder)], self.parser).commit()
        self.clock.advance(5)
        stopped = self.plugins.stopService()
        self.clock.advance(1.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        self.successResultOf(stopped)
        self.successResultOf(reloaded)
        self.assertEqual(TOLD[1:], ["stop cancelled"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopAtTheEnd(self) -> None:
        """Nor is it waited for any longer than it takes."""
        self.put("a/it.py", f"{plugin('return App()')}\n{WAITING}")
        self.start()
        TOLD.pop()[1].callback(None)
        shutil.rmtree(self.folder / "a")
        self.plugins.prepare([str(self.folder)], self.parser).commit()
        stopped = self.plugins.stopService()
        self.assertNoResult(stopped)
        TOLD[0][1].callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class WithinTests(SynchronousTestCase):
    """
    Calls with a bound.
    """

    def test_late(self) -> None:
        """A coroutine that goes on is left to itself; how it fails is logged."""
        clock = Clock()
        waited: Deferred[None] = Deferred()

        async def stubborn() -> None:
            try:
                await Deferred()
            except CancelledError:
                await waited

        done = within(clock, 1, "it", stubborn)
        clock.advance(1)
        self.failureResultOf(done, TooSlow)
        waited.errback(ValueError())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """A call that is cancelled leaves no timer."""
        clock = Clock()
        done = within(clock, 1, "it", Deferred)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_canceller(self) -> None:
        """A canceller that raises is logged, and no more."""
        clock = Clock()

        def fails(_: object) -> None:
            raise ValueError

        done = within(clock, 1, "it", lambda: Deferred(fails))
        clock.advance(1)
        self.failureResultOf(done, TooSlow)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_why(self) -> None:
        """An error is told by type and message."""
        self.assertEqual(why(KeyError("x")), "KeyError: 'x'")
        self.assertEqual(why(ValueError()), "ValueError")
