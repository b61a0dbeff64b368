"""
The REST interface: what is asked, and what is answered.
"""

from __future__ import annotations

import json
import resource
import signal
from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import smartmob
from smartmob.documents import LastExit, Left, Limits, Output, Restart, State
from smartmob.refusals import NotRunning, StdinFull, Stopping, TreeLeft
from smartmob.scaling import Step
from smartmob.tokens import parse
from smartmob.web.measurements import Measurements
from smartmob.web.root import make_site
from smartmob.web.stats import Usage
from tests.support.agents import FakeAgent, FakeProcess
from tests.support.httpwire import Answer, Wire

WALK_THROUGH = {
    "app": "myapp",
    "source_url": "http://...",
    "process_type": "web",
    "node": "web.0",
}


class ApiCase(SynchronousTestCase):
    """
    An agent in memory, and a connection to it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.agent = FakeAgent()
        self.usage = Usage(
            cpu_percent=12.5, rss_bytes=1000, processes=2, threads=3, open_files=4
        )
        self.site = make_site(
            self.agent.real,
            self.clock,
            hosts=["box.example"],
            measurements=Measurements(lambda measure: succeed(self.usage)),
        )
        self.wire = Wire(self.site)

    def get(self, path: str, *headers: str) -> Answer:
        """GET."""
        return self.wire.ask("GET", path, None, *headers)

    def post(self, path: str, body: Any = None, *headers: str) -> Answer:
        """POST."""
        return self.wire.ask("POST", path, {} if body is None else body, *headers)

    def assertProblem(self, answer: Answer, status: int, code: str) -> Any:
        """An error of the promised shape; gives its document."""
        document = answer.json()
        self.assertEqual((answer.status, document["code"]), (status, code), document)
        self.assertEqual(answer.header("content-type"), "application/problem+json")
        self.assertEqual(document["type"], f"urn:smartmob:problem:{code}")
        self.assertEqual(document["status"], status)
        self.assertTrue(document["title"])
        self.assertTrue(document["detail"])
        return document


class WalkThroughTests(ApiCase):
    """
    The walk-through of the documentation.
    """

    def test_index(self) -> None:
        """The index has absolute URLs of the request's own Host."""
        answer = self.get("/")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.header("content-type"), "application/json")
        self.assertEqual(
            answer.json(),
            {
                "list": "http://127.0.0.1:8080/list-processes",
                "scale": "http://127.0.0.1:8080/scale-app/{app}",
                "attach_app": "ws://127.0.0.1:8080/attach-app/{app}",
                "create": "http://127.0.0.1:8080/create-process",
                "archives": "http://127.0.0.1:8080/archives",
                "plugins": "http://127.0.0.1:8080/plugins",
                "events": "http://127.0.0.1:8080/events",
                "metrics": "http://127.0.0.1:8080/metrics",
                "openapi": "http://127.0.0.1:8080/openapi.json",
                "version": smartmob.__version__,
            },
        )

    def test_emptyListing(self) -> None:
        """Without processes the listing is empty."""
        self.assertEqual(self.get("/list-processes").json(), {"processes": []})

    def test_create(self) -> None:
        """A create without a Content-Type is answered with the process and its URL."""
        answer = self.wire.ask("POST", "/create-process", json.dumps(WALK_THROUGH))
        self.assertEqual(answer.status, 201)
        url = "http://127.0.0.1:8080/process-status/myapp.web.0"
        self.assertEqual(answer.header("location"), url)
        document = answer.json()
        self.assertEqual(document["slug"], "myapp.web.0")
        self.assertEqual(document["details"], url)
        self.assertEqual(document["attach"], "ws://127.0.0.1:8080/attach-console/myapp.web.0")
        self.assertEqual(self.get("/list-processes").json(), {"processes": [document]})
        self.assertEqual(
            self.get("/process-status/myapp.web.0").json(), {**document, "last_exits": []}
        )

    def test_delete(self) -> None:
        """A delete is answered with an empty document."""
        self.agent.add()
        answer = self.wire.ask("POST", "/delete-process/myapp.web.0", "{}")
        self.assertEqual((answer.status, answer.json()), (200, {}))


