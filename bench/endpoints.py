"""
Lines a second to one client over a port, over a unix socket, and over TLS, of the same agent.

The certificate is made for the run, and the client verifies it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from attrs import frozen

from bench import archives, command, system
from bench.agents import Agent, agent
from bench.building import SOURCES, build
from bench.emitting import PATIENCE, Broken, Emission, start
from bench.figures import Report, Row, ratios
from bench.relaying import FRAMES, Run

KINDS = {"fixed": "80 bytes", "mixed": "10-150 bytes, 1 in 10 not ASCII"}

PAGE = 4099
"""Lines until they repeat: see C{programs/lines.h}."""

ENDPOINTS = ("TCP", "unix", "TLS")


@frozen
class Page:
    """
    What a WebSocket server has to send for all lines of a kind, once.

    @ivar path: A file with it.
    @ivar sizes: Of each frame.
    """

    path: Path
    sizes: tuple[int, ...]

    @classmethod
    def make(cls, emit: Path, kind: str, folder: Path) -> Page:
        """
        As the program writes it.
        """
        emission = Emission.make(emit, kind, PAGE, folder)
        with subprocess.Popen(emission.words, stdout=subprocess.PIPE) as process:
            emission.go.write_bytes(b"")
            text, _ = process.communicate(timeout=PATIENCE)
        frames = [_frame(line) for line in text.splitlines()]
        path = folder / f"{kind}.frames"
        path.write_bytes(b"".join(frames))
        return cls(path, tuple(map(len, frames)))

    def size(self, lines: int) -> int:
        """
        Bytes of so many lines.
        """
        return lines // PAGE * sum(self.sizes) + sum(self.sizes[: lines % PAGE])


def _frame(line: bytes) -> bytes:
    """
    Final, text, not masked (RFC 6455, section 5.2), of at most 64 KiB.
    """
    if len(line) < 126:
        return bytes([0x81, len(line)]) + line
    return b"\x81\x7e" + len(line).to_bytes(2, "big") + line


@frozen
class Place:
    """
    Where an agent is reached.

    @ivar where: A port, or the path of a socket.
    @ivar certificate: Of TLS, empty without.
    """

    where: str
    certificate: str = ""


def receive(place: Place, made: Agent, source: str, emission: Emission, page: Page) -> Run:
    """
    One client, there.

    @raise Broken: Not each byte was what it has to be.
    """
    slug = start(made, "relay", source, emission, "block")
    words = (FRAMES.path.format(slug=slug), page.path, str(page.size(emission.count)))
    more = (place.certificate,) if place.certificate else ()
    try:
        before = system.cpu_seconds([made.pid])
        done = subprocess.run(
            [
                sys.executable,
                SOURCES / "receive_stream.py",
                place.where,
                *words,
                emission.go,
                *more,
            ],
            capture_output=True,
            timeout=PATIENCE,
            text=True,
            check=False,
        )
        cpu = system.cpu_seconds([made.pid]) - before
    finally:
        made.delete(slug)
    if done.returncode:
        raise Broken(done.stderr.strip()[-200:])
    found = json.loads(done.stdout)
    if not found["right"]:
        raise Broken("bytes are not what they have to be")
    return Run(emission.count, found["seconds"], cpu, found["cipher"])


def certify(folder: Path) -> Path:
    """
    A certificate for loopback, signed by itself, and its key, in one file.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smartmob's benchmarks")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.touch(0o600)
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def configure(folder: Path, certificate: Path) -> Path:
    """
    A file with the three endpoints.
    """
    lines = [
        "[gaffer]",
        "http_endpoints = tcp, unix, tls",
        "[endpoint:tcp]",
        "bind = 127.0.0.1:0",
        "[endpoint:unix]",
        f"bind = unix:{folder}/socket",
        "[endpoint:tls]",
        "bind = 127.0.0.1:0",
        f"certfile = {certificate}",
    ]
    path = folder / "endpoints.ini"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def measure(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """
    Fill the report.
    """
    built = build(folder, "emit")
    certificate = certify(folder)
    file = configure(folder, certificate)
    with (
        archives.served(archives.pack({"emit": "$EMIT"})) as source,
        agent(folder / "agent", "-c", file, endpoints=3) as made,
    ):
        tls = next(url for url in made.urls if url.startswith("https:"))
        places = {
            "TCP": Place(str(made.port)),
            "unix": Place(f"{folder}/socket"),
            "TLS": Place(tls.rpartition(":")[2], str(certificate)),
        }
        pages = {kind: Page.make(built["emit"], kind, folder) for kind in KINDS}

        def one(kind: str, name: str, lines: int) -> Run:
            emission = Emission.make(built["emit"], kind, max(1, lines), folder)
            return receive(places[name], made, source, emission, pages[kind])

        for name in ENDPOINTS:
            one("mixed", name, options.lines // 20)  # what is made once is made now
        runs: dict[tuple[str, str], list[Run]] = {
            (kind, name): [] for kind in KINDS for name in ENDPOINTS
        }
        for _ in range(options.rounds):
            for (kind, name), found in runs.items():
                found.append(one(kind, name, options.lines))
    _tell(report, runs)


def _tell(report: Report, runs: Mapping[tuple[str, str], list[Run]]) -> None:
    for (kind, name), found in runs.items():
        rates = tuple(run.rate for run in found)
        tcp = tuple(run.rate for run in runs[kind, "TCP"])
        cpu = sum(run.cpu_a_million for run in found) / len(found)
        version = f"{found[0].note}, " if found[0].note else ""
        report.add(
            Row(
                what=f"relay over {name}, {KINDS[kind]}, 1 client",
                who="smartmob",
                unit="lines/s",
                values=rates,
                ratios=() if name == "TCP" else ratios(rates, tcp),
                to="" if name == "TCP" else "TCP",
                note=f"{version}{cpu:.2f} CPU s a million lines, each byte as it has to be",
            )
        )


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lines", type=int, default=1_000_000, help="a round")
    return parser


BENCHMARK = command.Benchmark(
    name="endpoints",
    parser=_parser(),
    measure=measure,
    short=("--rounds", "1", "--lines", "20000"),
)

if __name__ == "__main__":
    sys.exit(command.main(BENCHMARK))
