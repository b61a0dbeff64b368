"""
The soak of bench/: that it works, and that it sees what grows or goes wrong.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from attrs import evolve, fields_dict
from twisted.trial.unittest import SynchronousTestCase

from bench.soak.chart import NAMESPACE, Panel, Series, draw
from bench.soak.crew import Crew, Tally
from bench.soak.results import Results
from bench.soak.samples import Sample, write
from bench.soak.verdict import figures, grown
from bench.soak.visitors import Lines, Numbers, Wrong

HERE = Path(__file__).parent.parent

MINUTES = 30


def made(**grows: float) -> list[Sample]:
    """
    Half an hour of samples, one every 5 s.

    @param grows: What does, and by how much in that time.
    """
    flat = Sample(
        seconds=0,
        agent_rss=100_000_000,
        agent_pss=80_000_000,
        guardian_rss=800_000,
        guardian_pss=200_000,
        reapers=200,
        reapers_rss=130_000_000,
        reapers_pss=13_000_000,
        agent_descriptors=700,
        guardian_descriptors=4,
        agent_threads=6,
        state_files=40,
        state_bytes=1_000_000,
        load=1.0,
    )
    found = []
    for turn in range(MINUTES * 12 + 1):
        share = turn / (MINUTES * 12)
        more = {name: round(getattr(flat, name) + by * share) for name, by in grows.items()}
        found.append(evolve(flat, seconds=turn * 5.0, **more))
    return found


class VerdictTests(SynchronousTestCase):
    """
    What is said of samples.
    """

    def judged(self, **grows: float) -> list[str]:
        """
        What of it has grown.
        """
        return [each.name for each in grown(list(figures(made(**grows))), 5)]

    def test_flat(self) -> None:
        """
        What stays has not grown, and neither has what shrinks.
        """
        self.assertEqual(self.judged(), [])
        self.assertEqual(self.judged(agent_rss=-20_000_000), [])

    def test_grown(self) -> None:
        """
        What is more than 5 % above minute 5 has: memory, descriptors, threads, files.
        """
        self.assertEqual(self.judged(agent_rss=6_000_000), [])
        self.assertEqual(self.judged(agent_rss=7_000_000), ["agent_rss"])
        self.assertEqual(self.judged(reapers_pss=1_000_000), ["reapers_pss"])
        self.assertEqual(self.judged(agent_descriptors=50), ["agent_descriptors"])
        self.assertEqual(self.judged(guardian_descriptors=1, agent_threads=2), [])
        self.assertEqual(self.judged(guardian_descriptors=3), ["guardian_descriptors"])
        self.assertEqual(self.judged(agent_threads=5), ["agent_threads"])
        self.assertEqual(self.judged(state_files=25), ["state_files"])

    def test_before(self) -> None:
        """
        What grew before minute 5 does not count.
        """
        early = [
            evolve(sample, agent_rss=50_000_000) if sample.seconds < 290 else sample
            for sample in made()
        ]
        self.assertEqual(grown(list(figures(early)), 5), [])

    def test_moment(self) -> None:
        """
        A moment, in the last minute or any other, is not enough.
        """
        samples = made()
        samples[-1] = evolve(samples[-1], agent_rss=300_000_000)
        self.assertEqual(grown(list(figures(samples)), 5), [])


class ResultsTests(SynchronousTestCase):
    """
    What is shown, and kept.
    """

    def test_good(self) -> None:
        """
        It is where nothing grew and nothing went wrong; else what did is said.
        """
        self.assertTrue(Results.of(made(), Tally(), 5).good)
        growing = Results.of(made(agent_rss=10_000_000), Tally(), 5)
        self.assertFalse(growing.good)
        out = io.StringIO()
        growing.show(out)
        self.assertIn("grown: agent memory, RSS, +7.9 %", out.getvalue())
        tally = Tally()
        tally.wrong("a line was lost")
        wrong = Results.of(made(), tally, 5)
        self.assertFalse(wrong.good)
        wrong.show(out)
        self.assertIn("wrong: a line was lost", out.getvalue())

    def test_files(self) -> None:
        """
        Every sample is in a table, and a picture shows them, in light and in dark.
        """
        folder = Path(self.mktemp())
        Results.of(made(), Tally(), 5).write(folder)
        rows = (folder / "soak.csv").read_text().splitlines()
        self.assertEqual(rows[0].split(","), list(fields_dict(Sample)))
        self.assertEqual(len(rows), MINUTES * 12 + 2)
        document = json.loads((folder / "soak.json").read_text())
        self.assertEqual(document["minutes"], MINUTES)
        picture = ElementTree.fromstring((folder / "soak.svg").read_text())
        lines = picture.findall(f".//{{{NAMESPACE}}}polyline")
        self.assertEqual(len(lines), 5)
        self.assertEqual(
            {len(line.attrib["points"].split()) for line in lines}, {len(rows) - 1}
        )
        self.assertIn("prefers-color-scheme: dark", (folder / "soak.svg").read_text())

    def test_csv(self) -> None:
        """
        A table of nothing has its headings.
        """
        path = Path(self.mktemp())
        write([], path)
        self.assertEqual(len(path.read_text().splitlines()), 1)


class PictureTests(SynchronousTestCase):
    """
    Lines as a picture.
    """

    def test_zero(self) -> None:
        """
        What is 0 all the time can be drawn, and so can a single moment.
        """
        picture = draw([0.0], [Panel("a < b", "MB", (Series("none", [0.0]),))], 0.0)
        ElementTree.fromstring(picture)
        self.assertIn("a &lt; b", picture)


class ReaderTests(SynchronousTestCase):
    """
    Those who look at each line.
    """

    def test_lines(self) -> None:
        """
        A line has to be the one after the last, unless some are said to be missed; each program
        begins anew.
        """
        lines = Lines()
        for line in ("7 1 x", "7 2 x", "8 1 x"):
            lines.check("a", line)
        self.assertRaises(Wrong, lines.check, "a", "8 3 x")
        lines.check("a", "8 9 x", missed=True)
        self.assertRaises(Wrong, lines.check, "a", "8 9 x")

    def test_numbers(self) -> None:
        """
        Numbers have no gap but for what was said to be missed.
        """
        numbers = Numbers()
        numbers.check("a", 5)
        numbers.check("a", 6)
        self.assertRaises(Wrong, numbers.check, "a", 8)
        numbers.miss("a", 3)
        self.assertTrue(numbers.check("a", 10))
        self.assertEqual(numbers.missed_in_all, 3)


class CrewTests(SynchronousTestCase):
    """
    Those who do it.
    """

    def test_errors(self) -> None:
        """
        What goes wrong is told, and does not end them.
        """
        crew = Crew()
        turns: list[int] = []

        def once() -> None:
            turns.append(1)
            if len(turns) == 3:
                crew.over.set()
            raise Wrong("that")

        crew.works("somebody", once, 0.0)
        crew.over.wait(30)
        crew.end()
        self.assertEqual(crew.tally.errors, 3)
        self.assertEqual(set(crew.tally.told), {"somebody: Wrong: that"})


class SmokeTests(SynchronousTestCase):
    """
    The whole, for some seconds.
    """

    if shutil.which("cc") is None:
        skip = "no C compiler on this machine"

    def test_soak(self) -> None:
        """
        A few programs are used in every way: nothing goes wrong, and nothing is left.
        """
        folder = Path(self.mktemp()).absolute()
        words = ("--minutes", "0.05", "--processes", "20", "--interval", "0.5")
        done = subprocess.run(
            # So short a time says nothing about growing.
            [
                sys.executable,
                "-m",
                "bench.soak",
                *words,
                "--percent",
                "1e6",
                "--results",
                folder,
            ],
            cwd=HERE,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        document = json.loads((folder / "soak.json").read_text())
        self.assertEqual(document["errors"], 0)
        for what in ("created and deleted", "events heard", "webhooks taken", "scaled"):
            self.assertGreater(document["done"][what], 0)
