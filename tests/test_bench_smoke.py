"""
The programs of bench/: that they work, in their shortest form.  What they measure is nobody's
business here.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from bench import (
    abuse,
    audience,
    bringup,
    configured,
    endpoints,
    fairness,
    formats,
    forwarding,
    idling,
    latency,
    lines,
    listing,
    posting,
    relay,
    reloading,
    restart,
    slow,
    startup,
    stopping,
)
from bench.__main__ import BENCHMARKS
from bench.command import Benchmark
from bench.figures import Aim, Report, Row, percentile, ratios

HERE = Path(__file__).parent.parent


class FigureTests(SynchronousTestCase):
    """
    What becomes of what was measured.
    """

    def test_percentile(self) -> None:
        """
        It is one of the values, the nearest that so many are not above.
        """
        values = [float(n) for n in range(1, 101)]
        self.assertEqual(percentile(values, 50), 50)
        self.assertEqual(percentile(values, 99), 99)
        self.assertEqual(percentile(values, 100), 100)
        self.assertEqual(percentile([7.0], 50), 7)
        self.assertRaises(ValueError, percentile, [], 50)

    def test_aim(self) -> None:
        """
        The median of the ratios has to meet it, where there are ratios, else that of the
        values; where nothing was measured, nobody can tell.
        """
        aim = Aim(bound=2)
        values = (30.0, 10.0, 20.0)
        compared = ratios(values, (10.0, 10.0, 10.0))
        self.assertEqual(Row(what="x", who="y", values=values, aim=aim).met, False)
        self.assertEqual(
            Row(what="x", who="y", values=values, ratios=compared, aim=aim).met, True
        )
        self.assertEqual(Row(what="x", who="y", values=values).met, None)
        self.assertEqual(Row(what="x", who="y", aim=aim, note="not installed").met, None)
        self.assertEqual(Aim(bound=2, least=True).met(1.9), False)

    def test_table(self) -> None:
        """
        A row shows the median, between the least and the most, and why there is none.
        """
        report = Report(progress=io.StringIO())
        report.add(Row(what="lines", who="us", unit="lines/s", values=(3000.0, 1.0, 2000.0)))
        report.add(Row(what="lines", who="them", note="not installed"))
        out = io.StringIO()
        report.show(out)
        self.assertIn("2,000 (1-3,000) lines/s", out.getvalue())
        self.assertIn("not installed", out.getvalue())


class AllTests(SynchronousTestCase):
    """
    C{make bench}.
    """

    def test_complete(self) -> None:
        """
        It has every benchmark that there is.
        """
        modules = [import_module(f"bench.{path.stem}") for path in HERE.glob("bench/[a-z]*.py")]
        found = {module.BENCHMARK.name for module in modules if hasattr(module, "BENCHMARK")}
        self.assertEqual(found, {benchmark.name for benchmark in BENCHMARKS})


class SmokeTests(SynchronousTestCase):
    """
    Each program, on nothing but smartmob.
    """

    if shutil.which("cc") is None:
        skip = "no C compiler on this machine"

    def measured(self, benchmark: Benchmark) -> None:
        """
        Assert that it measures all it should.
        """
        out = Path(self.mktemp()).absolute()
        words = [sys.executable, "-m", f"bench.{benchmark.name}", *benchmark.short]
        done = subprocess.run(
            [*words, "--no-peers", "--json", out],
            cwd=HERE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = json.loads(out.read_text())["rows"]
        lacking = re.compile("strace|compiled guardian")  # which need not be here
        unmeasured = [
            row for row in rows if not row["values"] and not lacking.search(row["note"])
        ]
        self.assertTrue(rows)
        self.assertEqual(unmeasured, [])

    def test_restart(self) -> None:
        """
        A program that is over at once is started again, with others and without.
        """
        self.measured(restart.BENCHMARK)

    def test_idling(self) -> None:
        """
        Some programs do nothing, and are looked at.
        """
        self.measured(idling.BENCHMARK)

    def test_bringup(self) -> None:
        """
        Some programs come up.
        """
        self.measured(bringup.BENCHMARK)

    def test_configured(self) -> None:
        """
        The programs of a file come up, written down in either way.
        """
        self.measured(configured.BENCHMARK)

    def test_startup(self) -> None:
        """
        A program is created by REST as soon as that can be.
        """
        self.measured(startup.BENCHMARK)

    def test_stopping(self) -> None:
        """
        Programs end that hear, and those that do not, whoever else has something to say.
        """
        self.measured(stopping.BENCHMARK)

    def test_reloading(self) -> None:
        """
        One program is restarted where one was changed.
        """
        self.measured(reloading.BENCHMARK)

    def test_posting(self) -> None:
        """
        Events are posted in their order, and wait for a sink that hangs.
        """
        self.measured(posting.BENCHMARK)

    def test_relay(self) -> None:
        """
        Every line arrives as it has to be.
        """
        self.measured(relay.BENCHMARK)

    def test_latency(self) -> None:
        """
        Each lone line has an age.
        """
        self.measured(latency.BENCHMARK)

    def test_formats(self) -> None:
        """
        Every document arrives as it has to be, in each format.
        """
        self.measured(formats.BENCHMARK)

    def test_forwarding(self) -> None:
        """
        Every line arrives as it has to be, while it is forwarded too.
        """
        self.measured(forwarding.BENCHMARK)

    def test_endpoints(self) -> None:
        """
        Every byte arrives as it has to be, over each kind of endpoint.
        """
        self.measured(endpoints.BENCHMARK)

    def test_listing(self) -> None:
        """
        Listings are whole, and as new as they have to be.
        """
        self.measured(listing.BENCHMARK)

    def test_audience(self) -> None:
        """
        Many readers have all lines.
        """
        self.measured(audience.BENCHMARK)

    def test_lines(self) -> None:
        """
        The way of a line inside the agent is measured for each who reads it.
        """
        self.measured(lines.BENCHMARK)

    def test_fairness(self) -> None:
        """
        Lines and requests are looked at while programs flood.
        """
        self.measured(fairness.BENCHMARK)

    def test_slow(self) -> None:
        """
        A client that does not read is told what it missed.
        """
        self.measured(slow.BENCHMARK)

    def test_abuse(self) -> None:
        """
        An agent is abused in each way, and others are answered.
        """
        self.measured(abuse.BENCHMARK)
