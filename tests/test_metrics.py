"""
The numbers there are, and how they are told.
"""

from __future__ import annotations

import re
from functools import partial
from typing import ClassVar

from docutils import nodes
from prometheus_client import REGISTRY
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smartmob.documents import State
from smartmob.lines.totals import KINDS
from smartmob.metrics import catalogue
from smartmob.metrics.catalogue import METRICS, OF_THE_PROCESS, Kind, Metric
from smartmob.metrics.exposition import Exposition
from smartmob.metrics.loop_delay import BETWEEN, BOUNDS, LAPSE, LoopDelay
from smartmob.metrics.readings import Sample
from smartmob.tally import How
from smartmob.webhooks.counts import Counts
from tests.support.papers import TREE, first_cells, read, section
from tests.support.stage import Stage

PAGE = TREE / "docs" / "metrics.rst"


def families(text: bytes) -> dict[str, Family]:
    """
    What was told, by names, as Prometheus' own library reads it.
    """
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        total = "_total" if family.type == "counter" else ""
        found[family.name + total] = family
    return found


def values(family: Family, label: str) -> dict[str, float]:
    """
    The values of a metric with one label.
    """
    return {sample.labels[label]: sample.value for sample in family.samples}


class CatalogueTests(SynchronousTestCase):
    """
    The list of metrics.
    """

    labels: ClassVar = {
        "forward",
        "how",
        "method",
        "result",
        "route",
        "state",
        "status",
        "stream",
        "version",
    }

    def test_names(self) -> None:
        """Names are as Prometheus recommends them: with the unit, counters with _total."""
        names = [metric.name for metric in METRICS]
        self.assertEqual(len(names), len(set(names)))
        for metric in METRICS:
            self.assertRegex(metric.name, r"^smartmob_[a-z_]+[a-z]$")
            self.assertEqual(metric.name.endswith("_total"), metric.kind is Kind.COUNTER)
            self.assertRegex(metric.about, r"^[A-Z].*\.$")

    def test_all(self) -> None:
        """What is named is listed."""
        named = {each for each in vars(catalogue).values() if isinstance(each, Metric)}
        self.assertEqual(named, set(METRICS))

    def test_labels(self) -> None:
        """There is no label whose values clients choose: a new one has to be put here."""
        self.assertEqual({label for each in METRICS for label in each.labels}, self.labels)

    def test_promised(self) -> None:
        """Those that were promised are there, with their labels."""
        promised = """
            smartmob_processes{state} smartmob_restarts_total smartmob_exits_total{how}
            smartmob_lines_total{stream} smartmob_line_bytes_total{stream}
            smartmob_lines_dropped_total smartmob_console_clients
            smartmob_http_requests_total{route,method,status}
            smartmob_event_loop_delay_seconds smartmob_webhook_deliveries_total{result}
            smartmob_build_info{version}
        """
        there = {
            f"{metric.name}{{{','.join(metric.labels)}}}" if metric.labels else metric.name
            for metric in METRICS
        }
        self.assertEqual(set(promised.split()) - there, set())


class PaperTests(SynchronousTestCase):
    """
    docs/metrics.rst.
    """

    def told(self) -> dict[str, str]:
        """
        What each metric is said to be.
        """
        rows = [row for row in read(PAGE).findall(nodes.row) if len(row) == 2]
        return {row[0].astext(): " ".join(row[1].astext().split()) for row in rows}

    def test_metrics(self) -> None:
        """It explains every metric, with its type and labels, and no other."""
        told = self.told()
        names = {metric.name for metric in METRICS} | set(OF_THE_PROCESS)
        self.assertEqual({name for name in told if re.match("smartmob_|process_", name)}, names)
        for metric in METRICS:
            head = told[metric.name].partition(":")[0]
            self.assertTrue(head.startswith(metric.kind.value), metric.name)
            named = set(re.findall("[a-z]+", head.partition("by ")[2])) - {"and"}
            self.assertEqual(named, set(metric.labels), metric.name)

    def test_values(self) -> None:
        """It explains every value of labels that have few."""
        for title, expected in (
            ("Exits", set(How)),
            ("Streams", set(KINDS)),
            ("Results", set(Counts.__annotations__)),
        ):
            self.assertEqual(set(first_cells(section(PAGE, title))), expected, title)


