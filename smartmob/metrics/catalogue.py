"""
The metrics there are.

No label has values that clients choose, since each value of each label is kept for ever by
whoever collects them: so there is none for apps, and none for processes.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen


class Kind(StrEnum):
    """
    The types of Prometheus that are used.
    """

    GAUGE = "gauge"
    """What it is now."""
    COUNTER = "counter"
    """How much there was since the agent started: it never goes down."""
    HISTOGRAM = "histogram"
    """How many measurements there were, up to each of some bounds."""


@frozen
class Metric:
    """
    A metric.

    @ivar name: In the form that U{Prometheus<https://prometheus.io/docs/practices/naming/>}
        recommends: with its unit at its end.
    @ivar about: What it is, in a line for a person.
    """

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()


def _gauge(name: str, about: str, *labels: str) -> Metric:
    return Metric(name, Kind.GAUGE, about, labels)


def _counter(name: str, about: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, about, labels)


BUILD_INFO = _gauge("smartmob_build_info", "Always 1; which agent it is.", "version")

PROCESSES = _gauge("smartmob_processes", "Processes, by the state they are in.", "state")
BLOCKED = _gauge("smartmob_blocked_processes", "Processes that wait for their slowest reader.")
RESTARTS = _counter("smartmob_restarts_total", "Starts of processes that nobody asked for.")
EXITS = _counter("smartmob_exits_total", "Programs that ended, by how they did.", "how")

LINES = _counter("smartmob_lines_total", "Lines that processes have written.", "stream")
LINE_BYTES = _counter(
    "smartmob_line_bytes_total", "Bytes of these lines, without their ends.", "stream"
)
LINES_DROPPED = _counter(
    "smartmob_lines_dropped_total",
    "Lines that readers were too slow for; one that two of them missed counts twice.",
)
CONSOLE_CLIENTS = _gauge("smartmob_console_clients", "Clients that read lines as they come.")
KEPT_BYTES = _gauge("smartmob_kept_lines_bytes", "Memory for lines kept for later readers.")
UNFINISHED_BYTES = _gauge(
    "smartmob_unfinished_lines_bytes", "Memory for lines whose ends have not come yet."
)
QUEUED_BYTES = _gauge(
    "smartmob_client_queue_bytes", "What waits for clients that read lines or events."
)
EVENT_CLIENTS = _gauge("smartmob_event_clients", "Clients that read events as they come.")
EVENTS_DROPPED = _counter(
    "smartmob_events_dropped_total",
    "Events that readers were too slow for; one that two of them missed counts twice.",
)

REQUESTS = _counter(
    "smartmob_http_requests_total",
    "Requests that were answered, those that were refused too.",
    *("route", "method", "status"),
)
CONNECTIONS = _gauge("smartmob_connections", "Connections of clients.")
CONNECTIONS_REFUSED = _counter(
    "smartmob_connections_refused_total", "Connections that were one too many."
)

DELIVERIES = _counter(
    "smartmob_webhook_deliveries_total", "What became of events for webhooks.", "result"
)
HOOK_EVENTS = _gauge("smartmob_webhook_queue_events", "Events that wait for their webhooks.")
HOOK_BYTES = _gauge("smartmob_webhook_queue_bytes", "Bytes of these events.")

FORWARD_LINES = _counter(
    "smartmob_forward_lines_total",
    "What became of lines that are forwarded.",
    *("forward", "result"),
)
FORWARD_FAILURES = _counter(
    "smartmob_forward_failures_total", "Tries to forward lines that failed.", "forward"
)
FORWARD_QUEUE = _gauge(
    "smartmob_forward_queue_lines", "Lines that wait to be forwarded.", "forward"
)
FORWARD_BYTES = _gauge("smartmob_forward_queue_bytes", "Memory for these lines.", "forward")

STATE_WRITES = _counter(
    "smartmob_state_writes_total",
    "Files of the state folder that were to be written.",
    "result",
)
LOOP_DELAY = Metric(
    "smartmob_event_loop_delay_seconds",
    Kind.HISTOGRAM,
    "How late the agent does what is due; measured about once a second while it is asked for.",
)
GUARDIAN_RESTARTS = _counter(
    "smartmob_guardian_restarts_total", "Guardians that had to be replaced by another."
)
RELOADED = _gauge(
    "smartmob_config_last_reload_successful",
    "Whether the configuration could be taken over when that was tried last.",
)
RELOADED_AT = _gauge(
    "smartmob_config_last_reload_success_timestamp_seconds",
    "When it was taken over last, since the epoch.",
)

METRICS = (
    *(BUILD_INFO, PROCESSES, BLOCKED, RESTARTS, EXITS),
    *(LINES, LINE_BYTES, LINES_DROPPED, CONSOLE_CLIENTS),
    *(KEPT_BYTES, UNFINISHED_BYTES, QUEUED_BYTES, EVENT_CLIENTS, EVENTS_DROPPED),
    *(REQUESTS, CONNECTIONS, CONNECTIONS_REFUSED),
    *(DELIVERIES, HOOK_EVENTS, HOOK_BYTES),
    *(FORWARD_LINES, FORWARD_FAILURES, FORWARD_QUEUE, FORWARD_BYTES),
    *(STATE_WRITES, LOOP_DELAY, GUARDIAN_RESTARTS, RELOADED, RELOADED_AT),
)
"""All of them, in the order in which they are told."""

OF_THE_PROCESS = (
    "process_virtual_memory_bytes",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
)
"""
Those that the Prometheus library itself knows of the agent's own process, by the names that
they have in every program.
"""
