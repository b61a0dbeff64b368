"""
Configuration files with the same programs, for each who reads one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from attrs import frozen


@frozen
class Section:
    """
    A program, and how often it is to run.

    @ivar more: Lines that only this reader knows.
    """

    name: str
    command: str
    count: int = 1
    more: tuple[str, ...] = ()


def smartmob(home: Path, sections: Iterable[Section], *more: str) -> Path:
    """
    For an agent.

    @param more: Lines before its sections.
    """
    lines = [*more]
    for section in sections:
        lines += (
            f"[process:{section.name}]",
            f"cmd = {section.command}",
            f"numprocesses = {section.count}",
            *section.more,
        )
    return _write(home / "smartmob.ini", lines)


def circus(home: Path, sections: Iterable[Section], *, kept: bool = False) -> Path:
    """
    For U{circusd<https://circus.readthedocs.io>}, with sockets in C{home}.

    @param kept: What programs write is to go to a file, as its documentation shows it.
    """
    lines = ["[circus]", *(f"{key} = {path}" for key, path in circus_sockets(home).items())]
    for section in sections:
        lines += (
            f"[watcher:{section.name}]",
            f"cmd = {section.command}",
            f"numprocesses = {section.count}",
            *section.more,
        )
        if kept:
            log = home / f"{section.name}.log"
            lines += ("stdout_stream.class = FileStream", f"stdout_stream.filename = {log}")
    return _write(home / "circus.ini", lines)


def circus_sockets(home: Path) -> dict[str, str]:
    """
    Where that circusd can be spoken to.
    """
    return {
        "endpoint": f"ipc://{home}/circus",
        "pubsub_endpoint": f"ipc://{home}/circus-news",
    }


def supervisor(home: Path, sections: Iterable[Section]) -> Path:
    """
    For U{supervisord<http://supervisord.org>}; what programs write is thrown away.
    """
    sections = list(sections)
    lines = [
        "[supervisord]",
        "nodaemon=true",
        # It makes sure that it may open so many files, or does not start.
        f"minfds={sum(section.count for section in sections) * 4 + 100}",
        f"logfile={home}/supervisord.log",
        f"pidfile={home}/supervisord.pid",
    ]
    for section in sections:
        lines += (
            f"[program:{section.name}]",
            f"command={section.command}",
            f"numprocs={section.count}",
            f"process_name={section.name}_%(process_num)d",
            "stdout_logfile=NONE",
            "stderr_logfile=NONE",
            *section.more,
        )
    return _write(home / "supervisord.conf", lines)


def _write(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
