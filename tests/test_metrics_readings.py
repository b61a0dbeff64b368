"""
What the parts beside the agent have to say in numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from smartmob.forward.service import Forwards
from smartmob.launch.guardians import Guardians
from smartmob.metrics import readings
from smartmob.metrics.readings import Sample
from smartmob.state.records import Records
from tests.support.hooking import hooks
from tests.test_webhooks_changes import MemoryCase


def told(samples: Iterable[Sample]) -> dict[str, Any]:
    """
    What was said, by names and labels as Prometheus writes them.
    """
    found: dict[str, Any] = {}
    for sample in samples:
        assert len(sample.labels) == len(sample.metric.labels)
        pairs = zip(sample.metric.labels, sample.labels, strict=True)
        labels = ",".join(f"{name}={value}" for name, value in pairs)
        found[f"{sample.metric.name}{{{labels}}}"] = sample.value
    return found


@frozen
class Fake:
    """
    Parts whose numbers are known.
    """

    started: int = 0
    written: int = 5
    failed: int = 2
    successful: bool = False
    taken_at: float = 1_700_000_000.5

    def report(self) -> list[dict[str, object]]:
        """
        Of forwards.
        """
        counts = {"queued": 3, "queued_bytes": 99, "delivered": 7, "dropped": 1, "failed": 4}
        return [{"name": "disk", "to": "/a", **counts, "error": None}]


class PartTests(SynchronousTestCase):
    """
    One part after the other.
    """

    def test_guardians(self) -> None:
        """The first guardian replaces none."""
        for started, replaced in ((0, 0), (1, 0), (3, 2)):
            self.assertEqual(
                told(readings.of_guardians(cast(Guardians, Fake(started)))),
                {"smartmob_guardian_restarts_total{}": replaced},
            )

    def test_counted(self) -> None:
        """Each one that was started is counted, and none that could not be."""
        guardians = Guardians("python", executable="/nonexistent")
        self.assertEqual(guardians.started, 0)
        helper = guardians((1024, 1024))
        helper.connection.close()
        helper.reap()
        self.assertEqual(guardians.started, 1)
        self.assertRaises(OSError, Guardians("compiled", executable="/nonexistent"), (9, 9))

    def test_records(self) -> None:
        """What was written of the state, and what could not be."""
        self.assertEqual(
            told(readings.of_records(cast(Records, Fake()))),
            {
                "smartmob_state_writes_total{result=written}": 5,
                "smartmob_state_writes_total{result=failed}": 2,
            },
        )

    def test_reloads(self) -> None:
        """Whether the configuration is what its file says, and since when."""
        self.assertEqual(
            told(readings.of_reloads(Fake())),
            {
                "smartmob_config_last_reload_successful{}": False,
                "smartmob_config_last_reload_success_timestamp_seconds{}": 1_700_000_000.5,
            },
        )

    def test_forwards(self) -> None:
        """Each forward by its name."""
        self.assertEqual(
            told(readings.of_forwards(cast(Forwards, Fake()))),
            {
                "smartmob_forward_lines_total{forward=disk,result=delivered}": 7,
                "smartmob_forward_lines_total{forward=disk,result=dropped}": 1,
                "smartmob_forward_failures_total{forward=disk}": 4,
                "smartmob_forward_queue_lines{forward=disk}": 3,
                "smartmob_forward_queue_bytes{forward=disk}": 99,
            },
        )

    def test_requests(self) -> None:
        """Those of all sites are added up."""
        one = [(("/ping", "GET", 200), 2), (("/", "GET", 200), 1)]
        other = [(("/ping", "GET", 200), 3)]
        self.assertEqual(
            told(readings.of_requests([one, other])),
            {
                "smartmob_http_requests_total{route=/,method=GET,status=200}": 1,
                "smartmob_http_requests_total{route=/ping,method=GET,status=200}": 5,
            },
        )


class WebhookTests(MemoryCase):
    """
    Webhooks.
    """

    def numbers(self) -> dict[str, Any]:
        """
        What they say.
        """
        return told(readings.of_webhooks(self.webhooks))

    def test_webhooks(self) -> None:
        """What was delivered, and what waits; a URL that goes takes nothing with it."""
        nothing = self.numbers()
        self.assertEqual(set(nothing.values()), {0})
        self.webhooks.configure(hooks(("*", "http://127.0.0.1:1/a")))
        self.happen(3)
        self.answer(self.asked(), 200)
        self.answer(self.asked(), 404)
        numbers = self.numbers()
        self.assertEqual(numbers.keys(), nothing.keys())
        results = "smartmob_webhook_deliveries_total{result=%s}"
        self.assertEqual(numbers[results % "delivered"], 1)
        self.assertEqual(numbers[results % "refused"], 1)
        self.assertEqual(numbers["smartmob_webhook_queue_events{}"], 1)
        self.assertGreater(numbers["smartmob_webhook_queue_bytes{}"], 100)
        self.webhooks.configure(hooks())
        numbers = self.numbers()
        self.assertEqual(numbers[results % "delivered"], 1)
        self.assertEqual(numbers[results % "missed"], 1)
        self.assertEqual(numbers["smartmob_webhook_queue_events{}"], 0)
        self.assertEqual(numbers["smartmob_webhook_queue_bytes{}"], 0)
