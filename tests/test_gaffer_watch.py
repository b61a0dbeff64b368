"""
gafferd's interface: events.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from smartmob.lines.bounds import Bounds
from smartmob.web.gaffer.feeds import BLOCK_END
from tests.support.gafferd import DUMMY, ECHO, FeedClient, GafferdTestCase, grouped


def told(client: FeedClient) -> list[tuple[str, Any]]:
    """
    Names and documents of the server-sent events so far.
    """
    found = []
    for chunk in client.chunks():
        assert chunk.endswith(BLOCK_END), chunk
        event, data = chunk.removesuffix(BLOCK_END).decode().split("\r\n")
        found.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


class WatchTests(GafferdTestCase):
    """
    Clients that watch.
    """

    def test_all(self) -> None:
        """
        Who watches everything is told each event by both its names, in a chunk each.
        """
        client = self.follow("/watch?feed=eventsource")
        self.assertIn(b"text/event-stream", client.head)
        self.load(DUMMY)
        names = [name for name, _ in told(client)]
        self.assertEqual(
            names, ["create", "start", "proc.dummy.start", "spawn", "proc.dummy.spawn"]
        )

    def test_payload(self) -> None:
        """
        An event tells the number of a program, and what the system calls it, and how it
        ended.
        """
        client = self.follow("/watch?feed=eventsource")
        self.load(ECHO, evolve(grouped(DUMMY, "shop")))
        self.launcher.programs[1].end(code=3)
        self.up()
        self.ok("POST", "/processes/echo/_stop")
        events = {f"{name} {about['name']}": about for name, about in told(client)}
        self.assertEqual(events["create echo"], {"event": "create", "name": "echo"})
        self.assertEqual(
            events["exit shop:dummy"],
            {
                "event": "exit",
                "name": "shop:dummy",
                "pid": 2,
                "os_pid": 1002,
                "exit_status": 3,
                "term_signal": 0,
            },
        )
        name = "proc.shop:dummy.spawn"
        self.assertEqual(
            events[f"{name} shop:dummy"],
            {"event": name, "name": "shop:dummy", "pid": 3, "os_pid": 1003, "detached": False},
        )
        self.assertEqual(
            events["stop_pid echo"],
            {"event": "stop_pid", "name": "echo", "pid": 1, "os_pid": 1001},
        )
        self.assertEqual(events["exit echo"]["term_signal"], 15)
        self.assertEqual(events["stop echo"], {"event": "stop", "name": "echo"})

    def test_chosen(self) -> None:
        """
        A path chooses a kind of event, a template, or both.
        """
        paths = {
            "/watch/spawn": ["spawn", "spawn"],
            "/watch/proc/dummy": ["proc.dummy.start", "proc.dummy.spawn"],
            "/watch/proc/shop:echo/spawn": ["proc.shop:echo.spawn"],
            "/watch/proc/none": [],
            "/watch/create": ["create", "create"],
            "/watch/CREATE": ["create", "create"],
            "/watch/proc": [
                "proc.dummy.start",
                "proc.shop:echo.start",
                "proc.dummy.spawn",
                "proc.shop:echo.spawn",
            ],
        }
        clients = {path: self.follow(f"{path}?feed=eventsource") for path in paths}
        self.load(DUMMY, grouped(ECHO, "shop"))
        for path, names in paths.items():
            self.assertEqual([name for name, _ in told(clients[path])], names, path)

    def test_longpoll(self) -> None:
        """
        Unless something else is asked for, the answer is one event.
        """
        for query in ("", "?feed=longpoll"):
            client = self.follow(f"/watch/start{query}")
            self.assertIn(b"application/json", client.head)
            self.ok("POST", "/processes", {"name": f"x{len(query)}", "cmd": "x"})
            self.assertTrue(client.is_over())
            about = json.loads(client.body())
            self.assertEqual(about, {"event": "start", "name": f"x{len(query)}"})

    def test_continuous(self) -> None:
        """
        Events can be had as documents, one a line.
        """
        client = self.follow("/watch?feed=continuous")
        self.load(DUMMY)
        lines = client.body().split(b"\r\n")[:-1]
        self.assertEqual(
            [json.loads(line)["event"] for line in lines], ["create", "start", "spawn"]
        )

    def test_heartbeat(self) -> None:
        """
        Signs of life come when asked for, and with server-sent events anyway.
        """
        for path, body in (
            ("/watch?heartbeat=10", b"\n" * 6),
            ("/watch?heartbeat=true", b"\n"),
            ("/watch", b""),
            ("/watch?feed=eventsource&heartbeat=60", b":\r\n\r\n"),
            ("/watch?feed=eventsource", b":\r\n\r\n"),
            ("/watch?feed=eventsource&heartbeat=false", b""),
        ):
            client = self.follow(path)
            self.clock.pump([1] * 65)
            self.assertEqual(client.body(), body, path)

    def test_wrong(self) -> None:
        """
        What there is not is said.
        """
        for path, error in (
            ("/watch/none", (404, "bad_event_type")),
            ("/watch/proc/dummy/none", (404, "bad_event_type")),
            ("/watch/proc/dummy/create", (404, "bad_event_type")),
            ("/watch/other/dummy/spawn", (404, "bad_event_type")),
            ("/watch/proc/a.b.c/spawn", (404, "not_found")),
            ("/watch?feed=none", (400, "bad_value")),
            ("/watch?heartbeat=none", (400, "bad_value")),
        ):
            self.assertEqual(self.refused("GET", path), error, path)

    def test_hangUp(self) -> None:
        """
        Who hangs up leaves nothing behind.
        """
        for form in ("longpoll", "continuous", "eventsource"):
            self.follow(f"/watch?feed={form}&heartbeat=1").connection.lose()
        self.assertEqual(self.agent.feed._readers, {})
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SlowWatcherTests(GafferdTestCase):
    """
    Clients that do not read.
    """

    bounds = Bounds(queue=1000)

    def test_told(self) -> None:
        """
        Who is too slow misses events, and is told how many; each comes in a chunk of its
        own nevertheless.
        """
        client = self.follow("/watch?feed=eventsource")
        client.connection.flush(room=0)
        for _ in range(300):
            self.ok("POST", "/processes", {"name": "x", "cmd": "x"})
            self.ok("DELETE", "/processes/x")
        client.connection.flush(room=1 << 30)
        names = [name for name, _ in told(client)]
        self.assertIn("dropped", names)
        self.assertLess(len(names), 2000)
