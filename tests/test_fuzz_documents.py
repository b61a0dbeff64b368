"""
Whatever a document says, and whatever a body is instead of one: JSON, templates of
gafferd's clients, numbers of instances.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob import checks
from smartmob.checks import Wrong
from smartmob.converter import InvalidDocument
from smartmob.ports import port_of
from smartmob.refusals import UnknownProcess
from smartmob.scaling import instance, numbered, steps
from smartmob.topics import BadTopic, parse
from smartmob.web.bodies import DEPTH, parse_body
from smartmob.web.gaffer.definitions import Definitions
from smartmob.web.gaffer.feeds import parse_feed, parse_optional_feed
from smartmob.web.gaffer.names import Name, parse_path
from smartmob.web.gaffer.names import parse as parse_name
from smartmob.web.gaffer.registry import is_number
from smartmob.web.gaffer.watch import parse_pattern
from smartmob.web.problems import Problem
from tests.support.configuring import accounts
from tests.support.fuzzing import linear, tries

LONE = "\ud800"

anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("aZ0=._-/:@ \0\n'\"\\,\u00e4" + LONE, max_size=12)
    | st.sampled_from(
        [
            *("TERM", "always", "./x.py", "ada", "staff", "2, 1., 7., 5", "stdout", "027", ""),
            *(1e400, -0.0, 2**63, 10**30, "9" * 50, "a b 'c", "x:y", "x.y", ":", "smartmob"),
        ]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
members = st.sampled_from(
    [
        *("name", "group", "cmd", "args", "env", "uid", "gid", "cwd", "detach", "shell"),
        *("os_env", "numprocesses", "start", "redirect_output", "redirect_input", "labels"),
        *("graceful_timeout", "flapping", "priority", "stop_signal", "restart", "output"),
        *("umask", "nice", "no_new_privileges", "limits", "custom_streams", "other"),
    ]
)

CHECKS = (
    *(checks.text, checks.input_text, checks.app, checks.node, checks.source_url, checks.cwd),
    *(checks.sha256, checks.boolean, checks.integer(0, 5), checks.limit, checks.seconds(10)),
    *(checks.seconds(10, zero=False), checks.signal_number, checks.umask, checks.env),
    checks.labels,
    checks.shown_token,
    checks.url_path,
)


def depth(value: object) -> int:
    """
    How deep arrays and objects lie in one another.
    """
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def nested(levels: list[bool], strings: list[str]) -> object:
    """
    Arrays and objects in one another, with strings beside them that look like more.
    """
    value: object = 1
    for number, is_list in enumerate(levels):
        string = strings[number % len(strings)] if strings else ""
        value = [string, value] if is_list else {string: value}
    return value


class BodyTests(SynchronousTestCase):
    """
    L{smartmob.web.bodies}.
    """

    @tries(200)
    @given(
        st.lists(st.booleans(), max_size=DEPTH + 6),
        st.lists(st.text('[]{}"\\a', max_size=8), max_size=3),
    )
    def test_depth(self, levels: list[bool], strings: list[str]) -> None:
        """A body is too deep exactly if it is, however its strings look."""
        document = {"a": nested(levels, strings)}
        body = json.dumps(document).encode()
        try:
            self.assertEqual(parse_body(body), document)
        except Problem as problem:
            self.assertEqual(problem.code, "invalid-document")
            self.assertGreater(depth(document), DEPTH)
        else:
            self.assertLessEqual(depth(document), DEPTH)

    @tries(200)
    @given(st.binary() | st.text('[]{}",:\\u0019eE+-.nt \n\t').map(str.encode))
    def test_model(self, body: bytes) -> None:
        """What is taken is what Python makes of it, and an object."""
        try:
            found = parse_body(body)
        except Problem as problem:
            self.assertIn(problem.code, ("bad-json", "invalid-document"))
            problem.encode()
        else:
            self.assertEqual(found, json.loads(body.strip() or b"{}"))

    def test_large(self) -> None:
        """The largest bodies, of the worst there is, are done with at once."""
        for piece in (
            b"[",
            b'{"":',
            b'"',
            b"\\",
            b'"\\',
            b"[]",
            b"{}[",
            b'"a",',
            b"1",
            b"\xff",
            b" ",
        ):
            for start in (b"", b'{"a":', b'"'):
                linear(partial(self.attempt, start + piece * (1 << 18)), 10)

    def attempt(self, body: bytes) -> None:
        """Read it."""
        with self.assertRaises(Problem):
            parse_body(body[: 1 << 20] + b"x")


class ChecksTests(SynchronousTestCase):
    """
    L{smartmob.checks}, L{smartmob.scaling} and L{smartmob.topics}.
    """

    @tries(400)
    @given(anything)
    def test_checks(self, value: object) -> None:
        """A value is as it has to be and stays so, or is wrong."""
        for check in CHECKS:
            try:
                found = check(value)
            except Wrong as error:
                self.assertTrue(error.errors)
                continue
            if check is not checks.signal_number:
                self.assertEqual(check(found), found)

    @tries(200)
    @given(anything | st.dictionaries(st.sampled_from(["web", "a b", ""]), anything))
    def test_steps(self, value: object) -> None:
        """So are steps."""
        try:
            found = steps(value)
        except InvalidDocument as error:
            json.dumps(error.errors).encode()
        else:
            self.assertLessEqual(len(found), 1000)
            for step in found.values():
                self.assertLess(abs(step.number), 100_000)
                self.assertGreaterEqual(step.target(3), 0)

    @tries(200)
    @given(st.text("ab.-0123456789\u0661\u00b2", max_size=20))
    def test_instances(self, node: str) -> None:
        """A node is a type's instance exactly if it is its name and a number."""
        found = numbered(node)
        if found is not None:
            kind, number = found
            self.assertEqual(instance(node, kind), number)
            self.assertTrue(node.startswith(f"{kind}."))
            self.assertEqual(int(node[len(kind) + 1 :]), number)

    @tries(200)
    @given(st.text("0123456789-+ _\u0661\u00b2", max_size=25) | st.just("1" * 5000))
    @example("8080")
    @example("1" * 5000)
    def test_port(self, text: str) -> None:
        """A port that is shown is the number that a program got."""
        port = port_of({"PORT": text})
        if port is not None:
            self.assertEqual(port, int(text))
            json.dumps(port)
        else:
            self.assertFalse(re.fullmatch("[0-9]{1,5}", text))

    @tries(200)
    @given(st.lists(st.text("ab.*", max_size=9) | st.just("a" * 600), max_size=40))
    def test_topics(self, topics: list[str]) -> None:
        """Topics that can be meant choose something, others are refused, in any order."""
        names = ["a", "proc.a.b.a"]
        try:
            found = parse(topics)
        except BadTopic as error:
            self.assertTrue(str(error))
            self.assertRaises(BadTopic, parse, topics[::-1])
            return
        self.assertEqual(found, parse(topics[::-1]))
        alone = [parse([topic]).want(names) for topic in topics]
        self.assertEqual(found.want(names), any(alone) or not topics)


