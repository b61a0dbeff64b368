"""
U{pm2<https://pm2.keymetrics.io>}, with a home and a daemon of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.files import Section

Tell = Callable[..., None]
"""Calls it with these words, and waits for its end."""


@contextmanager
def told(path: Path, home: Path) -> Iterator[Tell]:
    """
    Something to call it by; its daemon, if it has one by then, is ended at the end.
    """
    env = {**os.environ, "PM2_HOME": str(home / "pm2")}

    def tell(*words: str | Path) -> None:
        subprocess.run(
            [path, *words], env=env, cwd=home, capture_output=True, timeout=120, check=True
        )

    try:
        yield tell
    finally:
        tell("kill")


def file(home: Path, sections: Sequence[Section]) -> Path:
    """
    A file with these programs.
    """
    apps = []
    for section in sections:
        program, *words = section.command.split()
        app = {
            "name": section.name,
            "script": program,
            "args": words,
            "interpreter": "none",
            "exec_mode": "fork",
            "instances": section.count,
        }
        apps.append(app)
    written = home / "ecosystem.json"
    written.write_text(json.dumps({"apps": apps}))
    return written