class DocumentTests(ApiCase):
    """
    What a process looks like.
    """

    def process(self, **more: object) -> FakeProcess:
        """A process that was up and is down."""
        return self.agent.add(**more)  # type: ignore[arg-type] # tests pass what fits

    def test_allKeys(self) -> None:
        """A new process has every key, null where there is nothing to say."""
        self.process(labels={"team": "ä"})
        base = "http://127.0.0.1:8080"
        self.assertEqual(
            self.get("/process-status/myapp.web.0").json(),
            {
                "app": "myapp",
                "node": "web.0",
                "process_type": "web",
                "slug": "myapp.web.0",
                "state": "pending",
                "reason": None,
                "pid": None,
                "restarts": 0,
                "created_at": "2023-11-14T22:13:20.250Z",
                "started_at": None,
                "last_exit": None,
                "port": 20000,
                "source_url": "http://127.0.0.1/a.tar.gz",
                "labels": {"team": "ä"},
                "blocked": False,
                "attach": "ws://127.0.0.1:8080/attach-console/myapp.web.0",
                "details": f"{base}/process-status/myapp.web.0",
                "status": f"{base}/process-status/myapp.web.0",
                "delete": f"{base}/delete-process/myapp.web.0",
                "stop": f"{base}/stop-process/myapp.web.0",
                "start": f"{base}/start-process/myapp.web.0",
                "restart": f"{base}/restart-process/myapp.web.0",
                "signal": f"{base}/signal-process/myapp.web.0",
                "stdin": f"{base}/write-stdin/myapp.web.0",
                "logs": f"{base}/process-logs/myapp.web.0",
                "stats": f"{base}/process-stats/myapp.web.0",
                "last_exits": [],
            },
        )

    def test_lastExit(self) -> None:
        """The last exit has all its keys, and names of signals without SIG."""
        process = self.process()
        process.last_exit = LastExit(
            code=None,
            signal="KILL",
            at=1_700_000_000.0,
            ran_seconds=1.23456,
            killed=("python3",),
            left=(Left(17, "su"),),
        )
        self.assertEqual(
            self.get("/process-status/myapp.web.0").json()["last_exit"],
            {
                "code": None,
                "signal": "KILL",
                "at": "2023-11-14T22:13:20.000Z",
                "ran_seconds": 1.235,
                "killed": ["python3"],
                "left": [{"pid": 17, "name": "su"}],
            },
        )

    def test_changes(self) -> None:
        """A change shows at once, though documents are kept encoded."""
        process = self.process()
        self.get("/process-status/myapp.web.0")
        process.state, process.pid, process.started_at = State.RUNNING, 17, 1_700_000_000.0
        process.version += 1
        document = self.get("/process-status/myapp.web.0").json()
        self.assertEqual(document["state"], "running")
        self.assertEqual(document["pid"], 17)
        self.assertEqual(document["started_at"], "2023-11-14T22:13:20.000Z")

    def test_queryHidden(self) -> None:
        """The query of a source's URL, which may be a secret, is not shown."""
        answer = self.wire.ask(
            "POST",
            "/create-process",
            {**WALK_THROUGH, "source_url": "https://h/a?sig=secret", "env": {"KEY": "hidden"}},
        )
        self.assertEqual(answer.json()["source_url"], "https://h/a?...")
        self.assertNotIn(b"secret", answer.body)
        self.assertNotIn(b"hidden", answer.body)

    def test_everyHostItsOwn(self) -> None:
        """URLs are of the Host that each request named."""
        self.process()
        self.get("/list-processes")
        answer = self.wire.ask("GET", "/list-processes", host="box.example")
        [document] = answer.json()["processes"]
        self.assertEqual(document["logs"], "http://box.example/process-logs/myapp.web.0")
        self.assertEqual(document["attach"], "ws://box.example/attach-console/myapp.web.0")


