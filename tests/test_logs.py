"""
Tests of L{smartmob.logs}.
"""

from __future__ import annotations

import json
from io import StringIO

from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smartmob.logs import ALWAYS, observer


def said(verbosity: int, form: str = "text") -> str:
    """
    What an operator reads of some events.
    """
    out = StringIO()
    publisher = LogPublisher(observer(verbosity, form, out))
    ours = Logger("smartmob.process", observer=publisher)
    theirs = Logger("twisted.web.http", observer=publisher)
    ours.info("{slug} started", slug="a.b", folder=object())
    ours.debug("detail")
    ours.warn("{slug} failed", slug="a.b")
    theirs.info("Starting factory")
    theirs.warn("odd request")
    ours.emit(LogLevel.info, "Listening on {url}", url="http://x", **{ALWAYS: True})
    return out.getvalue()


class LogTests(SynchronousTestCase):
    """
    What is shown, and how.
    """

    def test_quiet(self) -> None:
        """Without -v: warnings, errors, and where the agent listens."""
        lines = said(0).splitlines()
        self.assertEqual(
            [line.split(" ", 1)[1] for line in lines],
            ["warn: a.b failed", "warn: odd request", "Listening on http://x"],
        )

    def test_verbose(self) -> None:
        """With -v also what happens to processes, but not the framework's own news."""
        lines = said(1).splitlines()
        self.assertEqual(lines[0].split(" ", 1)[1], "a.b started")
        self.assertEqual(len(lines), 4)

    def test_json(self) -> None:
        """As JSON each line is a document, with the event's fields where JSON has them."""
        documents = [json.loads(line) for line in said(1, "json").splitlines()]
        first = documents[0]
        self.assertEqual(first["message"], "a.b started")
        self.assertEqual(first["level"], "info")
        self.assertEqual(first["slug"], "a.b")
        self.assertNotIn("folder", first)
        self.assertEqual(documents[-1]["message"], "Listening on http://x")

    def test_traceback(self) -> None:
        """A failure comes with its traceback, indented, so that a line is an event."""
        for form in ("text", "json"):
            out = StringIO()
            log = Logger("smartmob", observer=LogPublisher(observer(0, form, out)))
            try:
                raise ZeroDivisionError("oh")
            except ZeroDivisionError:
                log.failure("it broke", Failure())
            self.assertIn("ZeroDivisionError: oh", out.getvalue())
            first, *rest = out.getvalue().splitlines()
            self.assertIn("it broke", first)
            self.assertTrue(all(line.startswith("    ") for line in rest))
