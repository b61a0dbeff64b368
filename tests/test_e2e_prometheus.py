"""
A real Prometheus watches a real agent, with the files of the examples.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import treq
from twisted.internet import reactor as installed_reactor
from twisted.internet.task import deferLater

from smartmob.documents import State
from smartmob.metrics.catalogue import METRICS, OF_THE_PROCESS, Kind
from tests.support.agent_process import AgentProcess
from tests.support.configured_agent import ConfiguredTestCase, section
from tests.support.console_client import PATIENCE
from tests.support.remote import Remote
from tests.test_examples_prometheus import EXAMPLES, dashboard, expressions

reactor: Any = installed_reactor

READER, ADMIN = "reader-token-of-good-length", "admin-token-of-good-length"

LISTENS = re.compile(rb'msg="Listening on" address=(\S+)')

STRANGER = """
  - job_name: stranger
    authorization:
      credentials: another-token-of-good-length
    static_configs:
      - targets: [{}]
"""

Series = Sequence[tuple[str, str]]
"""Names with labels, and values in the words of promtool."""

Vector = dict[tuple[tuple[str, str], ...], float]

FIRING = {
    "SmartmobDown": [('up{job="smartmob"}', "0x60")],
    "SmartmobProcessFailed": [('smartmob_processes{state="failed"}', "1x60")],
    "SmartmobProcessInBackoff": [('smartmob_processes{state="backoff"}', "2x60")],
    "SmartmobRestarts": [("smartmob_restarts_total", "0+2x60")],
    "SmartmobSlow": [
        ('smartmob_event_loop_delay_seconds_bucket{le="0.5"}', "0+1x60"),
        ('smartmob_event_loop_delay_seconds_bucket{le="1.0"}', "0+10x60"),
        ('smartmob_event_loop_delay_seconds_bucket{le="+Inf"}', "0+10x60"),
    ],
    "SmartmobStateNotWritten": [('smartmob_state_writes_total{result="failed"}', "0+1x60")],
    "SmartmobGuardianReplaced": [("smartmob_guardian_restarts_total", "0x40 1x20")],
    "SmartmobConfigurationRefused": [("smartmob_config_last_reload_successful", "0x60")],
    "SmartmobDescriptors": [
        ('process_open_fds{job="smartmob"}', "900x60"),
        ('process_max_fds{job="smartmob"}', "1000x60"),
    ],
    "SmartmobConnectionsRefused": [("smartmob_connections_refused_total", "0+1x60")],
    "SmartmobInternalErrors": [
        ('smartmob_http_requests_total{route="/",method="GET",status="500"}', "0+1x60")
    ],
    "SmartmobLinesDropped": [("smartmob_lines_dropped_total", "0+9x60")],
    "SmartmobForwardDrops": [
        ('smartmob_forward_lines_total{forward="a",result="dropped"}', "0+1x60")
    ],
    "SmartmobWebhooksWait": [("smartmob_webhook_queue_events", "3x60")],
    "SmartmobEventsLost": [('smartmob_webhook_deliveries_total{result="missed"}', "0+1x60")],
}
"""Of each alert, series with which it fires: a value a minute, for an hour."""

WELL = [
    ('up{job="smartmob"}', "1x60"),
    ('smartmob_processes{state="failed"}', "0x60"),
    ('smartmob_processes{state="running"}', "9x60"),
    ("smartmob_restarts_total", "7x60"),
    ('smartmob_event_loop_delay_seconds_bucket{le="0.0025"}', "0+60x60"),
    ('smartmob_event_loop_delay_seconds_bucket{le="+Inf"}', "0+60x60"),
    ('smartmob_state_writes_total{result="failed"}', "0x60"),
    ('smartmob_state_writes_total{result="written"}', "0+5x60"),
    ("smartmob_config_last_reload_successful", "1x60"),
    ('process_open_fds{job="smartmob"}', "90x60"),
    ('process_max_fds{job="smartmob"}', "1000x60"),
    ('smartmob_http_requests_total{route="/",method="GET",status="200"}', "0+9x60"),
    ("smartmob_webhook_queue_events", "0x60"),
]
"""The same of an agent that has no trouble."""


def promtool(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """
    Run Prometheus' own checks.
    """
    found = shutil.which("promtool")
    assert found is not None
    return subprocess.run(
        [found, *words], input=stdin, capture_output=True, check=False, timeout=PATIENCE
    )


class PrometheusCase(ConfiguredTestCase):
    """
    Tests with Prometheus.
    """

    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        skip = "there is no Prometheus here (Debian's package prometheus): nobody asked one"

    def setUp(self) -> None:
        super().setUp()
        for name in ("prometheus.yml", "alerts.yml"):
            shutil.copy(EXAMPLES / name, self.folder / name)
        self.token_file = self.folder / "smartmob.token"
        self.token_file.write_text(f"{READER}\n")

    async def agent(self, *sections: str) -> tuple[AgentProcess, Remote, str]:
        """
        An agent that has tokens, and its address.
        """
        tokens = self.folder / "tokens"
        tokens.write_text(f"{READER} read * prometheus\n{ADMIN} admin\n")
        tokens.chmod(0o600)
        self.write(*sections)
        process = self.spawn_agent("-c", str(self.file), "--token-file", str(tokens), bind=())
        [url] = await process.listens()
        return process, self.remote(url, ADMIN), url.removeprefix("http://")

    async def prometheus(self, target: str) -> AgentProcess:
        """
        Start one that collects and judges often, and wait until it can be asked.  It takes 5 s
        until it looks for its targets.
        """
        path = self.folder / "prometheus.yml"
        text = path.read_text(encoding="utf-8")
        assert "127.0.0.1:8080" in text
        text = text.replace("127.0.0.1:8080", target).replace(
            "interval: 15s", "interval: 200ms"
        )
        path.write_text(text + STRANGER.format(target), encoding="utf-8")
        process = self.spawn(
            str(shutil.which("prometheus")),
            f"--config.file={path}",
            f"--storage.tsdb.path={self.folder / 'series'}",
            "--web.listen-address=127.0.0.1:0",
        )
        ready = b"Server is ready to receive"
        await process.hears(
            lambda: LISTENS.search(process.err) and ready in process.err, "Listening on"
        )
        listens = LISTENS.search(process.err)
        assert listens is not None
        self.api = f"http://{listens[1].decode()}/api/v1"
        return process

    async def get(self, path: str, **query: str) -> Any:
        """
        What Prometheus answers.
        """
        url = f"{self.api}/{path}?{urlencode(query)}"
        answer = await treq.get(url, persistent=False, timeout=PATIENCE)
        document = await treq.json_content(answer)
        self.assertEqual(document["status"], "success", (path, query, document))
        return document["data"]

    async def query(self, expression: str) -> Vector:
        """
        The values of what is asked for now, by labels.
        """
        data = await self.get("query", query=expression)
        return {
            tuple(sorted(each["metric"].items())): float(each["value"][1])
            for each in data["result"]
        }

    async def value(self, expression: str) -> float | None:
        """
        The only one there is.
        """
        found = [*(await self.query(expression)).values()]
        return found[0] if len(found) == 1 else None

    async def comes(self, expression: str, expected: float) -> None:
        """
        Wait until it has this value.
        """
        begun = reactor.seconds()
        while (found := await self.value(expression)) != expected:
            self.assertLess(reactor.seconds() - begun, PATIENCE, f"{expression} is {found}")
            await deferLater(reactor, 0.05)


class WatchedTests(PrometheusCase):
    """
    Prometheus as the examples have it.
    """

    async def test_agent(self) -> None:
        """
        It finds the agent up, and sees what its processes do; it understands every type, has an
        answer to all that the dashboard asks, nothing to alert of, and nothing to say against
        names and texts.  With another token it sees nothing.
        """
        process, agent, target = await self.agent(
            section("a", numprocesses=2),
            "[process:off]\ncmd = /bin/true\nstart = false",
        )
        await self.prometheus(target)
        await self.comes('up{job="smartmob"}', 1)
        await self.comes('up{job="stranger"}', 0)
        await self.comes('smartmob_processes{state="running"}', 2)
        await self.comes('smartmob_lines_total{stream="stdout"}', 2)
        scrapes = 'smartmob_http_requests_total{route="/metrics", status="200"}'
        await self.comes(f"{scrapes} > bool 1", 1)
        states = await self.query("smartmob_processes")
        self.assertEqual({dict(key)["state"] for key in states}, set(State))
        self.assertEqual(await self.value("sum(smartmob_processes)"), 3)
        self.assertEqual(await self.value('smartmob_processes{state="stopped"}'), 1)
        self.assertGreater(await self.value("process_resident_memory_bytes") or 0, 1e6)
        await self.understood()
        for expression in expressions():
            await self.get("query", query=substituted(expression))
        await self.judged()
        self.assertEqual((await self.get("alerts"))["alerts"], [])

        answer = await agent.ask("GET", "/metrics")
        done = promtool("check", "metrics", stdin=answer.body)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))

        await agent.post("/stop-process/default.a.0")
        await self.comes('smartmob_processes{state="running"}', 1)
        await self.comes('smartmob_exits_total{how="signal"}', 1)
        os.kill(process.pid, signal.SIGKILL)
        await self.comes('up{job="smartmob"}', 0)

    async def understood(self) -> None:
        """
        Each metric has come with the type that it is of.
        """
        targets = (await self.get("targets"))["activeTargets"]
        told = {each["labels"]["job"]: (each["health"], each["lastError"]) for each in targets}
        self.assertEqual(told["smartmob"], ("up", ""))
        self.assertIn("401", told["stranger"][1])
        metadata = await self.get("targets/metadata", match_target='{job="smartmob"}')
        types = {each["metric"]: each["type"] for each in metadata}
        for metric in METRICS:
            self.assertEqual(types[metric.name], metric.kind.value)
            suffix = "_count" if metric.kind is Kind.HISTOGRAM else ""
            if "forward" not in metric.labels:  # which there is none of
                self.assertTrue(await self.query(metric.name + suffix), metric.name)
        for name in OF_THE_PROCESS:
            self.assertTrue(await self.query(name), name)

    async def judged(self) -> None:
        """
        Every rule could be evaluated.
        """
        begun = reactor.seconds()
        while True:
            [group] = (await self.get("rules"))["groups"]
            health = {rule["name"]: rule["health"] for rule in group["rules"]}
            if "unknown" not in health.values():
                break
            self.assertLess(reactor.seconds() - begun, PATIENCE)
            await deferLater(reactor, 0.05)
        self.assertEqual(set(health.values()), {"ok"}, health)
        self.assertEqual(set(health), set(FIRING))


class CheckedTests(PrometheusCase):
    """
    What Prometheus' own checks say.
    """

    def test_files(self) -> None:
        """The files are right."""
        for words in (
            ("config", str(self.folder / "prometheus.yml")),
            ("rules", str(self.folder / "alerts.yml")),
        ):
            done = promtool("check", *words)
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout)

    def test_alerts(self) -> None:
        """Each alert fires where it should, and none where all is well."""
        fires = "count by (alertname) (ALERTS{alertstate='firing'})"

        def case(series: Series, *alerts: str) -> dict[str, Any]:
            return {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "promql_expr_test": [
                    {
                        "expr": fires,
                        "eval_time": "50m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{alert}"}}', "value": 1}
                            for alert in alerts
                        ],
                    }
                ],
            }

        tests = [case(WELL), *(case(series, alert) for alert, series in FIRING.items())]
        path = self.folder / "tests.yml"
        path.write_text(json.dumps({"rule_files": ["alerts.yml"], "tests": tests}))
        done = promtool("test", "rules", str(path))
        self.assertEqual(done.returncode, 0, (done.stdout + done.stderr).decode())


def substituted(expression: str) -> str:
    """
    As Grafana asks it, where everything is chosen.
    """
    assert dashboard()["templating"]["list"][1]["allValue"] == ".+"
    return (
        expression.replace("$__rate_interval", "1m")
        .replace("$job", ".+")
        .replace("$instance", ".+")
    )
