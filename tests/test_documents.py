"""
From JSON to values: what is taken, and what is said about the rest.
"""

from __future__ import annotations

import gc
import json
import signal
from collections.abc import Iterable
from typing import Any
from weakref import ref

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smartmob import checks
from smartmob.converter import UNKNOWN_SHOWN, InvalidDocument, structure
from smartmob.documents import (
    CreateRequest,
    Flapping,
    Limits,
    Output,
    Restart,
    SignalRequest,
    StdinRequest,
    VerbRequest,
)

LEAST: dict[str, Any] = {
    "app": "myapp",
    "node": "web.0",
    "process_type": "web",
    "source_url": "http://...",
}
LONE = "\ud800"
"""Half of a surrogate pair, which JSON can say and UTF-8 can't."""


class DocumentCase(SynchronousTestCase):
    """
    Assertions about fields.
    """

    def errors(self, document: object, wanted: type[object] = CreateRequest) -> dict[str, str]:
        """What is said about each wrong field."""
        error = self.assertRaises(InvalidDocument, structure, document, wanted)
        assert isinstance(error, InvalidDocument)
        names = [name for name, _ in error.errors]
        self.assertEqual(len(set(names)), len(names))
        self.assertTrue(str(error))
        return dict(error.errors)

    def create(self, **fields: object) -> CreateRequest:
        """A request with these fields."""
        return structure({**LEAST, **fields}, CreateRequest)

    def assertTaken(self, name: str, values: dict[Any, Any] | Iterable[Any]) -> None:
        """Each value is taken, and becomes what it stands for."""
        pairs = values.items() if isinstance(values, dict) else ((one, one) for one in values)
        for value, expected in pairs:
            taken = getattr(self.create(**{name: value}), name)
            self.assertEqual(taken, expected)
            self.assertIs(type(taken), type(expected))

    def assertWrong(self, name: str, values: Iterable[object]) -> None:
        """Each value is refused, and its field named."""
        for value in values:
            self.assertEqual(list(self.errors({**LEAST, name: value})), [name], repr(value))


