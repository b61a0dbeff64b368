"""
Tests of L{smartmob.handed_down}, and of where the agent listens then.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smartmob.address import BadAddress, check_form
from smartmob.config.configuration import Endpoint
from smartmob.config.endpoints import chosen
from smartmob.config.findings import Findings
from smartmob.config.load import default
from smartmob.config.overrides import Overrides
from smartmob.handed_down import HandedDown, NoSuchSocket
from smartmob.soundness import unsound

TWO = HandedDown(("api", "local"))


class HandedDownTests(SynchronousTestCase):
    """
    What the environment says, and which one an address means.
    """

    def test_environment(self) -> None:
        """
        There are as many as it says, with the names it says, if it says so to this process.
        """
        said = {"LISTEN_PID": "5", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "api:local"}
        self.assertEqual(HandedDown.to(5, said), TWO)
        self.assertEqual(HandedDown.to(6, said), HandedDown())
        self.assertEqual(HandedDown.to(5, {}), HandedDown())
        self.assertEqual(HandedDown.to(5, {**said, "LISTEN_FDS": "-1"}), HandedDown())

    def test_unnamed(self) -> None:
        """
        Without names they have numbers all the same.
        """
        self.assertEqual(
            HandedDown.to(5, {"LISTEN_PID": "5", "LISTEN_FDS": "2"}), HandedDown(("", ""))
        )

    def test_addresses(self) -> None:
        """
        They are called by number or name, with a domain or without, as Twisted has it.
        """
        for text in (
            "systemd:index=1",
            "systemd:name=local",
            "systemd:domain=UNIX:index=1",
            "systemd:domain=INET:name=local",
            "systemd:index=1:domain=INET6",
            "systemd:INET:1",
            "systemd:1",
        ):
            check_form(text)
            self.assertEqual(TWO.number(text), 4, text)

    def test_forms(self) -> None:
        """
        What is of another form is refused before it is looked for.
        """
        for text in (
            "systemd:",
            "systemd:domain=INET",
            "systemd:domain=TCP:index=0",
            "systemd:index=0:name=api",
            "systemd:index=0:index=1",
            "systemd:index=-1",
            "systemd:index=one",
            "systemd:index=1:colour=red",
            "systemd:name=",
        ):
            error = self.assertRaises(BadAddress, check_form, text)
            self.assertIn("systemd:name=NAME", str(error))

    def test_notThere(self) -> None:
        """
        One that was not handed down is refused, with those that were.
        """
        for text, why in (
            ("systemd:index=2", "the last one that systemd has handed down is 1"),
            ("systemd:name=tls", "those that systemd has handed down are called api, local"),
        ):
            error = self.assertRaises(NoSuchSocket, TWO.number, text)
            self.assertEqual(str(error), why)
        error = self.assertRaises(NoSuchSocket, HandedDown().number, "systemd:index=0")
        self.assertIn("no socket", str(error))

    def test_sameName(self) -> None:
        """
        Where several have a name, it is not guessed which one is meant.
        """
        error = self.assertRaises(
            NoSuchSocket, HandedDown(("api", "api")).number, "systemd:name=api"
        )
        self.assertIn("systemd:index=0 and systemd:index=1", str(error))


class ChosenTests(SynchronousTestCase):
    """
    Where an agent listens to which sockets were handed down.
    """

    def chosen(self, *of_file: Endpoint, bind: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """
        The addresses of each endpoint; what is odd is in C{self.warnings} then.
        """
        findings = Findings()
        found = chosen(of_file, "127.0.0.1:8080", 5, Overrides(bind=bind), findings, TWO)
        self.warnings = findings.told()
        return [endpoint.bind for endpoint in found]

    def test_default(self) -> None:
        """
        Where nothing is said, it is on all of them.
        """
        self.assertEqual(self.chosen(), [("systemd:index=0", "systemd:index=1")])
        self.assertEqual(self.warnings, ())

    def test_file(self) -> None:
        """
        What the file says goes, and a socket that it does not name is warned of.
        """
        endpoint = Endpoint(name="x", bind=("systemd:name=local", "127.0.0.1:0"))
        self.assertEqual(self.chosen(endpoint), [endpoint.bind])
        [warning] = self.warnings
        self.assertIn("systemd:index=0", warning)

    def test_commandLine(self) -> None:
        """
        So does what the command line says; by a descriptor's number a socket is named as well.
        """
        self.assertEqual(self.chosen(bind=("fd:3", "fd:4")), [("fd:3", "fd:4")])
        self.assertEqual(self.warnings, ())
        self.assertEqual(self.chosen(bind=("127.0.0.1:0",)), [("127.0.0.1:0",)])
        self.assertEqual(len(self.warnings), 2)

    def test_checked(self) -> None:
        """
        Who checks a configuration has not the sockets that the agent will have, and is not told
        that they are missing; all else in it is looked at.
        """
        for bind, mistakes in (
            ("systemd:name=api", []),
            ("0.0.0.0:0", ["--bind"]),
        ):
            overrides = Overrides(bind=(bind, "systemd:name=local"))
            found = unsound(default(overrides, {}), insecure=False).mistakes
            self.assertEqual([mistake.key for mistake in found], mistakes)
