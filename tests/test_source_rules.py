"""
Tests of L{smartmob.source.rules}: where sources may come from.
"""

from __future__ import annotations

import hashlib

from twisted.trial.unittest import SynchronousTestCase

from smartmob.config.configuration import Settings
from smartmob.place import BadPlace
from smartmob.refusals import SourceNotAllowed
from smartmob.source.errors import SourceRefused
from smartmob.source.rules import SourceRules
from tests.support.disks import InlineDisk
from tests.support.sourcing import Bench, begin_unpacking, end_unpacking

ARCHIVE = "smartmob-archive:" + "0" * 64
A = hashlib.sha256(b"a").hexdigest()


class RulesTests(SynchronousTestCase):
    """
    C{allowed_sources} and C{private_sources}.
    """

    def test_none(self) -> None:
        """Where nothing is said, sources may come from anywhere, even from nowhere."""
        rules = SourceRules.of(Settings())
        for url in ("http://...", "https://h/a", ARCHIVE):
            rules.check(url)
        self.assertTrue(rules.private)
        self.assertFalse(SourceRules.of(Settings(private_sources=False)).private)

    def test_places(self) -> None:
        """Where places are named, all else is refused: archives that are sent as well."""
        rules = SourceRules.of(
            Settings(allowed_sources=("https://ci.example/pub/", "http://127.0.0.1:8000"))
        )
        for url in ("https://CI.example/pub/a.zip?sig=1", "http://127.0.0.1:8000/a"):
            rules.check(url)
        for url in ("https://ci.example/a.zip", "http://...", "http://u@h/", ARCHIVE):
            self.assertRaises(SourceNotAllowed, rules.check, url)

    def test_archives(self) -> None:
        """Archives that are sent are allowed where they are named."""
        for said in ("smartmob-archive:", "SMARTMOB-archive:"):
            rules = SourceRules.of(Settings(allowed_sources=(said,)))
            rules.check(ARCHIVE)
            self.assertRaises(SourceNotAllowed, rules.check, "https://ci.example/")

    def test_nothing(self) -> None:
        """An empty list allows nothing."""
        rules = SourceRules.of(Settings(allowed_sources=()))
        for url in ("https://ci.example/", ARCHIVE):
            self.assertRaises(SourceNotAllowed, rules.check, url)

    def test_bad(self) -> None:
        """What is no place is named."""
        settings = Settings(allowed_sources=("https://h/", "https://u@h/"))
        error = self.assertRaises(BadPlace, SourceRules.of, settings)
        self.assertIn("https://u@h/ has a user name", str(error))

    def test_noSecret(self) -> None:
        """The refusal shows nothing of the URL, whose query may be a secret."""
        rules = SourceRules.of(Settings(allowed_sources=()))
        error = self.assertRaises(SourceNotAllowed, rules.check, "https://h/?token=x")
        self.assertNotIn("token", str(error))


class SourcesTests(SynchronousTestCase):
    """
    Rules that change while sources are used.
    """

    def setUp(self) -> None:
        self.bench = Bench(self.mktemp(), InlineDisk())
        self.bench.sources.startService()

    def test_changed(self) -> None:
        """
        What was asked for under other rules is not downloaded any more; a release that
        is there stays in use.
        """
        sources = self.bench.sources
        sources.check("http://host/a")
        asked = self.bench.release()
        self.bench.fetcher.fetches[0].done.callback(b"a")
        [program] = self.bench.unpackers
        begin_unpacking(program)
        end_unpacking(program)
        release = self.successResultOf(asked)
        sources.rules = SourceRules.of(Settings(allowed_sources=("http://host/b",)))
        self.assertRaises(SourceNotAllowed, sources.check, "http://host/a")
        self.failureResultOf(self.bench.release(), SourceRefused)
        self.failureResultOf(self.bench.release(url=ARCHIVE), SourceRefused)
        self.assertEqual(len(self.bench.fetcher.fetches), 1)
        self.assertTrue(release.path.exists())
        self.successResultOf(sources.drop(release, "app.web.0"))
