"""
The files for Prometheus and Grafana in the examples: that they are about what there is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smartmob.metrics.catalogue import METRICS, OF_THE_PROCESS, Kind
from tests.support.papers import TREE

EXAMPLES = TREE / "examples" / "prometheus"
COLUMNS = 24
"""So wide is a dashboard."""

WORD = re.compile(r"\b(?:smartmob|process)_[a-z_]+\b")
SELECTED = re.compile(r"\b([a-z_]+)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z]+)(?:=~|=|!=|!~)"')


def dashboard() -> dict[str, Any]:
    """
    The dashboard.
    """
    found: dict[str, Any] = json.loads(
        (EXAMPLES / "dashboard.json").read_text(encoding="utf-8")
    )
    return found


def expressions() -> Iterator[str]:
    """
    What the dashboard asks Prometheus for.
    """
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


def names() -> dict[str, set[str]]:
    """
    What can be asked for, with its labels: a histogram by the names of its parts.
    """
    found: dict[str, set[str]] = {name: set() for name in OF_THE_PROCESS}
    for metric in METRICS:
        if metric.kind is Kind.HISTOGRAM:
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = set(metric.labels)
        else:
            found[metric.name] = set(metric.labels)
    return found


class ExampleCase(SynchronousTestCase):
    """
    Tests of what asks for metrics.
    """

    def check(self, expression: str) -> None:
        """
        See that each metric that is asked for is there, and has the labels.
        """
        known = names()
        for word in WORD.findall(expression):
            self.assertIn(word, known, expression)
        for name, matchers in SELECTED.findall(expression):
            there = {*known.get(name, ()), "job", "instance"}
            self.assertEqual(set(MATCHER.findall(matchers)) - there, set(), expression)


class DashboardTests(ExampleCase):
    """
    dashboard.json.
    """

    def test_metrics(self) -> None:
        """Every metric is in a panel, and no panel asks for one that there is not."""
        asked = set()
        for expression in expressions():
            self.check(expression)
            asked.update(WORD.findall(expression))
        missing = {
            name.removesuffix("_bucket")
            for name in names()
            if name not in asked and not re.search("_delay_seconds_(sum|count)$", name)
        }
        self.assertEqual(missing, set())

    def test_place(self) -> None:
        """Panels have room: none is over another, or beyond the edge, and each has a number."""
        panels = dashboard()["panels"]
        numbers = [panel["id"] for panel in panels]
        self.assertEqual(len(numbers), len(set(numbers)))
        places = [panel["gridPos"] for panel in panels]
        for place in places:
            self.assertLessEqual(place["x"] + place["w"], COLUMNS)
        for one, other in combinations(places, 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            self.assertTrue(beside or above, (one, other))

    def test_source(self) -> None:
        """It asks the Prometheus that is chosen at its top, and brings none of its own."""
        document = dashboard()
        variables = {each["name"]: each for each in document["templating"]["list"]}
        self.assertEqual(variables["datasource"]["type"], "datasource")
        self.assertEqual(variables["datasource"]["query"], "prometheus")
        self.assertNotIn("__inputs", document)
        chosen = {"type": "prometheus", "uid": "${datasource}"}
        asking = [variables["job"], variables["instance"]]
        for panel in document["panels"]:
            if panel["type"] != "row":
                asking += [panel, *panel["targets"]]
        for each in asking:
            self.assertEqual(each["datasource"], chosen)
        used = set(re.findall(r"\$([a-z]\w*)", " ".join(expressions())))
        self.assertEqual(used, {"job", "instance"})

    def test_form(self) -> None:
        """Each panel has a title, a unit, and a letter for each of what it asks for."""
        for panel in dashboard()["panels"]:
            self.assertTrue(panel["title"])
            if panel["type"] == "row":
                continue
            letters = [target["refId"] for target in panel["targets"]]
            self.assertEqual(letters, list("ABCDEFG"[: len(letters)]))
            if panel["type"] != "heatmap":
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], panel["title"])


class AlertTests(ExampleCase):
    """
    alerts.yml.
    """

    def test_metrics(self) -> None:
        """No rule asks for a metric that there is not, or for a label that it does not have."""
        text = (EXAMPLES / "alerts.yml").read_text(encoding="utf-8")
        rules = re.split(r"^      - alert: ", text, flags=re.MULTILINE)[1:]
        self.assertGreater(len(rules), 10)
        for rule in rules:
            asked = rule.partition("expr:")[2].partition("\n        labels:")[0]
            self.assertRegex(asked, r"smartmob|process_|up\{")
            self.check(asked)
