"""
Tests of L{smartmob.placeholders}.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.placeholders import BadPlaceholder, Pattern, Whose

WHOSE = Whose("blog", "web.0", "web", "blog.web.0")

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no failure."""


class PatternTests(SynchronousTestCase):
    """
    Tests of L{Pattern}.
    """

    def test_filled(self) -> None:
        """
        Each placeholder becomes what it stands for, as often as it is there.
        """
        for text, filled in {
            "logs/{slug}.log": "logs/blog.web.0.log",
            "{app}/{node}/{process_type}.{stream}": "blog/web.0/web.stdout",
            "{app}{app}": "blogblog",
            "none": "none",
            "%s{app}%": "%sblog%",
        }.items():
            self.assertEqual(Pattern.of(text).filled(WHOSE, "stdout"), filled)

    def test_unknown(self) -> None:
        """
        Any other is refused, and what there is is said.
        """
        for text in ("{App}", "a{}b", "{app }", "{slug}{pid}"):
            with self.assertRaises(BadPlaceholder) as raised:
                Pattern.of(text)
            self.assertIn("{process_type}", str(raised.exception))

    def test_braces(self) -> None:
        """
        A brace that is left alone is refused, and said.
        """
        for text, brace in {
            "logs/{slug.log": "{ without a }",
            "{{slug}}": "{ without a }",
            "a}": "} without a {",
            "}{": "{ without a }",
        }.items():
            with self.assertRaises(BadPlaceholder) as raised:
                Pattern.of(text)
            self.assertEqual(str(raised.exception), f"has a {brace}")

    def test_open(self) -> None:
        """
        It is known whether it ends with a placeholder.
        """
        self.assertTrue(Pattern.of("logs/{slug}").ends_open)
        self.assertFalse(Pattern.of("logs/{slug}.log").ends_open)
        self.assertFalse(Pattern.of("logs").ends_open)

    @PATIENT
    @given(st.text(), st.text())
    def test_stays(self, node: str, stream: str) -> None:
        """
        Whatever values are, none leads to another folder.
        """
        whose = Whose("a", node, "b", "a.b")
        filled = Pattern.of("/logs/x/{node}/{stream}.log").filled(whose, stream)
        self.assertEqual(os.path.normpath(filled).split("/")[:3], ["", "logs", "x"])
        self.assertNotIn("\0", filled)
        self.assertEqual(filled.count("/"), 4)
        self.assertNotIn("..", filled.split("/"))