class GafferTests(SynchronousTestCase):
    """
    What clients of gafferd's interface send.
    """

    definitions = Definitions("/srv", accounts())

    @tries(400)
    @given(st.dictionaries(members, anything, max_size=6))
    @example({"flapping": [1, 1.0, 1, {}]})
    @example({"flapping": "=" * 900})
    @example({"args": [LONE], "env": {LONE: LONE}, "labels": {"": None}})
    @example({"umask": "9", "redirect_output": ["a,b"], "uid": -1, "gid": True})
    def test_template(self, document: dict[str, object]) -> None:
        """A template is made, or each thing that is wrong is named."""
        whole = {"cmd": "x", **document}
        try:
            name = self.definitions.named(whole)
        except InvalidDocument:
            name = Name("default", "x")
        try:
            made = self.definitions.template(name, whole)
        except InvalidDocument as error:
            self.assertTrue(error.errors)
            json.dumps(error.errors).encode()
        else:
            self.assertEqual(made.name, name.template)
            self.assertTrue(made.model.cwd.startswith("/"))

    @tries(200)
    @given(anything | st.text("ab.:-_", max_size=12))
    def test_name(self, value: object) -> None:
        """A name is written as it is read."""
        try:
            name = parse_name(value)
        except Wrong:
            if isinstance(value, str):
                self.assertRaises(UnknownProcess, parse_path, value)
        else:
            self.assertEqual(parse_name(str(name)), name)
            self.assertEqual(parse_path(name.template), name)

    @tries(200)
    @given(
        st.lists(
            st.sampled_from(["proc", "start", "EXIT", "a", "a.b", "", "\u0130", "spawn"])
            | st.text(max_size=3),
            max_size=4,
        ).map(tuple)
    )
    def test_pattern(self, parts: tuple[str, ...]) -> None:
        """What is watched is a kind of event, or there is nothing at that path."""
        try:
            pattern = parse_pattern(parts)
        except (Problem, UnknownProcess):
            return
        self.assertTrue(pattern.topics.want(["start", "proc.a.start"]) in (True, False))

    @tries(200)
    @given(
        st.dictionaries(
            st.sampled_from([b"feed", b"heartbeat", b"x"]),
            st.lists(
                st.binary(max_size=4)
                | st.sampled_from([b"true", b"FALSE", b"0", b"86400", b"86401", b"9" * 5000])
                | st.sampled_from([b"longpoll", b"continuous", b"eventsource", b"normal"]),
                min_size=1,
            ),
        )
    )
    def test_feed(self, args: dict[bytes, list[bytes]]) -> None:
        """How a client wants to be told is understood, or refused."""
        for reader in (parse_feed, parse_optional_feed):
            try:
                found = reader(args)
            except Problem as problem:
                self.assertEqual(problem.status, 400)
            else:
                if found is not None and found.heartbeat is not None:
                    self.assertTrue(1 <= found.heartbeat <= 86_400)

    @tries(200)
    @given(st.text("0123456789+-_ \u0661\u00b2", max_size=25))
    def test_number(self, text: str) -> None:
        """A number is one that Python takes for the same."""
        if is_number(text):
            self.assertLess(int(text), 10**18)
            self.assertTrue(text.isascii())