class FieldTests(DocumentCase):
    """
    Each field of a create request.
    """

    def test_defaults(self) -> None:
        """The fields of the walk-through are enough."""
        self.assertEqual(structure(LEAST, CreateRequest), CreateRequest(**LEAST))

    def test_names(self) -> None:
        """Names are of few characters, so that they can stand in paths and URLs."""
        for name in ("app", "node", "process_type"):
            self.assertTaken(name, ["a", "A-1_b", "9", "x" * 100])
            self.assertWrong(
                name,
                ["", "-a", "_a", ".a", "x" * 101, "a/b", "../..", "a b", "a\n", "ä", "a\0"],
            )
            self.assertWrong(name, [3, True, None, ["a"], {}, 1.5, LONE])
        self.assertTaken("node", ["web.0", "a..b"])
        self.assertWrong("app", ["my.app"])
        self.assertWrong("process_type", ["web.0"])

    def test_sourceUrl(self) -> None:
        """A source's URL is judged by its form alone."""
        digest = "0123456789abcdefABCDEF" + "0" * 42
        self.assertTaken(
            "source_url",
            [
                "http://...",
                "https://h",
                "HTTP://h:1/a?b=c@d#e",
                "http://h/@x",
                "http://[::1]/a",
                "http://h/ä",
                f"smartmob-archive:{digest}",
            ],
        )
        self.assertWrong(
            "source_url",
            [
                "",
                "h",
                "http://",
                "http:///a",
                "http:h",
                "http:/h",
                "http",
                "ftp://h",
                "file:///etc/passwd",
                "/a.tar.gz",
                "http://user@h/",
                "http://user:password@h/",
                "http://@h/",
                "http://a\\@h/",
                "http://h/a b",
                "http://h/\r\nX: y",
                "http://h/\0",
                "http://h/" + LONE,
                " http://h/",
                "http://h/" + "a" * checks.SOURCE_URL_LENGTH,
                "smartmob-archive:",
                "smartmob-archive:abc",
                f"smartmob-archive://{digest}",
                3,
                None,
            ],
        )

    def test_sha256(self) -> None:
        """A digest is 64 hexadecimal digits; null is as if it were not there."""
        self.assertTaken("source_sha256", {"A" * 64: "a" * 64, None: None})
        self.assertWrong("source_sha256", ["", "a" * 63, "g" * 64, "a" * 65, 3])

    def test_cwd(self) -> None:
        """The folder is inside the source."""
        self.assertTaken("cwd", ["src", "a/b", ".", "./a", "a..b", None])
        self.assertWrong("cwd", ["", "/", "/tmp", "..", "a/../b", "../x", "a\0", LONE, 3])

    def test_stopSignal(self) -> None:
        """A signal is a name in any case, or a number, of this system."""
        term = int(signal.SIGTERM)
        self.assertTaken(
            "stop_signal",
            {"TERM": 15, "SIGTERM": 15, "sigint": 2, "Hup": 1, term: term, 64: 64},
        )
        self.assertWrong(
            "stop_signal", ["", "SIG", "FOO", "15", "SIG_DFL", 0, -1, 65, 32, True, 15.0, None]
        )

    def test_graceful(self) -> None:
        """The grace is from 0 to an hour."""
        self.assertTaken("graceful_timeout", {0: 0.0, 1: 1.0, 0.5: 0.5, 3600: 3600.0})
        self.assertWrong(
            "graceful_timeout",
            [-1, 3600.1, 10**400, float("inf"), float("nan"), "1", True, None],
        )

    def test_flapping(self) -> None:
        """Flapping is four numbers within bounds, all of them needed."""
        good = {"attempts": 2, "window": 1, "retry_in": 7.0, "max_retry": 5}
        self.assertEqual(
            self.create(flapping=good).flapping,
            Flapping(attempts=2, window=1.0, retry_in=7.0, max_retry=5),
        )
        self.assertIsNone(self.create(flapping=None).flapping)
        wrong: dict[str, list[object]] = {
            "attempts": [0, 1001, 2.0, True, "2", None],
            "window": [0, -1, "1", None, 1e308, float("inf")],
            "retry_in": [-0.1, "1", None, 1e308],
            "max_retry": [-2, 1.0, False, None],
        }
        for name, values in wrong.items():
            for value in values:
                errors = self.errors({**LEAST, "flapping": {**good, name: value}})
                self.assertEqual(list(errors), [f"flapping.{name}"])
        self.assertEqual(
            set(self.errors({**LEAST, "flapping": {"windw": 1}})),
            {f"flapping.{name}" for name in (*good, "windw")},
        )
        self.assertWrong("flapping", [[2, 1.0, 7.0, 5], "2, 1., 7., 5", 3])
        for edge in ({"attempts": 1000}, {"retry_in": 0}, {"max_retry": -1}):
            self.create(flapping={**good, **edge})

    def test_switches(self) -> None:
        """What is yes or no is true or false."""
        for name in ("redirect_input", "no_new_privileges"):
            self.assertTaken(name, [True, False])
            self.assertWrong(name, [1, 0, "true", None])

    def test_words(self) -> None:
        """Words are one of a few."""
        self.assertTaken("restart", {word.value: word for word in Restart})
        self.assertTaken("output", {word.value: word for word in Output})
        for name in ("restart", "output"):
            self.assertWrong(name, ["", "ALWAYS", "Drop", None, True, 1, ["drop"], {}])

    def test_umask(self) -> None:
        """A mask is octal digits, or an integer."""
        self.assertTaken("umask", {"027": 0o27, "0": 0, "0777": 0o777, 18: 18, 511: 511})
        self.assertWrong(
            "umask", ["", "8", "1000", "0o27", "-1", -1, 512, True, 1.0, None, "٣"]
        )

    def test_nice(self) -> None:
        """Niceness is from -20 to 19."""
        self.assertTaken("nice", [-20, 0, 19])
        self.assertWrong("nice", [-21, 20, 1.0, "1", False, None])

    def test_limits(self) -> None:
        """A limit is an integer that is not negative, or null for none."""
        self.assertEqual(
            self.create(limits={"open_files": 64, "core_bytes": 0, "processes": None}).limits,
            Limits(open_files=64, core_bytes=0),
        )
        for name in ("memory_bytes", "processes", "open_files", "cpu_seconds"):
            for value in (-1, 1.0, "1", True, 2**63):
                errors = self.errors({**LEAST, "limits": {name: value}})
                self.assertEqual(list(errors), [f"limits.{name}"])
        self.assertWrong("limits", [None, [], 3])

    def test_cpuPercent(self) -> None:
        """A share of the processors is an integer from 1 on."""
        self.assertEqual(
            self.create(limits={"cpu_percent": 250}).limits, Limits(cpu_percent=250)
        )
        for value in (0, -1, 1.5, "1", True, 1_000_001):
            errors = self.errors({**LEAST, "limits": {"cpu_percent": value}})
            self.assertEqual(list(errors), ["limits.cpu_percent"])

    def test_env(self) -> None:
        """Variables have names and values that a program can be given."""
        self.assertTaken("env", [])
        self.assertEqual(self.create(env={"A": "", "ä b": "x=y"}).env, {"A": "", "ä b": "x=y"})
        bad = {"A=B": "x", "B": 3, "C": "\0", "D": None, "E": LONE, "F\0": "x", "G": "fine"}
        self.assertEqual(
            set(self.errors({**LEAST, "env": bad})),
            {f"env.{name}" for name in bad if name != "G"},
        )
        self.assertWrong("env", [None, [], "A=B", {"": "x"}])

    def test_envBounds(self) -> None:
        """The environment is bounded in names and in bytes."""
        self.create(env={f"N{number}": "" for number in range(checks.ENV_NAMES)})
        self.assertWrong("env", [{f"N{number}": "" for number in range(1_001)}])
        room = checks.ENV_BYTES - len("A") - 2
        self.create(env={"A": "x" * room})
        self.assertWrong("env", [{"A": "x" * (room + 1)}, {"A": "ä" * (room // 2 + 1)}])

    def test_envValuesAreNotTold(self) -> None:
        """What is said about a variable has nothing of its value."""
        error = self.assertRaises(
            InvalidDocument, self.create, env={"A": "geheim\0"}, labels={"b": "geheim" * 100}
        )
        self.assertNotIn("geheim", f"{error} {error.errors}")
        self.assertNotIn("geheim", repr(self.create(env={"A": "geheim"})))

    def test_labels(self) -> None:
        """Labels are few, and short."""
        good = {"x" * 256: "ä" * 256, **{f"l{number}": "" for number in range(63)}}
        self.assertEqual(self.create(labels=good).labels, good)
        self.assertWrong("labels", [{**good, "one": "more"}, None, []])
        errors = self.errors({**LEAST, "labels": {"a": 3, "b": "x" * 257, "c": "\0"}})
        self.assertEqual(set(errors), {"labels.a", "labels.b", "labels.c"})


class RefusedTests(SynchronousTestCase):
    """
    What becomes of a document that is refused.
    """

    def test_letGo(self) -> None:
        """Nobody has it any more."""

        class Document(dict[str, object]):
            """One that can be told from others."""

        document = Document(labels=dict.fromkeys(map(str, range(100)), ""), env=1, odd={})
        kept = ref(document)
        gc.disable()
        self.addCleanup(gc.enable)
        refused = False
        try:
            structure(document, CreateRequest)
        except InvalidDocument:
            refused = True
        del document
        self.assertTrue(refused)
        self.assertIsNone(kept())


class UnknownTests(DocumentCase):
    """
    Keys that nobody knows.
    """

    def test_missing(self) -> None:
        """All that is missing is named."""
        self.assertEqual(self.errors({}), dict.fromkeys(LEAST, "is missing"))

    def test_hint(self) -> None:
        """An unknown key is named, with the nearest one that there is."""
        errors = self.errors({**LEAST, "sourceurl": "x", "colour": 3})
        self.assertEqual(
            errors,
            {
                "sourceurl": "is not known; did you mean source_url?",
                "colour": "is not known",
            },
        )

    def test_notTaken(self) -> None:
        """What only a configuration file may say is unknown here."""
        for name in ("uid", "gid", "detach", "shell", "cmd", "args", "slug"):
            self.assertWrong(name, ["x"])

    def test_many(self) -> None:
        """Any number of unknown keys makes an answer of bounded length, quickly."""
        document = {**LEAST, **{f"{number}{'x' * 500}": 1 for number in range(2_000)}}
        error = self.assertRaises(InvalidDocument, structure, document, CreateRequest)
        self.assertEqual(len(error.errors), UNKNOWN_SHOWN + 1)
        self.assertLess(len(str(error.errors)), 50_000)

    def test_odd(self) -> None:
        """Names that can't be encoded are told in a form that can."""
        for name in (LONE, "\0", "", "x" * 10_000):
            [shown] = self.errors({**LEAST, name: 1})
            shown.encode()
            self.assertLess(len(shown), 200)

    def test_noObject(self) -> None:
        """A document is an object."""
        for document in (None, [], [LEAST], "x", 3, True):
            self.assertEqual(self.errors(document), {"": "must be an object"})


class OtherRequestTests(DocumentCase):
    """
    What comes with verbs.
    """

    def test_verb(self) -> None:
        """A verb takes nothing."""
        self.assertEqual(structure({}, VerbRequest), VerbRequest())
        self.assertEqual(list(self.errors({"force": 1}, VerbRequest)), ["force"])

    def test_signal(self) -> None:
        """A signal is needed."""
        self.assertEqual(structure({"signal": "hup"}, SignalRequest).signal, signal.SIGHUP)
        self.assertEqual(self.errors({}, SignalRequest), {"signal": "is missing"})

    def test_stdin(self) -> None:
        """Input is text; NUL is a character of it."""
        self.assertEqual(structure({"data": "\0"}, StdinRequest), StdinRequest(data="\0"))
        self.assertEqual(structure({"eof": True}, StdinRequest).eof, True)
        self.assertEqual(
            set(self.errors({"data": LONE, "eof": 1, "end": 1}, StdinRequest)),
            {"data", "eof", "end"},
        )


PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A loaded machine is no failure."""

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("aZ0=._-/:@ \0\n\u00e4" + LONE)
    | st.sampled_from(["TERM", "always", "http://...", "web.0", "027", LONE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
fields = st.sampled_from([field.name for field in CreateRequest.__attrs_attrs__])


class AnythingTests(SynchronousTestCase):
    """
    Whatever is sent.
    """

    @PATIENT
    @given(anything | st.dictionaries(fields, anything))
    @example({**LEAST, "flapping": {"attempts": {}}})
    @example({**LEAST, "env": {LONE: {}}})
    def test_requestOrErrors(self, document: object) -> None:
        """Any JSON is a request, or a list of wrong fields that can be encoded."""
        for wanted in (CreateRequest, SignalRequest, StdinRequest, VerbRequest):
            try:
                structure(document, wanted)
            except InvalidDocument as invalid:
                self.assertTrue(invalid.errors)
                json.dumps(invalid.errors).encode()
                for name, message in invalid.errors:
                    (name + message).encode()

    @PATIENT
    @given(st.dictionaries(fields, anything))
    def test_everyWrongFieldAlone(self, document: dict[str, object]) -> None:
        """A field is refused among others exactly if it is refused alone."""

        def wrong(one: dict[str, object]) -> set[str]:
            try:
                structure({**LEAST, **one}, CreateRequest)
            except InvalidDocument as invalid:
                return {name for name, _ in invalid.errors}
            return set()

        alone = [wrong({name: value}) for name, value in document.items()]
        self.assertEqual(wrong(document), set().union(*alone))
