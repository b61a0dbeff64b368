"""
docs/gafferd-http.rst says what gafferd's interface does.
"""

from __future__ import annotations

import re

from attrs import fields
from docutils import nodes

from smartmob.web.gaffer.definitions import _Sent
from smartmob.web.gaffer.errors import REASONS
from smartmob.web.gaffer.feeds import Form
from smartmob.web.gaffer.usage import summary
from tests.support.gafferd import GafferdTestCase
from tests.support.papers import TREE, first_cells, section
from tests.test_gaffer_stats import MEMBERS

PAGE = TREE / "docs" / "gafferd-http.rst"
EXAMPLES = {
    "NAME": "dummy",
    "ID": "1",
    "SIG": "HUP",
    "GROUP": "shop",
    "KIND": "spawn",
    "LABEL": "stdout",
    "N": "2",
}


class PageTests(GafferdTestCase):
    """
    The page for users of that interface.
    """

    def named(self, title: str) -> set[str]:
        """
        What stands in a section as it is.
        """
        return {each.astext() for each in section(PAGE, title).findall(nodes.literal)}

    def test_routes(self) -> None:
        """
        It lists what there is, and there is what it lists.
        """
        routes = self.site.gate.routes
        found = set()
        for row in first_cells(section(PAGE, "What there is")):
            method, path = row.split(" ")
            parts = [EXAMPLES.get(part, part) for part in path.split("/")]
            match = routes.match(method.encode(), "/".join(parts).encode())
            found.add((method, match.route))
        there = {(method, route) for route in routes for method in route.methods}
        self.assertEqual(found, there)

    def test_template(self) -> None:
        """
        It names every member of a template.
        """
        members = {field.name for field in fields(_Sent)} | {"name"}
        known = self.named("Template") | self.named("What gafferd did otherwise")
        cells = re.findall(r"\w+", " ".join(known))
        self.assertEqual(members - set(cells), set())

    def test_errors(self) -> None:
        """
        It explains every reason that is gafferd's own.
        """
        listed = set(first_cells(section(PAGE, "Errors")))
        self.assertEqual(set(REASONS.values()) - listed, set())

    def test_statistics(self) -> None:
        """
        It names every number.
        """
        self.assertEqual((MEMBERS | set(summary("", []))) - self.named("Statistics"), set())

    def test_forms(self) -> None:
        """
        It explains every form of a feed.
        """
        self.assertEqual(set(first_cells(section(PAGE, "Streams"))), set(Form))