class ListingTests(ApiCase):
    """
    The listing and its filters.
    """

    def setUp(self) -> None:
        super().setUp()
        for app in ("one", "other"):
            for node in ("web.0", "web.1", "worker.0"):
                self.agent.add(app, node)
        self.agent.by_slug["one.web.1"].state = State.RUNNING

    def slugs(self, query: str) -> list[str]:
        """What is listed."""
        document = self.get(f"/list-processes{query}").json()
        return [process["slug"] for process in document["processes"]]

    def test_order(self) -> None:
        """Processes are listed in the order they were created in."""
        self.assertEqual(self.slugs(""), list(self.agent.by_slug))

    def test_globs(self) -> None:
        """A filter is a glob; all filters have to fit."""
        self.assertEqual(self.slugs("?app=on*&node=web.*"), ["one.web.0", "one.web.1"])
        self.assertEqual(self.slugs("?state=running"), ["one.web.1"])
        self.assertEqual(self.slugs("?app=ONE"), [])

    def test_repeated(self) -> None:
        """A filter given more than once fits where any of it does."""
        self.assertEqual(
            self.slugs("?app=other&node=web.0&node=worker.?"),
            ["other.web.0", "other.worker.0"],
        )

    def test_unknownParameter(self) -> None:
        """Parameters that are not known are ignored."""
        self.assertEqual(len(self.slugs("?colour=red")), 6)


class CreateTests(ApiCase):
    """
    Creating a process.
    """

    def test_everything(self) -> None:
        """Every field of a request reaches the agent."""
        document: dict[str, Any] = {
            **WALK_THROUGH,
            "env": {"A": "1"},
            "source_sha256": "A" * 64,
            "cwd": "src",
            "stop_signal": "sigint",
            "graceful_timeout": 3,
            "flapping": {"attempts": 2, "window": 1.0, "retry_in": 7.0, "max_retry": 5},
            "redirect_input": True,
            "restart": "on-failure",
            "output": "block",
            "umask": "027",
            "nice": 5,
            "no_new_privileges": True,
            "limits": {"open_files": 64},
            "labels": {"a": "b"},
        }
        self.assertEqual(self.post("/create-process", document).status, 201)
        request = self.agent.process("myapp.web.0").definition
        self.assertEqual(dict(request.env), {"A": "1"})
        self.assertEqual(request.source_sha256, "a" * 64)
        self.assertEqual(request.stop_signal, signal.SIGINT)
        self.assertEqual(request.graceful_timeout, 3.0)
        assert request.flapping is not None
        self.assertEqual(request.flapping.max_retry, 5)
        self.assertEqual((request.restart, request.output), (Restart.ON_FAILURE, Output.BLOCK))
        self.assertEqual((request.umask, request.nice), (0o027, 5))
        self.assertEqual(request.limits.open_files, 64)

    def test_twice(self) -> None:
        """A slug that is in use is refused."""
        self.agent.add()
        answer = self.post("/create-process", dict(WALK_THROUGH))
        self.assertProblem(answer, 409, "slug-in-use")

    def test_wrongFields(self) -> None:
        """Every wrong field is named at once."""
        answer = self.post("/create-process", {"app": 3, "env": {"A": None}, "source": "x"})
        document = self.assertProblem(answer, 400, "invalid-document")
        self.assertEqual(
            {error["field"] for error in document["errors"]},
            {"app", "node", "process_type", "source_url", "env.A", "source"},
        )
        self.assertEqual(self.agent.by_slug, {})

    def test_empty(self) -> None:
        """An empty body counts as an empty document."""
        answer = self.wire.ask("POST", "/create-process")
        self.assertProblem(answer, 400, "invalid-document")

    def test_noJson(self) -> None:
        """What is no JSON is refused."""
        self.assertProblem(self.post("/create-process", "{", *JSON), 400, "bad-json")
        self.assertProblem(self.post("/create-process", b"\xff", *JSON), 400, "bad-json")
        answer = self.post("/create-process", "[" * 50_000, *JSON)
        self.assertProblem(answer, 400, "invalid-document")

    def test_requestId(self) -> None:
        """The request's id goes to the agent, which sends it on."""
        answer = self.post("/create-process", dict(WALK_THROUGH), "X-Request-Id: abc-1")
        self.assertEqual(answer.header("x-request-id"), "abc-1")
        self.assertEqual(self.agent.request_ids, ["abc-1"])

    def test_stopping(self) -> None:
        """An agent that is about to end takes nothing on."""
        self.agent.refuses = Stopping("the agent is about to end")
        answer = self.post("/create-process", dict(WALK_THROUGH))
        self.assertProblem(answer, 503, "stopping")


