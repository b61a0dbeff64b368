"""
Tests of L{smartmob.source_recipe}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import CreateRequest, Limits, State
from smartmob.environment import inheritable
from smartmob.launch.interfaces import Command
from smartmob.source.errors import SourceRefused
from smartmob.source.release import Release
from smartmob.source_recipe import SourceRecipe
from smartmob.templates import Identity
from tests.support.releasing import FakeSources
from tests.support.stage import REQUEST


class SourceRecipeTests(SynchronousTestCase):
    """
    From a release to a command.
    """

    def setUp(self) -> None:
        self.sources = FakeSources(at_once=True)
        self.states: list[State] = []

    def recipe(self, request: CreateRequest = REQUEST) -> SourceRecipe:
        """
        A recipe for a request.
        """
        inherited = {"PATH": "/bin", "A": "agent", "PORT": "1", "LANG": "C"}
        return SourceRecipe(request, self.sources.real, inherited, 20001, "id-1")

    def command(self, request: CreateRequest = REQUEST) -> Command:
        """
        What is executed for a request.
        """
        return self.successResultOf(self.recipe(request).prepare(self.states.append))

    def refused(self, request: CreateRequest = REQUEST) -> str:
        """
        Why nothing can be executed for a request; nothing is kept then.
        """
        failure = self.failureResultOf(self.recipe(request).prepare(self.states.append))
        failure.trap(SourceRefused)
        self.assertEqual(self.sources.dropped, [request.slug])
        return str(failure.value)

    def test_plainWords(self) -> None:
        """A command of plain words is executed without a shell."""
        self.assertEqual(self.command().argv, ("./web", "--fast"))
        self.assertEqual(self.sources.asked, [(REQUEST.source_url, "id-1")])

    def test_shell(self) -> None:
        """Any other goes to the shell as it stands."""
        self.sources.procfile = b"web: exec ./web $PORT | tee 'a b'\n"
        argv = self.command().argv
        self.assertEqual(argv, ("/bin/sh", "-c", "exec ./web $PORT | tee 'a b'"))

    def test_environment(self) -> None:
        """Later wins: agent, .env, smartmob's own, Procfile, request."""
        self.sources.dotenv = b"A=dotenv\nB=dotenv\nC=dotenv\nD=dotenv\nPS=dotenv\n"
        self.sources.procfile = b"web: C=procfile D=procfile ./web\n"
        env = self.command(evolve(REQUEST, env={"D": "request"})).env
        self.assertEqual(
            env,
            {
                "PATH": "/bin",
                "LANG": "C",
                "A": "dotenv",
                "B": "dotenv",
                "C": "procfile",
                "D": "request",
                "PORT": "20001",
                "PS": "web.0",
                "DYNO": "web.0",
                "SMARTMOB_APP": "myapp",
                "SMARTMOB_NODE": "web.0",
                "SMARTMOB_SLUG": "myapp.web.0",
            },
        )

    def test_ownPort(self) -> None:
        """A port that is set in the Procfile or the request is the one that is used."""
        self.sources.procfile = b"web: PORT=80 ./web\n"
        self.assertEqual(self.command().env["PORT"], "80")
        self.assertEqual(self.command(evolve(REQUEST, env={"PORT": "81"})).env["PORT"], "81")
        self.sources.dotenv = b"PORT=82\n"
        self.sources.procfile = b"web: ./web\n"
        self.assertEqual(self.command().env["PORT"], "20001")

    def test_limits(self) -> None:
        """Limits are those of setrlimit(2), and the rest goes along as it is."""
        command = self.command(
            evolve(
                REQUEST,
                limits=Limits(open_files=64, core_bytes=0),
                stop_signal=2,
                graceful_timeout=1.5,
                umask=0o077,
                nice=5,
                no_new_privileges=True,
                redirect_input=True,
            )
        )
        self.assertEqual(command.rlimits, {"RLIMIT_NOFILE": (64, 64), "RLIMIT_CORE": (0, 0)})
        self.assertEqual((command.stop_signal, command.grace), (2, 1.5))
        self.assertEqual((command.umask, command.nice), (0o077, 5))
        self.assertTrue(command.no_new_privileges and command.redirect_input)

    def test_defaultLimits(self) -> None:
        """A limit that was not asked for is the configured one, each by itself."""
        request = evolve(REQUEST, limits=Limits(open_files=64, core_bytes=0))
        recipe = self.recipe(request)
        recipe.limits = Limits(open_files=32, core_bytes=1, cpu_seconds=5)
        command = self.successResultOf(recipe.prepare(self.states.append))
        self.assertEqual(
            command.rlimits,
            {"RLIMIT_NOFILE": (64, 64), "RLIMIT_CORE": (0, 0), "RLIMIT_CPU": (5, 5)},
        )

    def test_identity(self) -> None:
        """A user's program has that user's groups and variables, and a release of that user."""
        who = Identity(uid=7, gid=8, groups=(8, 9), name="ada", home="/home/ada")
        recipe = self.recipe(evolve(REQUEST, env={"LOGNAME": "request"}))
        recipe.identity = who
        recipe.inherited = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "A": "1"}
        command = self.successResultOf(recipe.prepare(self.states.append))
        self.assertEqual((command.uid, command.gid, command.groups), (7, 8, (8, 9)))
        self.assertEqual(
            [command.env[name] for name in ("HOME", "USER", "LOGNAME", "A")],
            ["/home/ada", "ada", "request", "1"],
        )
        self.assertEqual(self.sources.identities, [who])

    def test_unknownUser(self) -> None:
        """A user without a name or a home has no variables of another's."""
        recipe = self.recipe()
        recipe.identity = Identity(uid=7, gid=8)
        recipe.inherited = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "A": "1"}
        env = self.successResultOf(recipe.prepare(self.states.append)).env
        self.assertEqual(env["A"], "1")
        self.assertFalse({"HOME", "USER", "LOGNAME"} & set(env))

    def test_unknownType(self) -> None:
        """A process type that the Procfile does not have is named, beside those it has."""
        why = self.refused(evolve(REQUEST, process_type="worker"))
        self.assertIn("'worker'", why)
        self.assertIn("web, clock", why)

    def test_badProcfile(self) -> None:
        """An error in the Procfile names its line."""
        self.sources.procfile = b"web: x\n\nnonsense\n"
        self.assertIn("Procfile, line 3", self.refused())

    def test_badDotenv(self) -> None:
        """An error in .env names its line."""
        self.sources.dotenv = b"A=1\nnonsense\n"
        self.assertIn(".env, line 2", self.refused())

    def test_discard(self) -> None:
        """What is discarded gives its release back, once."""
        recipe = self.recipe()
        self.successResultOf(recipe.prepare(self.states.append))
        self.successResultOf(recipe.discard())
        self.successResultOf(recipe.discard())
        self.assertEqual(self.sources.dropped, ["myapp.web.0"])

    def test_discardWaits(self) -> None:
        """A discard waits until what was abandoned is cleaned up."""
        cleaned: Deferred[None] = Deferred()
        self.sources.at_once = False

        async def fetch() -> Release:
            try:
                await Deferred()
            finally:
                await cleaned
            raise AssertionError("it was abandoned")

        self.sources.under_way = Deferred.fromCoroutine(fetch())
        recipe = self.recipe()
        prepared = recipe.prepare(self.states.append)
        prepared.cancel()
        discarded = recipe.discard()
        self.assertNoResult(prepared)
        self.assertNoResult(discarded)
        cleaned.callback(None)
        self.failureResultOf(prepared, CancelledError)
        self.successResultOf(discarded)

    def test_privateVariables(self) -> None:
        """What is between the agent and its service manager is not handed down."""
        given = {
            b"HOME": b"/",
            b"NOTIFY_SOCKET": b"x",
            b"WATCHDOG_USEC": b"1",
            b"LISTEN_FDS": b"1",
            b"SMARTMOB_URL": b"x",
            b"MAINPID": b"1",
            b"INVOCATION_ID": b"x",
            b"LISTENER": b"kept",
        }
        self.assertEqual(inheritable(given), {"HOME": "/", "LISTENER": "kept"})
