"""
The peers, each in an environment of its own below C{.bench/}, which git ignores.  They come
from their registries by name, once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.figures import Failed

CACHE = Path(__file__).parent.parent / ".bench"


class NotInstalled(Failed):
    """
    A peer can't be had here.
    """


def supervisor() -> Path:
    """
    U{supervisord<http://supervisord.org>}, of PyPI.
    """
    return _installed("supervisor/bin/supervisord", lambda home: _venv(home, "supervisor"))


def circus() -> Path:
    """
    U{circusd<https://circus.readthedocs.io>}, of PyPI.
    """
    return _installed("circus/bin/circusd", lambda home: _venv(home, "circus"))


def aiohttp() -> Path:
    """
    The Python that has U{aiohttp<https://docs.aiohttp.org>}, of PyPI.
    """
    return _library("aiohttp")


def websockets() -> Path:
    """
    The Python that has U{websockets<https://websockets.readthedocs.io>}, of PyPI.
    """
    return _library("websockets")


def pm2() -> Path:
    """
    U{pm2<https://pm2.keymetrics.io>}, of npm.
    """
    return _installed("pm2/node_modules/.bin/pm2", _npm)


def websocketd() -> Path:
    """
    U{websocketd<http://websocketd.com>}, of Debian: unpacked, not installed.
    """
    found = shutil.which("websocketd")
    return Path(found) if found else _installed("websocketd/usr/bin/websocketd", _debian)


def version(peer: str) -> str:
    """
    Which one of it is below C{.bench/}; empty where none is.
    """
    library = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    home = CACHE / peer
    if (python := home / "bin/python").exists():
        words: list[str | Path] = [python, "-c", library, peer]
        return subprocess.check_output(words, text=True, timeout=60).strip()
    if (package := home / "node_modules" / peer / "package.json").exists():
        return str(json.loads(package.read_text())["version"])
    return next((found.name.split("_")[1] for found in home.glob("*_*_*.deb")), "")


def _library(name: str) -> Path:
    """
    A library has no program of its own that would show that it is there.
    """
    return _installed(f"{name}/bin/python", lambda home: _venv(home, name))


def _installed(program: str, install: Callable[[Path], None]) -> Path:
    path = CACHE / program
    home = CACHE / Path(program).parts[0]
    if not path.exists():
        shutil.rmtree(home, ignore_errors=True)
        try:
            home.mkdir(parents=True)
            install(home)
        except OSError as error:
            raise NotInstalled(str(error)) from error
        except NotInstalled:
            shutil.rmtree(home, ignore_errors=True)  # a half of it would be taken for all
            raise
        if not path.exists():
            raise NotInstalled(f"{path.name} is not in what was installed")
    return path


def _venv(home: Path, package: str) -> None:
    _run([sys.executable, "-m", "venv", home], home)
    _run([home / "bin/python", "-m", "pip", "install", "--quiet", package], home)


def _npm(home: Path) -> None:
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "pm2"], home)


def _debian(home: Path) -> None:
    _run(["apt-get", "download", "websocketd"], home)
    for package in home.glob("websocketd_*.deb"):
        _run(["dpkg", "-x", package, home], home)


def _run(command: Sequence[str | Path], home: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env={**os.environ, "npm_config_prefix": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotInstalled(f"{command[0]}: {' '.join(last)[:120]}")
