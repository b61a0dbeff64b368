"""
Tests of L{smartmob.web.serving}.
"""

from __future__ import annotations

import subprocess
import sys

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Api, Endpoint
from smartmob.declarations import Declarations
from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.serving import Serving
from smartmob.web.sockets import sockets_of
from smartmob.web.trust import Trust
from tests.support.agents import FakeAgent
from tests.support.httpwire import Wire


class ServingTests(SynchronousTestCase):
    """
    What is served where.
    """

    def setUp(self) -> None:
        agent = FakeAgent().real
        measurements = Measurements(succeed)
        sockets = sockets_of(Clock())
        self.rest = make_site(agent, Clock(), measurements=measurements, sockets=sockets)
        self.serving = Serving(self.rest, Declarations(agent), Clock(), measurements, sockets)

    def endpoint(self, api: Api, name: str = "a") -> Endpoint:
        """
        One that offers an interface.
        """
        return Endpoint(name=name, bind=("127.0.0.1:0",), api=api)

    def test_interfaces(self) -> None:
        """Each endpoint has what it offers, and no other of the same has another site."""
        for api, index, listing in (
            (Api.SMARTMOB, 404, 200),
            (Api.GAFFERD, 200, 404),
            (Api.BOTH, 200, 200),
        ):
            site = self.serving.on(self.endpoint(api))
            self.assertIs(self.serving.on(self.endpoint(api, "b")), site)
            self.assertEqual(Wire(site).ask("GET", "/processes").status, index, api)
            self.assertEqual(Wire(site).ask("GET", "/list-processes").status, listing, api)

    def test_trust(self) -> None:
        """Who is trusted is the same everywhere, wherever that is said first."""
        early = self.serving.on(self.endpoint(Api.GAFFERD))
        self.serving.settle(Trust(hosts=frozenset({"agent.example"})))
        late = self.serving.on(self.endpoint(Api.BOTH))
        for site in (self.rest, early, late):
            self.assertEqual(Wire(site).ask("GET", "/ping", host="agent.example").status, 200)

    def test_notImported(self) -> None:
        """What few endpoints offer is not imported for those that do not."""
        script = "import sys, smartmob.tap; print('smartmob.web.gaffer' in sys.modules)"
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        self.assertEqual(said.stdout, "False\n")
