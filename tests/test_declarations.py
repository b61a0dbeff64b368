"""
Templates of the file and of clients.
"""

from __future__ import annotations

from attrs import evolve

from smartmob.refusals import SlugInUse, TooManyProcesses, UnknownProcess
from smartmob.templates import Template
from tests.support.gafferd import DUMMY, ECHO, GafferdTestCase


def changed(template: Template, cmd: str) -> Template:
    """
    The same with another command.
    """
    return evolve(template, model=evolve(template.model, cmd=cmd))


class DeclarationsTests(GafferdTestCase):
    """
    An agent whose templates change.
    """

    def commands(self) -> list[str]:
        """
        What runs.
        """
        self.up()
        return sorted(program.command.argv[0] for program in self.programs)

    def test_added(self) -> None:
        """
        What a client added survives a reload.
        """
        self.load(DUMMY)
        self.declarations.add(ECHO)
        self.assertEqual(self.commands(), ["./dummy.py", "./echo.py"])
        pids = [program.pid for program in self.programs]
        self.load(DUMMY)
        self.assertEqual([program.pid for program in self.programs], pids)
        self.load()
        self.assertEqual(self.commands(), ["./echo.py"])

    def test_addedAndInFile(self) -> None:
        """
        The file wins over what was added before, and keeps it from then on.
        """
        self.declarations.add(ECHO)
        self.load(changed(ECHO, "./file.py"))
        self.assertEqual(self.commands(), ["./file.py"])
        self.load()
        self.assertEqual(self.commands(), [])

    def test_removed(self) -> None:
        """
        What a client removed stays away until its section changes.
        """
        self.load(DUMMY, ECHO)
        self.declarations.remove("default.dummy")
        self.assertEqual(self.commands(), ["./echo.py"])
        self.load(DUMMY, ECHO)
        self.assertEqual(self.commands(), ["./echo.py"])
        self.load(changed(DUMMY, "./other.py"), ECHO)
        self.assertEqual(self.commands(), ["./echo.py", "./other.py"])

    def test_removedAndBack(self) -> None:
        """
        What was removed can be added again, also as it was.
        """
        self.load(DUMMY)
        self.declarations.remove("default.dummy")
        self.declarations.add(DUMMY)
        self.assertEqual(self.commands(), ["./dummy.py"])
        self.load(changed(DUMMY, "./other.py"))
        self.assertEqual(self.commands(), ["./other.py"])

    def test_changed(self) -> None:
        """
        What a client changed stays so until its section changes.
        """
        self.load(DUMMY)
        self.declarations.change(changed(DUMMY, "./mine.py"))
        self.assertEqual(self.commands(), ["./mine.py"])
        self.load(DUMMY, ECHO)
        self.assertEqual(self.commands(), ["./echo.py", "./mine.py"])
        self.load(changed(DUMMY, "./theirs.py"))
        self.assertEqual(self.commands(), ["./theirs.py"])

    def test_refused(self) -> None:
        """
        What can't be done changes nothing.
        """
        self.load(DUMMY)
        self.assertRaises(SlugInUse, self.declarations.add, DUMMY)
        self.assertRaises(UnknownProcess, self.declarations.change, ECHO)
        self.assertRaises(UnknownProcess, self.declarations.remove, "default.echo")
        self.agent.most_processes = 2
        many = evolve(ECHO, numprocesses=2)
        self.assertRaises(TooManyProcesses, self.declarations.add, many)
        self.assertEqual([each.name for each in self.declarations.all()], ["default.dummy"])
        self.declarations.add(ECHO)

    def test_bound(self) -> None:
        """
        There are no more templates than processes might be, also where they have none.
        """
        self.agent.most_processes = 2
        self.load(DUMMY)
        none = evolve(ECHO, numprocesses=0)
        self.declarations.add(none)
        more = evolve(none, model=evolve(ECHO.model, process_type="more", node="more.0"))
        self.assertRaises(TooManyProcesses, self.declarations.add, more)
        self.declarations.change(ECHO)
        self.declarations.remove(ECHO.name)
        self.declarations.add(more)

    def test_planned(self) -> None:
        """
        What is only planned is not done.
        """
        self.load(DUMMY)
        self.declarations.plan([ECHO])
        self.assertEqual(self.declarations.all(), [DUMMY])
