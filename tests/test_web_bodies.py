"""
From the bytes of a body to JSON.
"""

from __future__ import annotations

import json
import time

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob.web.bodies import BODY_BYTES, DEPTH, MEMBERS, parse_body
from smartmob.web.problems import Problem

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no failure."""

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class BodyTests(SynchronousTestCase):
    """
    What is JSON for the agent.
    """

    def assertRefused(self, body: bytes, code: str) -> Problem:
        """It is refused, with that code."""
        problem = self.assertRaises(Problem, parse_body, body)
        assert isinstance(problem, Problem)
        self.assertEqual(problem.code, code, body[:100])
        problem.encode()
        return problem

    def test_empty(self) -> None:
        """An empty body counts as an empty object."""
        for body in (b"", b" \r\n\t"):
            self.assertEqual(parse_body(body), {})

    def test_noJson(self) -> None:
        """What is no JSON says where."""
        for body in (b"{", b"}", b"{'a': 1}", b"{]", b'{"a": 1}x', b"{} {}", b"\xef\xbb\xbf{}"):
            self.assertRefused(body, "bad-json")
        self.assertIn("line 2, column 2", self.assertRefused(b'{"a":\n }', "bad-json").detail)

    def test_constants(self) -> None:
        """NaN and the infinities are no JSON."""
        for word in (b"NaN", b"Infinity", b"-Infinity"):
            self.assertRefused(b'{"a": ' + word + b"}", "bad-json")

    def test_longNumber(self) -> None:
        """A number of very many digits is refused, not worked at, in words of our own."""
        problem = self.assertRefused(b'{"a": ' + b"9" * 100_000 + b"}", "bad-json")
        self.assertEqual(problem.detail, "a number has too many digits")

    def test_noUtf8(self) -> None:
        """JSON is UTF-8."""
        for body in (b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16"), b'"\xed\xa0\x80"'):
            self.assertRefused(body, "bad-json")

    def test_noObject(self) -> None:
        """JSON that is no object is no document."""
        for body in (b"[]", b"3", b"null", b'"x"', b"true"):
            self.assertRefused(body, "invalid-document")

    def test_twice(self) -> None:
        """A key that stands twice has no one meaning."""
        problem = self.assertRefused(b'{"a": {"b": 1, "b": 1}}', "invalid-document")
        self.assertEqual(problem.errors[0].field, "b")
        self.assertRefused(b'{"\\ud800": 1, "\\ud800": 1}', "invalid-document")

    def test_depth(self) -> None:
        """Objects and arrays lie at most so deep in one another."""
        for opening, closing in ((b"[", b"]"), (b'{"":', b"}")):
            inside = (DEPTH - 1) * opening + b"1" + (DEPTH - 1) * closing
            self.assertEqual(list(parse_body(b'{"a": ' + inside + b"}")), ["a"])
            deeper = b'{"a": ' + opening + inside + closing + b"}"
            self.assertRefused(deeper, "invalid-document")

    def test_bracketsInStrings(self) -> None:
        """Brackets in strings are not counted."""
        text = '[{"' * 1_000 + "\\"
        self.assertEqual(
            parse_body(json.dumps({"a": text, "b": text}).encode()), {"a": text, "b": text}
        )

    def test_members(self) -> None:
        """Objects have at most so many members, together; colons in strings are none."""
        names = [str(number) for number in range(MEMBERS - 2)]
        document: dict[str, object] = {"a": dict.fromkeys(names, ":" * 10), "b": []}
        body = json.dumps(document).encode()
        self.assertEqual(parse_body(body), document)
        for more in (b', "c": 1}', b', "c" : 1}', b', "c"\n:\n{}}'):
            self.assertRefused(body[:-1] + more, "invalid-document")

    def test_quick(self) -> None:
        """No body within the bound holds the agent up."""
        for pattern in (
            b"[",
            b"{",
            b"]",
            b'"',
            b'\\"',
            b"[]",
            b'{"":',
            b'"[',
            b"[" * DEPTH + b"]" * DEPTH,
            b"[{",
            b",",
            b"\\",
        ):
            body = pattern * (BODY_BYTES // len(pattern))
            begun = time.process_time()
            for whole in (body, b'{"a": ' + body, b'{"a": "' + body):
                self.assertRaises(Problem, parse_body, whole)
            self.assertLess(time.process_time() - begun, 3)

    @PATIENT
    @given(st.dictionaries(st.text(), values))
    def test_roundTrip(self, document: dict[str, object]) -> None:
        """Any object that is not too deep is read as it was written."""
        self.assertEqual(parse_body(json.dumps(document).encode()), document)

    @PATIENT
    @given(st.binary() | st.text(alphabet='[]{}",:\\ae1 \n').map(str.encode))
    @example(b'{"a": "\\')
    @example(b"[}")
    def test_anything(self, body: bytes) -> None:
        """Any bytes are an object, or a problem that can be told."""
        try:
            self.assertIsInstance(parse_body(body), dict)
        except Problem as problem:
            problem.encode()
