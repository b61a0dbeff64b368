"""
Peers whose clients are programs that print what another one writes: bytes, and no frames.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from bench import peers, system
from bench.emitting import PATIENCE, Broken, Emission
from bench.ending import end, wait_for
from bench.relaying import Measure, Run
from bench.running import running

QUIET = 0.3
"""Seconds without a word after which a client is taken to be attached."""

GRACE = 5.0
"""Seconds to end; their programs are over by then."""


@frozen
class Printed:
    """
    What came: see C{programs/receive_raw.c}.
    """

    lines: int
    right: int
    cut: int
    seconds: float

    def note(self) -> str:
        """
        What is wrong with it.
        """
        found = []
        if self.right < self.lines:
            found.append(f"right up to line {self.right:,}")
        if self.cut:
            found.append(f"{self.cut:,} lines cut in two")
        return ", ".join(found)


def supervisor(home: Path, receiver: Path) -> Measure:
    """
    U{supervisord<http://supervisord.org>}, and C{supervisorctl tail -f}.
    """
    path = peers.supervisor()
    turns = iter(range(1 << 30))

    def measure(emission: Emission, clients: int) -> Run:
        folder = home / str(next(turns))
        folder.mkdir(parents=True)
        file = _supervisor_file(folder, emission)
        control: list[str | Path] = [path.with_name("supervisorctl"), "-c", file]
        with running([path, "-n", "-c", file], folder, grace=GRACE) as process:
            wait_for("supervisor to start it", (folder / "emit.log").exists, 20)
            words = [*control, "tail", "-f", "emit"]
            # Into a pipe it would else write when a buffer is full, and at times not at all.
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            return _printed(words, receiver, emission, process.pid, environment)

    return measure


def pm2(home: Path, receiver: Path) -> Measure:
    """
    U{pm2<https://pm2.keymetrics.io>}, and C{pm2 logs --raw}.
    """
    path = peers.pm2()
    home.mkdir(parents=True)
    environment = {**os.environ, "PM2_HOME": str(home)}

    def tell(*words: str | Path) -> None:
        subprocess.run(
            [path, *words],
            env=environment,
            cwd=home,
            capture_output=True,
            timeout=60,
            check=True,
        )

    def measure(emission: Emission, clients: int) -> Run:
        emit = {
            "name": "emit",
            "script": str(emission.emit),
            "args": list(emission.words[1:]),
            "interpreter": "none",
            "autorestart": False,
        }
        file = home / "emit.json"
        file.write_text(json.dumps({"apps": [emit]}))
        try:
            tell("start", file)
            daemon = int((home / "pm2.pid").read_text())
            words: list[str | Path] = [path, "logs", "emit", "--raw"]
            return _printed(words, receiver, emission, daemon, environment)
        finally:
            tell("kill")

    return measure


RAW: dict[str, Callable[[Path, Path], Measure]] = {"pm2": pm2, "supervisor": supervisor}


def _printed(
    words: Sequence[str | Path],
    receiver: Path,
    emission: Emission,
    daemon: int,
    environment: dict[str, str],
) -> Run:
    """
    What the client of these words prints.  It counts as a part of who relays.
    """
    with _client(words, environment) as client:
        own = (emission.kind, str(emission.count), emission.go, str(QUIET))
        with subprocess.Popen(
            [receiver, *own],
            stdin=client.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # the first line leaves what follows it where it is
        ) as reading:
            assert reading.stdout is not None
            reading.stdout.readline()  # its start is over, and no part of what lines cost
            pids = (daemon, client.pid)
            before = system.cpu_seconds(pids)
            out, error = reading.communicate(timeout=PATIENCE)
            cpu = system.cpu_seconds(pids) - before
    if reading.returncode:
        raise Broken(error.decode().strip())
    printed = Printed(**json.loads(out))
    if printed.lines < emission.count:
        raise Broken(f"{printed.lines:,} of {emission.count:,} lines came")
    return Run(printed.lines, printed.seconds, cpu, printed.note())


@contextmanager
def _client(
    words: Sequence[str | Path], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.stdout is not None:
            process.stdout.close()
        end(process, GRACE)


def _supervisor_file(folder: Path, emission: Emission) -> Path:
    socket = folder / "socket"
    lines = [
        "[supervisord]",
        "nodaemon=true",
        f"logfile={folder}/supervisord.log",
        f"pidfile={folder}/supervisord.pid",
        "[unix_http_server]",
        f"file={socket}",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "[supervisorctl]",
        f"serverurl=unix://{socket}",
        "[program:emit]",
        f"command={' '.join(emission.words)}",
        "autorestart=false",
        "startsecs=0",
        f"stdout_logfile={folder}/emit.log",
    ]
    path = folder / "supervisord.conf"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
