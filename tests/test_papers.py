"""
What the papers say is what the programs do.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import cast

from attrs import fields_dict
from docutils import nodes
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from smartmob.agent import Agent
from smartmob.client.cli import command_line
from smartmob.config import endpoints, forwards, hooks, processes, settings
from smartmob.documents import CreateRequest, Limits, State
from smartmob.events import About, Event, Topic
from smartmob.source.limits import SourceLimits
from smartmob.standalone import AgentOptions
from smartmob.web.channel import UPLOAD_SECONDS, UPLOAD_SILENCE
from smartmob.web.measurements import Measurements
from smartmob.web.problems import CATALOGUE
from smartmob.web.root import make_routes
from smartmob.web.schemas import SCHEMAS
from smartmob.web.sockets import sockets_of
from tests.support.families import families
from tests.support.machine import PAGE, transitions, with_table
from tests.support.modules import modules, room_of
from tests.support.papers import (
    TREE,
    complaints,
    first_cells,
    options,
    papers,
    read,
    section,
    terms,
)

ARCHITECTURE = TREE / "ARCHITECTURE.rst"
PROCFILE = TREE / "docs" / "procfile.rst"
CONFIGURATION = TREE / "docs" / "configuration.rst"
GAFFERD = TREE / "docs" / "gafferd.rst"
EVENTS = TREE / "docs" / "events.rst"
REST = TREE / "docs" / "rest.rst"
RUNNING = TREE / "docs" / "running.rst"
SAFETY = TREE / "docs" / "safety.rst"


def verbs_of(parser: ArgumentParser) -> Mapping[str, ArgumentParser]:
    """
    The verbs of a command line.
    """
    for action in parser._actions:
        if isinstance(action.choices, Mapping):
            return action.choices
    return {}


class FormTests(SynchronousTestCase):
    """
    Papers as texts.
    """

    def test_parse(self) -> None:
        """
        Every page is reStructuredText without a warning.
        """
        self.assertIn(TREE / "README.rst", papers())
        for page in papers():
            self.assertEqual(complaints(page), [], page)

    def test_links(self) -> None:
        """
        A link to another file of the checkout leads to one.
        """
        for page in papers():
            for link in read(page).findall(nodes.reference):
                target = str(link.get("refuri", ""))
                if target and not target.startswith(("http:", "https:", "mailto:")):
                    path = page.parent / target.partition("#")[0]
                    self.assertTrue(path.exists(), f"{page}: {target}")


class RunningTests(SynchronousTestCase):
    """
    docs/running.rst.
    """

    def test_options(self) -> None:
        """
        It explains each option that --help names, and no other.
        """
        explained = options(" ".join(terms(section(RUNNING, "Options"))))
        self.assertEqual(explained, options(AgentOptions().getUsage()))

    def test_client(self) -> None:
        """
        Options of the client that the README names are there.
        """
        self.assertIn("demo", command_line().format_help())


class SafetyTests(SynchronousTestCase):
    """
    docs/safety.rst.
    """

    def test_token(self) -> None:
        """
        It explains each verb and option of C{smartmob token}, and no other.
        """
        tokens = section(SAFETY, "Tokens")
        verbs = verbs_of(verbs_of(command_line())["token"])
        self.assertEqual(set(terms(tokens)), {f"smartmob token {verb}" for verb in verbs})
        [explained] = [
            options(item.astext())
            for item in tokens.findall(nodes.definition_list_item)
            if item.astext().startswith("smartmob token new")
        ]
        there = {word for one in verbs["new"]._actions for word in one.option_strings}
        self.assertEqual(explained, {word for word in there if len(word) > 2} - {"--help"})


class RestTests(SynchronousTestCase):
    """
    docs/rest.rst.
    """

    def test_routes(self) -> None:
        """
        It lists every route, with its methods, and no other.
        """
        listed = set(first_cells(section(REST, "What there is")))
        # Nothing is asked of them, so there is no agent behind them.
        nobody = cast(Agent, None)
        routes = make_routes(
            nobody, Clock(), Measurements(succeed), sockets_of(Clock()), families()
        )
        part = re.compile("<(?:path:)?([a-z]+)>")
        there = {
            f"{method} {part.sub(lambda name: name[1].upper(), route.path)}"
            for route in routes
            for method in route.methods
        }
        self.assertEqual(listed, there)

    def test_codes(self) -> None:
        """
        It explains every error of the catalogue, with its status, and no other.
        """
        listed = {}
        for row in section(REST, "Errors").findall(nodes.row):
            code, status, _ = [cell.astext() for cell in row]
            if status.isdigit():
                listed[code] = int(status)
        self.assertEqual(listed, {code: kind.status for code, kind in CATALOGUE.items()})

    def test_createRequest(self) -> None:
        """
        It explains every member of a create request, and no other.
        """
        self.assertEqual(
            set(first_cells(section(REST, "Create request"))), set(fields_dict(CreateRequest))
        )

    def test_limits(self) -> None:
        """
        It names every limit.
        """
        text = section(REST, "Create request").astext()
        for name in fields_dict(Limits):
            self.assertIn(name, text)

    def test_documents(self) -> None:
        """
        It names every member of each document that is answered with.
        """
        for title, schema in (
            ("Index", "Index"),
            ("Process", "Process"),
            ("Usage", "Stats"),
            ("Plugins", "Plugin"),
            ("Webhooks", "Webhook"),
        ):
            named = {each.astext() for each in section(REST, title).findall(nodes.literal)}
            self.assertEqual(set(SCHEMAS[schema]["properties"]) - named, set(), title)

    def test_archives(self) -> None:
        """
        The bounds on archives that it names are those that are kept.
        """
        limits = SourceLimits()
        text = " ".join(section(REST, "Archives").astext().split())
        for bound in (
            f"At most {limits.download_bytes >> 20} MiB",
            f"At most {UPLOAD_SECONDS / 3600:.0f} h, and {UPLOAD_SILENCE:.0f} s without",
            f"for {limits.archives} archives and {limits.archives_bytes >> 30} GiB",
        ):
            self.assertIn(bound, text)

    def test_states(self) -> None:
        """
        It explains every state, and no other.
        """
        self.assertEqual(set(first_cells(section(REST, "States"))), set(State))


class ConfigurationTests(SynchronousTestCase):
    """
    docs/configuration.rst.
    """

    def test_keys(self) -> None:
        """
        It explains each key of each section, and no other.
        """
        for title, keys in {
            "[gaffer] or [smartmob]": settings.KEYS,
            "[endpoint:NAME]": endpoints.KEYS,
            "[process:NAME]": processes.KEYS,
            "[webhooks]": hooks.KEYS,
            "[forward:NAME]": forwards.KEYS,
        }.items():
            explained = list(first_cells(section(CONFIGURATION, title)))
            self.assertEqual(sorted(explained), sorted(keys), title)


class GafferdTests(SynchronousTestCase):
    """
    docs/gafferd.rst.
    """

    def test_tests(self) -> None:
        """
        Every test that it names is there.
        """
        named = [each.astext() for each in read(GAFFERD).findall(nodes.literal)]
        tests = [name for name in named if name.startswith("tests.")]
        self.assertGreater(len(tests), 50)
        for name in tests:
            self.assertTrue(callable(namedAny(name)), name)

    def test_keys(self) -> None:
        """
        It tells of each key of gafferd's own file, those in comments too, and of each option.
        """
        told = set(first_cells(read(GAFFERD)))
        example = (TREE / "examples" / "gafferd" / "gaffer.ini").read_text(encoding="utf-8")
        keys = set(re.findall(r"^; ?([a-z_]+) *=|^([a-z_]+) *=", example, re.MULTILINE))
        known = {first or second for first, second in keys} - {"create"}
        self.assertEqual(known - told, set())
        short = {f"-{letter}" for letter in "hcpv"}
        gafferd = "config plugins-dir daemon pidfile bind certfile keyfile backlog help"
        said = short | {f"--{name}" for name in gafferd.split()} | {"CONFIG", "-vv"}
        self.assertEqual(said - told, set())


class EventsTests(SynchronousTestCase):
    """
    docs/events.rst.
    """

    def test_topics(self) -> None:
        """
        It explains every topic, and no other.
        """
        self.assertEqual(set(first_cells(section(EVENTS, "Topics"))), set(Topic))

    def test_members(self) -> None:
        """
        It names every member of an event.
        """
        about = About(pid=1, exit_status=1, term_signal=1, killed=(), reason="it can't")
        event = Event(
            id=1,
            time=0,
            topic=Topic.EXIT,
            app="a",
            node="b",
            process_type="c",
            slug="a.b",
            about=about,
        )
        page = section(EVENTS, "An event")
        named = {each.astext() for each in page.findall(nodes.literal)}
        self.assertEqual(set(event.document()) - named, set())


class ProcfileTests(SynchronousTestCase):
    """
    docs/procfile.rst.
    """

    def test_limits(self) -> None:
        """
        The bounds on sources that it names are those that are kept.
        """
        limits = SourceLimits()
        rows = section(PROCFILE, "Downloads").findall(nodes.row)
        self.assertEqual(
            dict([cell.astext() for cell in row] for row in rows),
            {
                "download": f"{limits.download_bytes >> 20} MiB",
                "unpacked": f"{limits.unpacked_bytes >> 30} GiB",
                "entries": f"{limits.entries:,}",
                "time to unpack": f"{limits.unpack_seconds:.0f} s",
                "time until the answer begins": f"{limits.answer_seconds:.0f} s",
                "silence while downloading": f"{limits.idle_seconds:.0f} s",
                "redirects": f"{limits.redirects}",
                "time to download": f"{limits.download_seconds / 3600:.0f} h",
                "downloads from one server": f"{limits.downloads}",
                "downloads": f"{limits.downloads_in_all}",
            },
        )
        free = f"{limits.free_bytes >> 20} MiB of it stay free, or {limits.free_percent} %"
        self.assertIn(free, section(PROCFILE, "Downloads").astext())


class ArchitectureTests(SynchronousTestCase):
    """
    ARCHITECTURE.rst.
    """

    def setUp(self) -> None:
        """
        Read the floors.
        """
        self.floors: dict[str, int] = {}
        for row in section(ARCHITECTURE, "The ways").findall(nodes.row):
            floor, rooms = row
            if floor.astext().isdigit():
                for room in rooms.findall(nodes.literal):
                    self.floors[room.astext()] = int(floor.astext())

    def test_rooms(self) -> None:
        """
        Every module and package of smartmob has its floor.
        """
        self.assertEqual(set(self.floors), {room_of(module) for module in modules()} - {""})

    def test_down(self) -> None:
        """
        Imports point down, or stay on the floor.
        """
        for module, imported in modules().items():
            for other in imported:
                room, below = room_of(module), room_of(other)
                if room and below:
                    self.assertGreaterEqual(
                        self.floors[room], self.floors[below], f"{module} imports {other}"
                    )

    def test_noCircle(self) -> None:
        """
        No module imports itself through others.
        """
        TopologicalSorter(modules()).prepare()


class SupervisionTests(SynchronousTestCase):
    """
    docs/supervision.rst.
    """

    def test_transitions(self) -> None:
        """
        Its table is the machine's.
        """
        text = PAGE.read_text(encoding="utf-8")
        self.assertEqual(text, with_table(text), "run python -m tests.support.machine")

    def test_states(self) -> None:
        """
        It explains every state of the machine.
        """
        explained = set(first_cells(section(PAGE, "States")))
        self.assertEqual(explained, set(transitions()))
