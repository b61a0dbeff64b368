"""
Whatever is created, of whatever an archive may have in it, and whatever its programs do.
"""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher

from smartmob.documents import Left
from smartmob.topics import Topics
from tests.support.fuzzing import tries
from tests.support.gafferd import GafferdTestCase
from tests.support.httpwire import Answer
from tests.support.releasing import FakeSources

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
names = st.sampled_from(["PORT", "PATH", "PS", "A", "_", "\u00e4", "\n", " ", "x" * 500, "%"])
values = st.one_of(
    texts,
    st.sampled_from(
        ["8080", "9" * 5000, "\u0661", "-1", "0", "00", "", "\n", "${A}", "x" * 9999]
    ),
)
most = st.sampled_from([0, 1, 2**31, 2**63 - 1])
documents = st.fixed_dictionaries(
    {
        "app": st.sampled_from(["a", "0", "default", "x" * 100]),
        "node": st.sampled_from(
            ["web.0", "web.1", "0", "a..", "web.99999999999", "1.007", "x." * 50]
        ),
        "process_type": st.sampled_from(["web", "clock", "none", "x" * 100]),
        "source_url": st.sampled_from(
            [
                *(
                    "http://...",
                    "http://127.0.0.1/a?secret",
                    "https://[::1]:1/#x",
                    "http://\u00e4/",
                ),
                *("smartmob-archive:" + "0f" * 32, "HTTP://x" + "/y" * 4000),
            ]
        ),
    },
    optional={
        "env": st.dictionaries(names | texts.filter(lambda n: n and "=" not in n), values),
        "labels": st.dictionaries(texts, texts),
        "limits": st.dictionaries(st.sampled_from(["memory_bytes", "open_files"]), most),
        "stop_signal": st.sampled_from(["TERM", "sigkill", 1, 64, "RTMIN"]),
        "graceful_timeout": st.sampled_from([0, 0.001, 3600, 1e-300]),
        "flapping": st.fixed_dictionaries(
            {
                "attempts": st.sampled_from([1, 1000]),
                "window": st.sampled_from([1e-300, 31536000.0]),
                "retry_in": st.sampled_from([0, 1e-300, 31536000.0]),
                "max_retry": st.sampled_from([-1, 0, 2]),
            }
        ),
        "restart": st.sampled_from(["always", "on-failure", "never"]),
        "output": st.sampled_from(["drop", "block"]),
        "redirect_input": st.booleans(),
        "umask": st.sampled_from(["0", "777", 0, 511]),
        "nice": st.integers(-20, 19),
        "no_new_privileges": st.booleans(),
        "source_sha256": st.just("AB" * 32),
    },
)
procfiles = st.one_of(
    st.sampled_from(
        [
            *(
                b"web: ./web\n",
                b"web: A=1 PORT=%b x\n" % (b"9" * 5000),
                b"web: '",
                b"web: exec -a",
            ),
            *(
                b"clock: x\n",
                b"web: \xc3\xa4 \x01\x7f\n",
                b"\0",
                b"web: env PORT='x y' z | w\n",
            ),
            b"".join(b"t%d: x\n" % number for number in range(3000)),
            b"web: " + b"x" * 200_000,
        ]
    ),
    st.binary(max_size=20),
)
dotenvs = st.none() | st.sampled_from(
    [b"PORT=" + b"9" * 5000, b"PORT=80\nA=\xc3\xa4\n", b"A=" + b"x" * 150_000, b"=", b"\xff"]
)
doings = st.one_of(
    st.tuples(st.just("output"), st.binary(max_size=20)),
    st.tuples(st.just("exit"), st.integers(0, 255)),
    st.tuples(st.just("signal"), st.integers(1, 64)),
    st.tuples(st.just("left"), st.binary(max_size=15)),
    st.tuples(st.sampled_from(["fail", "lose", "stop", "start", "restart", "scale"]), texts),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 100, 10**8])),
)


class CreatesTests(GafferdTestCase):
    """
    An agent whose programs do anything.
    """

    def begin(self, procfile: bytes, dotenv: bytes | None) -> None:
        """An agent that has done nothing yet, and what archives have in them."""
        super().setUp()
        sources = cast(FakeSources, self.agent.sources)
        sources.procfile, sources.dotenv = procfile, dotenv

    def rest(self, method: str, path: str, body: Any = None) -> Answer:
        """The answer of the REST interface, which is no failure."""
        answer = self.ask(method, path, body, site=self.both)
        self.assertNotEqual(answer.status, 500, answer.body)
        return answer

    def do(self, what: str, how: Any, slug: str) -> None:
        """Something happens."""
        if what in ("stop", "start", "restart"):
            self.rest("POST", f"/{what}-process/{slug}?wait=0")
        elif what == "scale":
            self.rest("POST", f"/scale-app/{slug.partition('.')[0]}", {"web": 2, how: "+1"})
        elif what == "wait":
            self.clock.advance(how)
        for program in self.programs:
            if program.pid is None:
                continue
            match what:
                case "output":
                    program.output(how)
                case "exit":
                    program.end(how)
                case "signal":
                    program.end(signal=how)
                case "left":
                    name = how.decode("utf-8", "replace")
                    program.end(killed=(name,), left=(Left(1, name),))
                case "fail" | "lose":
                    program.lose()
        self.up()

    @tries(100)
    @given(documents, procfiles, dotenvs, st.lists(doings, max_size=6))
    @example(
        {
            "app": "a",
            "node": "web.0",
            "process_type": "web",
            "source_url": "http://...",
            "env": {"PORT": "9" * 5000},
        },
        b"web: x\n",
        None,
        [("exit", 1), ("wait", 1), ("scale", "clock")],
    )
    def test_anything(
        self,
        document: dict[str, object],
        procfile: bytes,
        dotenv: bytes | None,
        doings: list[tuple[str, Any]],
    ) -> None:
        """
        It runs or it says why not, briefly; it can be listed, looked at and deleted, and
        nothing of it is left then.
        """
        said: list[LogEvent] = []
        listener = cast(ILogObserver, said.append)
        self.begin(procfile, dotenv)
        globalLogPublisher.addObserver(listener)
        try:
            created = self.rest("POST", "/create-process", document)
            self.assertEqual(created.status, 201, created.body)
            slug = f"{document['app']}.{document['node']}"
            self.up()
            for what, how in doings:
                self.do(what, how, slug)
            [shown] = [
                each
                for each in self.rest("GET", "/list-processes").json()["processes"]
                if each["slug"] == slug
            ]
            whole = self.rest("GET", f"/process-status/{slug}").json()
            self.assertEqual({**whole, "last_exits": None}, {**shown, "last_exits": None})
            self.assertLess(len(shown["reason"] or ""), 3000)
            for path in ("/process-logs/", "/process-stats/"):
                self.assertEqual(self.rest("GET", path + slug).status, 200)
            for event in self.agent.events.since(0, Topics())[1]:
                json.dumps(event.document())
            self.assertEqual(self.rest("POST", f"/delete-app/{document['app']}").status, 200)
            self.assertEqual(self.rest("GET", "/list-processes").json(), {"processes": []})
        finally:
            globalLogPublisher.removeObserver(listener)
        self.assertEqual(self.programs, [])
        self.assertEqual([each for each in said if "log_failure" in each], [])
        self.assertEqual([each for each in said if each["log_level"] >= LogLevel.error], [])
