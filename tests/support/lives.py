"""
What events may tell of the life of one process.
"""

from __future__ import annotations

from attrs import define

from smartmob.events import Event, Topic


@define
class Life:
    """
    Told the events of a process in their order, fails where one does not fit.

    @ivar pid: Of the program whose tree is there, if there is one.
    """

    last_id: int = 0
    going: bool = False
    pid: int | None = None
    exited: bool = False
    over: bool = False

    def tell(self, event: Event) -> None:
        """
        The next one.
        """
        assert event.id == self.last_id + 1, "numbers have no gaps"
        assert not self.over, "nothing follows a delete"
        self.last_id = event.id
        about = event.about
        match event.topic:
            case Topic.START:
                assert self.pid is None
                self.going = True
            case Topic.SPAWN:
                assert self.pid is None, "one tree at a time"
                assert about.pid is not None
                self.pid, self.exited = about.pid, False
            case Topic.STOP_PID:
                assert about.pid == self.pid is not None
                assert not self.exited
            case Topic.EXIT:
                assert about.pid == self.pid is not None
                assert not self.exited, "an end is told once"
                assert about.exit_status is not None
                assert about.term_signal is not None
                self.exited = True
            case Topic.REAP:
                assert about.pid == self.pid is not None
                assert self.exited, "an end comes before the end of what is left"
                assert about.killed is not None
                self.pid = None
            case Topic.STOP:
                assert self.going, "only what was set going is stopped"
                assert self.pid is None
                self.going = False
            case Topic.FLAP:
                assert self.going
                assert self.pid is None
            case Topic.FAIL:
                assert about.reason
            case Topic.DELETE:
                assert self.pid is None
                assert not self.going
                self.over = True