JSON = ("Content-Type: application/json",)


class PermittedTests(ApiCase):
    """
    What may be asked for with a token.
    """

    def setUp(self) -> None:
        super().setUp()
        self.agent.limits = Limits(open_files=100, memory_bytes=1 << 20)
        lines = [f"{scope * 10} {scope}" for scope in ("admin", "write")]
        tokens = parse("\n".join([*lines, f"{'apps' * 10} write other-*"]))
        self.site.gate.access.settle(tokens, frozenset())

    def create(self, token: str, **more: object) -> Answer:
        """With a token."""
        document = {**WALK_THROUGH, **more}
        return self.post("/create-process", document, f"Authorization: Bearer {token * 10}")

    def test_above(self) -> None:
        """
        Limits above those that others get, and to go before others, are for admins, and
        all of it is named; nothing comes of it.
        """
        asked = {"limits": {"open_files": 101, "memory_bytes": 1, "processes": 9}, "nice": -1}
        document = self.assertProblem(self.create("write", **asked), 403, "forbidden-scope")
        fields = [error["field"] for error in document["errors"]]
        self.assertEqual(fields, ["limits.open_files", "nice"])
        self.assertIn("limits.open_files must be 100 at most", document["detail"])
        self.assertEqual(self.agent.by_slug, {})
        self.assertEqual(self.create("admin", **asked).status, 201)

    def test_below(self) -> None:
        """What others get, and less, is for everybody, and what nobody said a limit of."""
        limits = {"open_files": 100, "memory_bytes": 0, "file_bytes": 1000}
        self.assertEqual(self.create("write", limits=limits, nice=19).status, 201)

    def test_agentsOwn(self) -> None:
        """Where nobody said a limit, it is the agent's own, beyond which root could go."""
        self.agent.limits = Limits()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        answer = self.create("write", limits={"open_files": most + 1})
        document = self.assertProblem(answer, 403, "forbidden-scope")
        self.assertIn(f"limits.open_files must be {most} at most", document["detail"])
        self.assertEqual(self.create("write", limits={"open_files": most}).status, 201)

    def test_settled(self) -> None:
        """What counts is what goes now."""
        self.agent.limits = Limits(open_files=200)
        self.assertEqual(self.create("write", limits={"open_files": 150}).status, 201)

    def test_noKeys(self) -> None:
        """Nobody can ask for a user, a shell or a life beyond the agent's."""
        for token in ("write", "admin"):
            for key in ("uid", "gid", "detach", "shell", "cmd"):
                answer = self.create(token, **{key: 1})
                document = self.assertProblem(answer, 400, "invalid-document")
                self.assertEqual([error["field"] for error in document["errors"]], [key])
            for cwd in ("/", "../x", "a/../../b"):
                answer = self.create(token, cwd=cwd)
                self.assertProblem(answer, 400, "invalid-document")

    def test_app(self) -> None:
        """With a token for certain apps nothing else can be created."""
        self.assertProblem(self.create("apps"), 403, "forbidden-scope")
        self.assertEqual(self.create("apps", app="other-1").status, 201)