class DelayTests(SynchronousTestCase):
    """
    How late the agent is.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.delay = LoopDelay(self.clock, random=lambda: 0.5)

    def asked(self) -> Deferred[None]:
        """
        Somebody wants to know.
        """
        asked = self.delay.asked()
        self.assertNoResult(asked)
        return asked

    def test_asleep(self) -> None:
        """While nobody asks there is no timer."""
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_atOnce(self) -> None:
        """Who asks first is told of one measurement, made in the meantime."""
        asked = self.asked()
        self.clock.advance(0)
        self.successResultOf(asked)
        self.assertEqual(self.delay.buckets()[-1][1], 1)

    def test_late(self) -> None:
        """What is measured is by how much a timer is late."""
        self.asked()
        self.clock.advance(0)
        self.clock.advance(sum(BETWEEN) / 2 + 0.3)
        self.assertAlmostEqual(self.delay.sum, 0.3)
        buckets = dict(self.delay.buckets())
        self.assertEqual((buckets[0.0025], buckets[0.25], buckets[0.5]), (1, 1, 2))
        self.assertEqual(buckets[BOUNDS[-1]], 2)
        counts = [count for _, count in self.delay.buckets()]
        self.assertEqual(counts, sorted(counts))

    def test_lapse(self) -> None:
        """It goes on while it is asked for, and for a while after; then it sleeps."""
        self.asked()
        self.asked()
        self.clock.pump([1.0] * int(LAPSE / 2))
        self.asked()
        self.clock.pump([1.0] * int(LAPSE))
        self.assertGreater(sum(self.delay.counts), LAPSE)
        self.clock.advance(BETWEEN[1])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        before = sum(self.delay.counts)
        self.asked()
        self.clock.advance(0)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assertEqual(sum(self.delay.counts), before + 1)

    def test_spread(self) -> None:
        """Measurements are not always as far apart, so that none of what recurs is missed."""
        for chance, seconds in ((0.0, BETWEEN[0]), (0.999, BETWEEN[1])):
            clock = Clock()
            LoopDelay(clock, random=partial(float, chance)).asked()
            clock.advance(0)
            [call] = clock.getDelayedCalls()
            self.assertAlmostEqual(call.getTime(), seconds, places=2)

    def test_close(self) -> None:
        """At the end no timer is left, nor made."""
        self.asked()
        self.clock.advance(0)
        self.delay.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.asked()
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.delay.close()


class ExpositionTests(SynchronousTestCase):
    """
    The text.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.exposition = Exposition(LoopDelay(self.clock))

    def text(self) -> bytes:
        """
        All of it.
        """
        asked = Deferred.fromCoroutine(self.exposition.all())
        self.clock.advance(0)
        text: bytes = self.successResultOf(asked)
        return text

    def test_types(self) -> None:
        """Each metric says its type and what it is."""
        self.exposition.readings.append(lambda: [Sample(catalogue.RESTARTS, 3)])
        found = families(self.text())
        self.assertEqual(found["smartmob_build_info"].type, "gauge")
        self.assertEqual(found["smartmob_event_loop_delay_seconds"].type, "histogram")
        restarts = found["smartmob_restarts_total"]
        self.assertEqual((restarts.type, restarts.samples[0].value), ("counter", 3))
        self.assertEqual(restarts.documentation, catalogue.RESTARTS.about)

    def test_process(self) -> None:
        """The agent's own process is told of, by the names that every program has for it."""
        found = families(self.text())
        self.assertEqual(set(OF_THE_PROCESS) - set(found), set())
        self.assertEqual(
            {name for name in found if name.startswith("process_")}, set(OF_THE_PROCESS)
        )

    def test_ownRegistry(self) -> None:
        """What other code has in the library's own registry is not told."""
        from prometheus_client import Counter

        foreign = Counter("foreign", "Of somebody else.")
        self.addCleanup(REGISTRY.unregister, foreign)
        self.assertNotIn(b"foreign", self.text())
        self.assertNotIn(b"python_info", self.text())

    def test_again(self) -> None:
        """Each time it is as it is then."""
        numbers = iter((1, 2))
        self.exposition.readings.append(
            lambda: [Sample(catalogue.LINES_DROPPED, next(numbers))]
        )
        for number in (1, 2):
            found = families(self.text())
            self.assertEqual(found["smartmob_lines_dropped_total"].samples[0].value, number)

    def test_quoted(self) -> None:
        """Values of labels may have any characters."""
        label = '/a/<any(x, "y")>\\\n'
        sample = Sample(catalogue.REQUESTS, 1, (label, "GET", "200"))
        self.exposition.readings.append(lambda: [sample])
        [found] = families(self.text())["smartmob_http_requests_total"].samples
        self.assertEqual(found.labels, {"route": label, "method": "GET", "status": "200"})

    def test_some(self) -> None:
        """Who may not see all is told of what they may, and of the agent's version."""
        process = Stage().process
        found = families(self.exposition.of([process]))
        self.assertEqual(set(found), {"smartmob_build_info", "smartmob_processes"})
        states = values(found["smartmob_processes"], "state")
        self.assertEqual(
            states, {state.value: float(state is State.PENDING) for state in State}
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
