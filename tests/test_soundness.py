"""
Tests of L{smartmob.soundness}: where the reason is that something can't be listened on.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from shutil import rmtree
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Configuration, Mistake
from smartmob.config.load import default, load
from smartmob.config.overrides import Overrides
from smartmob.endpoints import CantListen, Endpoints
from smartmob.soundness import located

NOTHING = Overrides()
FILE = """\
[smartmob]
http_endpoints = good, bad

[endpoint:good]
bind = 127.0.0.1:0

[endpoint:bad]
"""


class LocatedTests(SynchronousTestCase):
    """
    L{located}.
    """

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.path = self.folder / "agent.ini"

    def refused(self, configuration: Configuration) -> CantListen:
        """
        Why its endpoints can't be listened on.
        """
        installed: Any = reactor
        endpoints = Endpoints(installed, installed, lambda _: Factory(), lambda inner: inner)
        self.addCleanup(endpoints.close)
        refused = self.assertRaises(CantListen, endpoints.prepare, configuration.endpoints)
        assert isinstance(refused, CantListen)
        return refused

    def said(self, keys: str) -> str:
        """
        Why the second endpoint of a file can't be, if it has these keys.
        """
        self.path.write_text(FILE + keys)
        configuration = load(str(self.path), NOTHING)
        return str(located(configuration, self.refused(configuration)))

    def test_bind(self) -> None:
        """What is wrong with an address is said with file, line, section and key."""
        (self.folder / "file").write_text("")
        number = os.open("/dev/null", os.O_RDONLY)
        self.addCleanup(os.close, number)
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        for address, why in (
            (f"fd:{number}", "is no socket"),
            ("no.such.host.invalid:80", "can't be looked up"),
            ("tcp:x", "is no address"),
            (f"127.0.0.1:{port}", "Address already in use"),
            ("0.0.0.0:0", "can be reached from other machines"),
            ("unix:file", "is there and is no socket"),
        ):
            said = self.said(f"# where it is\nbind = {address}\n")
            self.assertTrue(said.startswith(f"{self.path}:9: [endpoint:bad] bind: "), said)
            self.assertIn(why, said)

    def test_certificates(self) -> None:
        """A file of a certificate is said with the key that names it."""
        (self.folder / "cert.pem").write_text("none")
        said = self.said("bind = 127.0.0.1:0\ncertfile = cert.pem\n")
        self.assertEqual(
            said,
            f"{self.path}:9: [endpoint:bad] certfile: {self.folder}/cert.pem: has no "
            "certificate in PEM form",
        )

    def test_gone(self) -> None:
        """A section that is in the file no more is named all the same."""
        self.path.write_text(FILE + "bind = tcp:x\n")
        configuration = load(str(self.path), NOTHING)
        refused = self.refused(configuration)
        self.path.unlink()
        mistake = located(configuration, refused)
        assert isinstance(mistake, Mistake)
        self.assertEqual(mistake.where, f"{self.path}: [endpoint:bad] bind")

    def test_commandLine(self) -> None:
        """What is of no file is said without a place."""
        configuration = default(Overrides(bind=("tcp:x",)))
        refused = self.refused(configuration)
        self.assertEqual(located(configuration, refused), refused.why)
        self.assertTrue(refused.why.startswith("'tcp:x' is no address"))
