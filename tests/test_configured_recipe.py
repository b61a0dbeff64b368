"""
Tests of L{smartmob.configured_recipe}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smartmob.configured_recipe import ConfiguredRecipe, replaced
from smartmob.documents import Limits
from smartmob.launch.interfaces import Command
from smartmob.templates import Configured, Identity

AGENTS = {
    "PATH": "/usr/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "LANG": "C",
}


def recipe(**said: Any) -> ConfiguredRecipe:
    """
    That of a process of which this was said.
    """
    given = {"cmd": "./dummy.py", "cwd": "/srv", **said}
    definition = Configured(app="default", node="dummy.3", process_type="dummy", **given)
    return ConfiguredRecipe(definition, AGENTS, 20_001)


class ConfiguredRecipeTests(SynchronousTestCase):
    """
    What is executed.
    """

    def command(self, **said: Any) -> Command:
        """
        That of a process of which this was said.
        """
        return self.successResultOf(recipe(**said).prepare(lambda state: None))

    def test_words(self) -> None:
        """Command and arguments are split as a shell splits words."""
        command = self.command(cmd="./a 'b c'", args='"d e" f\\ g')
        self.assertEqual(command.argv, ("./a", "b c", "d e", "f g"))

    def test_variables(self) -> None:
        """Variables are those of the process itself; what is split already stays whole."""
        command = self.command(
            cmd="./a --port $PORT ${NAME}s",
            args="$$HOME $nobody ${LANG} 100%",
            env={"NAME": "x y"},
        )
        self.assertEqual(
            command.argv,
            ("./a", "--port", "20001", "x ys", "$HOME", "$nobody", "C", "100%"),
        )

    def test_notReplacedTwice(self) -> None:
        """What a variable brings is not looked at again."""
        self.assertEqual(replaced("$A ${A", {"A": "$A"}), "$A ${A")

    def test_shell(self) -> None:
        """A shell gets both whole, and nothing is replaced."""
        command = self.command(cmd="echo $PORT;", args="cat 'x", shell=True)
        self.assertEqual(command.argv, ("/bin/sh", "-c", "echo $PORT; cat 'x"))
        self.assertEqual(self.command(cmd="a", shell=True).argv[2], "a")

    def test_environment(self) -> None:
        """The agent's, then what the agent says, then its own, which wins."""
        env = self.command(env={"LANG": "de", "DYNO": "mine"}).env
        self.assertEqual(env["LANG"], "de")
        self.assertEqual(env["DYNO"], "mine")
        self.assertEqual(env["PS"], "dummy.3")
        self.assertEqual(env["PORT"], "20001")
        self.assertEqual(env["SMARTMOB_SLUG"], "default.dummy.3")
        self.assertEqual(env["PATH"], "/usr/bin")

    def test_bareEnvironment(self) -> None:
        """Without C{os_env} it gets what it can't do without, and its own."""
        env = self.command(os_env=False, env={"MINE": "1"}).env
        self.assertEqual(
            set(env),
            {"PATH", "HOME", "USER", "LOGNAME", "PORT", "PS", "DYNO", "MINE"}
            | {"SMARTMOB_APP", "SMARTMOB_NODE", "SMARTMOB_SLUG"},
        )

    def test_identity(self) -> None:
        """Another user has another home, also where the agent's environment is not seen."""
        who = Identity(uid=33, gid=34, groups=(34, 35), name="www", home="/var/www")
        for os_env in (True, False):
            command = self.command(identity=who, os_env=os_env)
            self.assertEqual((command.uid, command.gid, command.groups), (33, 34, (34, 35)))
            names = [command.env[name] for name in ("HOME", "USER", "LOGNAME")]
            self.assertEqual(names, ["/var/www", "www", "www"])

    def test_namelessIdentity(self) -> None:
        """A number without a name has nobody's home."""
        env = self.command(identity=Identity(uid=4_000, gid=4_000)).env
        self.assertEqual({"HOME", "USER", "LOGNAME"} & set(env), set())

    def test_theRest(self) -> None:
        """All else is as it was said."""
        command = self.command(
            stop_signal=2,
            umask=0o077,
            nice=5,
            no_new_privileges=True,
            limits=Limits(open_files=64),
            redirect_input=True,
        )
        self.assertEqual((command.stop_signal, command.grace), (2, 30.0))
        self.assertEqual((command.umask, command.nice), (0o077, 5))
        self.assertTrue(command.no_new_privileges)
        self.assertEqual(command.rlimits, {"RLIMIT_NOFILE": (64, 64)})
        self.assertTrue(command.redirect_input)

    def test_streams(self) -> None:
        """Two labels are two streams, the same twice is one pipe, one discards the other."""
        self.assertFalse(self.command(streams=("out", "err")).merge_output)
        self.assertTrue(self.command(streams=("out", "out")).merge_output)
        discarding = recipe(streams=("out", None))
        self.assertEqual(discarding.streams, ("out", None))
        self.assertFalse(self.command(streams=("out", None)).merge_output)

    def test_discard(self) -> None:
        """Nothing is left of it."""
        self.assertIsNone(self.successResultOf(recipe().discard()))
