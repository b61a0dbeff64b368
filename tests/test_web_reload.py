"""
Tests of L{smartmob.web.reload}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Mistake
from smartmob.refusals import TreeLeft
from smartmob.reloading import NotReloaded, Outcome
from smartmob.web.reload import Reloads
from smartmob.web.root import make_site
from tests.support.agents import FakeAgent
from tests.support.httpwire import Wire


class ReloadTests(SynchronousTestCase):
    """
    POST /reload.
    """

    def setUp(self) -> None:
        self.done: Deferred[None] = Deferred()
        self.refused: NotReloaded | None = None
        self.asked = 0
        self.site = make_site(FakeAgent().real, Clock(), families=[Reloads(self.reload)])

    def reload(self) -> Outcome:
        """
        As the agent would.
        """
        self.asked += 1
        if self.refused is not None:
            raise self.refused
        return Outcome(
            started=("default.a.0",),
            restarted=("default.b.0",),
            stopped=("default.c.0",),
            warnings=("gaffer.ini:3: odd",),
            done=self.done,
        )

    def post(self, path: str = "/reload", body: str = "{}") -> Wire:
        """
        Ask for it.
        """
        wire = Wire(self.site)
        wire.request("POST", path, body, "Content-Type: application/json")
        return wire

    def test_reload(self) -> None:
        """The answer says what was done, once it is."""
        wire = self.post()
        self.assertEqual(wire.answers(), [])
        self.done.callback(None)
        answer = wire.answer()
        self.assertEqual(answer.status, 200)
        self.assertEqual(
            answer.json(),
            {
                "started": ["default.a.0"],
                "restarted": ["default.b.0"],
                "stopped": ["default.c.0"],
                "warnings": ["gaffer.ini:3: odd"],
            },
        )

    def test_noWait(self) -> None:
        """Who does not want to wait is told what is being done."""
        answer = self.post("/reload?wait=0").answer()
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.json()["stopped"], ["default.c.0"])

    def test_mistakes(self) -> None:
        """Everything that is wrong in the file is named at once."""
        self.refused = NotReloaded(
            [
                Mistake(file="g.ini", line=3, section="process:a", key="nice", why="is 99"),
                Mistake(file="g.ini", line=5, section="process:b", why="needs cmd"),
                Mistake(file="g\n.ini", why="has no end: x\n"),
                "127.0.0.1:80: the port is taken",
            ]
        )
        answer = self.post().answer()
        self.assertEqual((answer.status, answer.json()["code"]), (400, "invalid-document"))
        self.assertEqual(
            answer.json()["errors"],
            [
                {"field": "g.ini:3: [process:a] nice", "message": "is 99"},
                {"field": "g.ini:5: [process:b]", "message": "needs cmd"},
                {"field": "g\N{REPLACEMENT CHARACTER}.ini", "message": "has no end: x\n"},
                {"field": "", "message": "127.0.0.1:80: the port is taken"},
            ],
        )
        self.assertEqual(
            answer.json()["detail"],
            "nothing was changed, since g.ini:3: [process:a] nice: is 99",
        )
        self.assertEqual(self.refused.mistakes[1], "g.ini:5: [process:b] needs cmd")

    def test_left(self) -> None:
        """Where something could not be ended, that is the answer."""
        wire = self.post()
        self.done.errback(TreeLeft("init (pid 1)"))
        self.assertEqual(wire.answer().status, 500)

    def test_badRequest(self) -> None:
        """A wrong request reads nothing."""
        for path, body in (
            ("/reload?wait=2", "{}"),
            ("/reload", '{"x": 1}'),
            ("/reload", "[]"),
        ):
            self.assertEqual(self.post(path, body).answer().status, 400)
        self.assertEqual(self.asked, 0)