class VerbTests(ApiCase):
    """
    What can be done with a process.
    """

    def setUp(self) -> None:
        super().setUp()
        self.process = self.agent.add()

    def test_start(self) -> None:
        """A start is answered when it is accepted."""
        self.process.waits = True
        answer = self.post("/start-process/myapp.web.0")
        self.assertEqual((answer.status, answer.json()["slug"]), (200, "myapp.web.0"))
        self.assertEqual(self.process.asked, ["start"])

    def test_waiting(self) -> None:
        """Stop, restart and delete are answered when they are done."""
        self.process.waits = True
        for verb in ("stop", "restart", "delete"):
            self.wire.request("POST", f"/{verb}-process/myapp.web.0", {})
            self.assertEqual(self.wire.received(), b"")
            self.process.done.fire()
            self.assertEqual(self.wire.answer().status, 200)

    def test_notWaiting(self) -> None:
        """With wait=0 they are answered at once."""
        self.process.waits = True
        for verb in ("start", "stop", "restart", "delete"):
            answer = self.post(f"/{verb}-process/myapp.web.0?wait=0")
            self.assertEqual(answer.status, 202)
        self.assertEqual(self.process.asked, ["start", "stop", "restart", "delete"])
        self.process.done.fail(TreeLeft("something is left"))
        self.assertEqual(self.flushLoggedErrors(), [])
        self.process.waits = True
        self.post("/stop-process/myapp.web.0?wait=0")
        self.process.done.fail(ValueError())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_badWait(self) -> None:
        """A wait that is no number is refused, and nothing is done."""
        for query in ("wait=no", "wait=-1", "wait=", "wait=0&wait=x"):
            answer = self.post(f"/stop-process/myapp.web.0?{query}")
            self.assertProblem(answer, 400, "bad-query")
        self.assertEqual(self.process.asked, [])

    def test_treeLeft(self) -> None:
        """Where something can't be ended, stop and delete say so."""
        self.process.waits = True
        for path in (
            "stop-process/myapp.web.0",
            "delete-process/myapp.web.0",
            "delete-app/myapp",
        ):
            self.wire.request("POST", f"/{path}", {})
            self.process.done.fail(TreeLeft("no right to end su (pid 17)"))
            document = self.assertProblem(self.wire.answer(), 500, "tree-left")
            self.assertIn("su (pid 17)", document["detail"])

    def test_hangUp(self) -> None:
        """A client that hangs up changes nothing of the outcome."""
        self.process.waits = True
        for verb in ("stop", "restart", "delete"):
            wire = Wire(self.site)
            wire.request("POST", f"/{verb}-process/myapp.web.0", {})
            wire.hang_up()
        self.assertEqual(self.process.asked, ["stop", "restart", "delete"])
        self.process.done.fire()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_signal(self) -> None:
        """A signal may be a name or a number."""
        for value in ("HUP", "SIGHUP", "hup", 1):
            answer = self.post("/signal-process/myapp.web.0", {"signal": value})
            self.assertEqual(answer.status, 200)
            self.assertEqual(self.process.asked.pop(), ("signal", signal.SIGHUP))

    def test_badSignal(self) -> None:
        """A signal that does not exist is a wrong field."""
        for value in ("FOO", 0, 999, True, 1.0, None):
            answer = self.post("/signal-process/myapp.web.0", {"signal": value})
            document = self.assertProblem(answer, 400, "invalid-document")
            self.assertEqual(document["errors"][0]["field"], "signal")

    def test_stdin(self) -> None:
        """What is written reaches the program as UTF-8."""
        answer = self.post("/write-stdin/myapp.web.0", {"data": "ä\0\n", "eof": True})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.process.asked, [("write", "ä\0\n".encode(), True)])

    def test_refused(self) -> None:
        """A refusal of the domain has its code and status."""
        for refusal, status in ((NotRunning("no"), 409), (StdinFull("full"), 503)):
            self.process.refuses = refusal
            answer = self.post("/write-stdin/myapp.web.0", {"data": "x"})
            self.assertProblem(answer, status, refusal.code)

    def test_unknown(self) -> None:
        """A process that does not exist is 404 for every verb, whatever the body."""
        for path in (
            "start-process/x.y",
            "stop-process/x.y",
            "restart-process/x.y",
            "delete-process/x.y",
            "signal-process/x.y",
            "write-stdin/x.y",
        ):
            self.assertProblem(self.post(f"/{path}"), 404, "unknown-process")
            self.wire = Wire(self.site)
            self.assertProblem(self.post(f"/{path}", "no JSON", *JSON), 404, "unknown-process")
            self.wire = Wire(self.site)
        for path in ("process-status/x.y", "process-stats/x.y"):
            self.assertProblem(self.get(f"/{path}"), 404, "unknown-process")
        self.assertProblem(self.post("/delete-app/x"), 404, "unknown-app")

    def test_unknownKey(self) -> None:
        """Verbs take no keys yet."""
        answer = self.post("/stop-process/myapp.web.0", {"force": True})
        self.assertProblem(answer, 400, "invalid-document")
        self.assertEqual(self.process.asked, [])

    def test_deleteApp(self) -> None:
        """All processes of an app are deleted, and no other."""
        second = self.agent.add(node="web.1")
        other = self.agent.add(app="other")
        answer = self.post("/delete-app/myapp")
        self.assertEqual((answer.status, answer.json()), (200, {}))
        self.assertEqual(self.process.asked + second.asked, ["delete", "delete"])
        self.assertEqual(other.asked, [])

    def test_scaleApp(self) -> None:
        """Scaling answers with the listing of the app, and of no other."""
        self.agent.add(app="other")
        answer = self.post("/scale-app/myapp", {"web": 3, "clock": "-1"})
        self.assertEqual(answer.status, 200)
        slugs = [process["slug"] for process in answer.json()["processes"]]
        self.assertEqual(slugs, ["myapp.web.0"])
        self.assertEqual(self.agent.scaled, [{"web": Step(3), "clock": Step(-1, True)}])

    def test_scaleAppWrong(self) -> None:
        """What is wrong with a scale request is named, all at once."""
        answer = self.post("/scale-app/myapp", {"web": -3, "cl.ock": 1})
        document = self.assertProblem(answer, 400, "invalid-document")
        self.assertEqual([e["field"] for e in document["errors"]], ["web", "cl.ock"])
        self.assertProblem(self.post("/scale-app/nope", {}), 404, "unknown-app")


