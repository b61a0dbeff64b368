"""
The machine of one supervised process: what may happen to it, and what follows.

Every way leads through C{poised}, where nothing is under way; from there one of
the inputs that begin with C{_go} says where to.  Timers, downloads and runs are
data of the state that waits for them, so leaving a state is what ends them.
"""

from __future__ import annotations

from collections.abc import Callable

from automat import TypeMachine, TypeMachineBuilder
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smartmob.documents import Restart, State
from smartmob.events import NOTHING, About, Topic
from smartmob.inputs import Supervision
from smartmob.launch.interfaces import Command
from smartmob.refusals import UnknownProcess
from smartmob.restart import SPACING, Again, GiveUp
from smartmob.run import Ending, Run
from smartmob.source.errors import SourceRefused, SourceUnavailable
from smartmob.supervised import Supervised

_log = Logger()

Cancel = Callable[[], None]
"""What a state that waits for something holds: how to wait for it no longer."""


def build() -> TypeMachine[Supervision, Supervised]:
    """
    The machine: read it from top to bottom as the life of a process.
    """
    b = TypeMachineBuilder(Supervision, Supervised)

    def onward(k: Supervision, core: Supervised) -> None:
        if core.command is None:
            k._go_source()
        else:
            k._go_run()

    # What is true on entering a state, and what it has to hold on to.

    def source(k: Supervision, core: Supervised) -> Cancel:
        core.show(State.PENDING)
        core.gone.fire()
        abandoned = False

        def abandon() -> None:
            nonlocal abandoned
            abandoned = True
            work.cancel()

        def come(command: Command) -> None:
            if not abandoned:
                k._sourced(command)

        def failed(failure: Failure) -> None:
            if not abandoned:
                k._unsourced(failure)

        work = core.recipe.prepare(core.show)
        work.addCallbacks(come, failed)
        work.addErrback(lambda f: _log.failure("supervising {slug}", f, slug=core.slug))
        return abandon

    def wait(k: Supervision, core: Supervised, delay: float, reason: str) -> Cancel:
        reason = f"{reason}; trying again in {delay:.2g} s"
        core.show(State.BACKOFF, reason, at_once=delay <= SPACING)
        core.arrived()
        cancel: Cancel = core.clock.callLater(delay, k._elapsed).cancel
        return cancel

    def sweep(k: Supervision, core: Supervised, ending: Ending) -> Cancel:
        core.leader_gone(ending)
        # Mostly the tree is gone with its leader, which is told in the same turn.
        cancel: Cancel = core.clock.callLater(0, k._lingers).cancel
        return cancel

    poised = b.state("poised")
    sourcing = b.state("sourcing", source)
    waiting = b.state("waiting", wait)
    starting = b.state("starting")
    running = b.state("running")
    sweeping = b.state("sweeping", sweep)
    lingering = b.state("lingering")
    stopping = b.state("stopping")
    restarting = b.state("restarting")
    deleting = b.state("deleting")
    stopped = b.state("stopped")
    failed = b.state("failed")
    discarding = b.state("discarding")
    deleted = b.state("deleted")

    poised.upon(Supervision._go_source).to(sourcing).returns(None)
    poised.upon(Supervision._go_wait).to(waiting).returns(None)

    @poised.upon(Supervision._go_run).to(starting)
    def run(k: Supervision, core: Supervised) -> None:
        if core.program is None:
            assert core.command is not None
            core.program = core.launcher.program(core.command)
        # Before all else: of this run nothing is told within the call.
        core.program.run(Run(k, core.console, core.recipe.streams))
        core.tell_over()
        core.show(State.STARTING)
        core.gone.fire()

    @poised.upon(Supervision._go_rest).to(stopped)
    def rest(k: Supervision, core: Supervised) -> None:
        core.dismiss()
        core.show(State.STOPPED)
        core.halted()
        core.arrived()

    @poised.upon(Supervision._go_fail).to(failed)
    def fail(k: Supervision, core: Supervised, reason: str) -> None:
        if core.tree_left() is None:
            core.dismiss()  # else it is needed to try once more to end what is left
        core.show(State.FAILED, reason)
        core.console.say(reason)
        core.emit(Topic.FAIL, About(reason=reason))
        core.arrived()

    @poised.upon(Supervision._go_discard).to(discarding)
    def discard(k: Supervision, core: Supervised) -> None:
        core.show(State.STOPPING)
        core.halted()
        core.arrived()
        core.dismiss()
        work = Deferred.fromCoroutine(core.discard())
        work.addCallbacks(lambda _: k._discarded(), lambda f: k._not_discarded(f.value))

    @discarding.upon(Supervision._not_discarded).to(poised)
    def known_still(k: Supervision, core: Supervised, error: Exception) -> None:
        core.deleted.fail(error)
        k._go_rest()

    # From nothing to a command.

    @poised.upon(Supervision.start).loop()
    @poised.upon(Supervision.restart).loop()
    def begin(k: Supervision, core: Supervised) -> None:
        core.set_going()
        onward(k, core)

    @poised.upon(Supervision.stop).loop()
    def never_begin(k: Supervision, core: Supervised) -> None:
        k._go_rest()

    @poised.upon(Supervision.delete).loop()
    def never_was(k: Supervision, core: Supervised) -> None:
        k._go_discard()

    @sourcing.upon(Supervision._sourced).to(poised)
    def equipped(k: Supervision, core: Supervised, cancel: Cancel, command: Command) -> None:
        core.equip(command)
        k._go_run()

    @sourcing.upon(Supervision._unsourced).to(poised)
    def no_source(k: Supervision, core: Supervised, cancel: Cancel, failure: Failure) -> None:
        match failure.value:
            case SourceUnavailable() as error:
                core.console.say(error.reason)
                k._go_wait(core.next_try(error.retry_after), error.reason)
            case SourceRefused() as error:
                k._go_fail(error.reason)
            case _:
                _log.failure("preparing {slug}", failure, slug=core.slug)
                k._go_fail("the agent failed to prepare it; its log says why")

    sourcing.upon(Supervision.start, nodata=True).loop().returns(None)

    # From a command to a program, and back.

    @starting.upon(Supervision._executed).to(running)
    def up(k: Supervision, core: Supervised) -> None:
        core.begun()
        core.show(State.RUNNING)
        core.settled.fire()

    starting.upon(Supervision.start).loop().returns(None)
    running.upon(Supervision.start).loop().returns(None)

    running.upon(Supervision._exited).to(sweeping).returns(None)

    @sweeping.upon(Supervision._lingers).to(lingering)
    def leaderless(k: Supervision, core: Supervised, cancel: Cancel) -> None:
        core.show(State.STOPPING)

    def unplanned(k: Supervision, core: Supervised, ending: Ending) -> None:
        ran = core.over(ending)
        left = core.tree_left()
        following = GiveUp(str(left)) if left is not None else core.next_after(ending, ran)
        if isinstance(following, Again):
            core.begins_again()
        elif following is None or core.definition.restart_rule is Restart.NEVER:
            core.ran_its_course()
        if following == Again(0) and core.command is not None:
            k._go_run()  # which tells
            return
        core.tell_over()
        match following:
            case None:
                core.going = False  # as it wished itself
                k._go_rest()
            case GiveUp(reason=reason):
                k._go_fail(reason)
            case Again(delay=delay, flapping=flapping):
                if flapping:
                    core.emit(Topic.FLAP, NOTHING)
                if delay:
                    k._go_wait(delay, str(ending))
                else:
                    onward(k, core)

    starting.upon(Supervision._ended).to(poised)(unplanned)
    running.upon(Supervision._ended).to(poised)(unplanned)
    lingering.upon(Supervision._ended).to(poised)(unplanned)

    @sweeping.upon(Supervision._ended).to(poised)
    def swept(k: Supervision, core: Supervised, cancel: Cancel, ending: Ending) -> None:
        cancel()
        unplanned(k, core, ending)

    @waiting.upon(Supervision._elapsed).to(poised)
    def again(k: Supervision, core: Supervised, cancel: Cancel) -> None:
        onward(k, core)

    # The operator's verbs, where nothing runs.

    for pending in (sourcing, waiting):

        @pending.upon(Supervision.stop).to(poised)
        def stop_waiting(k: Supervision, core: Supervised, cancel: Cancel) -> None:
            core.forget()
            cancel()
            k._go_rest()

        @pending.upon(Supervision.delete).to(poised)
        def delete_waiting(k: Supervision, core: Supervised, cancel: Cancel) -> None:
            core.forget()
            cancel()
            k._go_discard()

        @pending.upon(Supervision.restart).to(poised)
        def start_over(k: Supervision, core: Supervised, cancel: Cancel) -> None:
            core.forget()
            cancel()
            onward(k, core)

    waiting.upon(Supervision.start).to(poised)(start_over)

    for down in (stopped, failed):

        @down.upon(Supervision.start).to(poised)
        @down.upon(Supervision.restart).to(poised)
        def start_anew(k: Supervision, core: Supervised) -> None:
            core.forget()
            core.set_going()
            onward(k, core)

        @down.upon(Supervision.stop).to(poised)
        def stop_down(k: Supervision, core: Supervised) -> None:
            if core.tree_left() is None:
                k._go_rest()
            else:
                k._go_stop_left()

        @down.upon(Supervision.delete).to(poised)
        def delete_down(k: Supervision, core: Supervised) -> None:
            if core.tree_left() is None:
                k._go_discard()
            else:
                k._go_delete_left()

    @poised.upon(Supervision._go_stop_left).to(stopping)
    @poised.upon(Supervision._go_delete_left).to(deleting)
    def try_again(k: Supervision, core: Supervised) -> None:
        core.show(State.STOPPING)
        assert core.program is not None
        core.program.endLeft().addCallback(lambda left: k._ended(Ending(left=left)))

    # The operator's verbs, where something runs.

    def end(k: Supervision, core: Supervised) -> None:
        core.forget()
        core.show(State.STOPPING)
        core.asked_to_end()
        assert core.program is not None
        core.program.stop(core.definition.graceful_timeout)
        # It can't end well while it waits for a reader.
        core.program.resumeOutput()

    def end_later(k: Supervision, core: Supervised) -> None:
        core.forget()

    def end_now(k: Supervision, core: Supervised, cancel: Cancel) -> None:
        core.forget()
        core.show(State.STOPPING)
        cancel()

    for verb, goal in (
        (Supervision.stop, stopping),
        (Supervision.restart, restarting),
        (Supervision.delete, deleting),
    ):
        starting.upon(verb).to(goal)(end)
        running.upon(verb).to(goal)(end)
        sweeping.upon(verb).to(goal)(end_now)
        lingering.upon(verb).to(goal)(end_later)
    sweeping.upon(Supervision.start, nodata=True).loop().returns(None)
    lingering.upon(Supervision.start).to(restarting)(end_later)

    # While it is being stopped, the last verb wins; but a delete is final.

    stopping.upon(Supervision.stop).loop().returns(None)
    stopping.upon(Supervision.start).to(restarting).returns(None)
    stopping.upon(Supervision.restart).to(restarting).returns(None)
    stopping.upon(Supervision.delete).to(deleting).returns(None)
    restarting.upon(Supervision.stop).to(stopping).returns(None)
    restarting.upon(Supervision.start).loop().returns(None)
    restarting.upon(Supervision.restart).loop().returns(None)
    restarting.upon(Supervision.delete).to(deleting).returns(None)

    @stopping.upon(Supervision._executed).loop()
    @restarting.upon(Supervision._executed).loop()
    @deleting.upon(Supervision._executed).loop()
    def too_late(k: Supervision, core: Supervised) -> None:
        core.begun()
        core.asked_to_end()

    @stopping.upon(Supervision._exited).loop()
    @restarting.upon(Supervision._exited).loop()
    @deleting.upon(Supervision._exited).loop()
    def note(k: Supervision, core: Supervised, ending: Ending) -> None:
        core.leader_gone(ending)

    def none_is_left(k: Supervision, core: Supervised, ending: Ending) -> bool:
        core.concluded(ending)
        left = core.tree_left()
        if left is None:
            return True
        core.gone.fail(left)
        core.deleted.fail(left)
        k._go_fail(str(left))
        return False

    @stopping.upon(Supervision._ended).to(poised)
    def then_rest(k: Supervision, core: Supervised, ending: Ending) -> None:
        if none_is_left(k, core, ending):
            k._go_rest()

    @restarting.upon(Supervision._ended).to(poised)
    def then_start(k: Supervision, core: Supervised, ending: Ending) -> None:
        if none_is_left(k, core, ending):
            core.halted()
            core.set_going()
            onward(k, core)

    @deleting.upon(Supervision._ended).to(poised)
    def then_discard(k: Supervision, core: Supervised, ending: Ending) -> None:
        if none_is_left(k, core, ending):
            k._go_discard()

    @deleting.upon(Supervision.start).loop()
    @deleting.upon(Supervision.restart).loop()
    @discarding.upon(Supervision.start).loop()
    @discarding.upon(Supervision.restart).loop()
    @deleted.upon(Supervision.start).loop()
    @deleted.upon(Supervision.restart).loop()
    def refuse(k: Supervision, core: Supervised) -> None:
        raise UnknownProcess(f"{core.slug} is being deleted")

    for over in (deleting, discarding, deleted):
        over.upon(Supervision.delete).loop()(lambda *_: None)
    deleting.upon(Supervision.stop).loop().returns(None)

    @discarding.upon(Supervision.stop).loop()
    @deleted.upon(Supervision.stop).loop()
    def already_gone(k: Supervision, core: Supervised) -> None:
        core.gone.fire()

    @discarding.upon(Supervision._discarded).to(deleted)
    def nothing_left(k: Supervision, core: Supervised) -> None:
        core.console.deleted()
        core.forgotten()
        core.emit(Topic.DELETE, NOTHING)
        core.deleted.fire()

    return b.build()


supervise = build()