class ReportTests(ApiCase):
    """
    What the agent says about itself and its processes.
    """

    def test_ping(self) -> None:
        """A ping is answered in plain text."""
        answer = self.get("/ping")
        self.assertEqual(answer.body, b"OK")
        self.assertEqual(answer.header("content-type"), "text/plain; charset=utf-8")

    def test_version(self) -> None:
        """The name and version."""
        self.assertEqual(
            self.get("/version").json(), {"name": "smartmob", "version": smartmob.__version__}
        )

    def test_stats(self) -> None:
        """What a running process uses."""
        process = self.agent.add()
        process.pid, process.started_at = 17, 1_700_000_000.0
        self.assertEqual(
            self.get("/process-stats/myapp.web.0").json(),
            {
                "cpu_percent": 12.5,
                "rss_bytes": 1000,
                "processes": 2,
                "threads": 3,
                "open_files": 4,
                "memory_bytes": None,
                "started_at": "2023-11-14T22:13:20.000Z",
            },
        )

    def test_statsOfNothing(self) -> None:
        """A process that does not run uses nothing, and nothing is measured."""
        self.agent.add()
        self.assertEqual(
            self.get("/process-stats/myapp.web.0").json(),
            {
                "cpu_percent": 0.0,
                "rss_bytes": 0,
                "processes": 0,
                "threads": 0,
                "open_files": 0,
                "memory_bytes": None,
                "started_at": None,
            },
        )

    def test_failure(self) -> None:
        """A failure of the agent is told without its traceback, which is logged."""
        self.agent.refuses = ZeroDivisionError("a secret")
        answer = self.post("/create-process", dict(WALK_THROUGH), "X-Request-Id: abc")
        document = self.assertProblem(answer, 500, "internal-error")
        self.assertIn("abc", document["detail"])
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
