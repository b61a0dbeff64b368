"""
The wheel of this checkout, built and installed where nothing else is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import psutil

from tests.support.papers import TREE

_FILES = ("setup.py", "pyproject.toml", "README.rst", "LICENSE")
_FOLDERS = ("smartmob", "twisted", "examples")


_NOT_PASSED_ON = ("PYTHONPATH", "SMARTMOB_PURE", "SMARTMOB_GUARDIAN", "SMARTMOB_FRAMES")
"""
The runner of the tests may name the checkout in the first, and means itself by the others.
"""


def run(*words: str | Path, cwd: Path, **more: str) -> str:
    """
    What a command writes.

    @param more: For its environment.
    @raise AssertionError: It failed.
    """
    env = {name: os.environ[name] for name in os.environ if name not in _NOT_PASSED_ON}
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**env, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout


def build(folder: Path, *, pure: bool = False) -> Path:
    """
    The wheel of this checkout, built of a copy: a build leaves things where it runs.

    @param pure: Have nothing compiled for it; else it is built as published, of the archive of
        sources.
    """
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.egg-info")
    for name in _FOLDERS:
        shutil.copytree(TREE / name, tree / name, symlinks=True, ignore=ignored)
    for name in _FILES:
        shutil.copy(TREE / name, tree)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    if pure:
        run(*pip, "--wheel-dir", folder, tree, cwd=folder, SMARTMOB_PURE="1")
    else:
        run(sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir", folder, cwd=tree)
        [sources] = folder.glob("*.tar.gz")
        run(*pip, "--wheel-dir", folder, sources, cwd=folder)
    [wheel] = folder.glob("*.whl")
    return wheel


def install(folder: Path, wheel: Path) -> Path:
    """
    A new environment with nothing of its own but the wheel.  What that depends on is
    taken from the environment that the tests run in, which costs no download.

    @return: The folder of its programs.
    """
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--quiet", "--python")
    run(*pip, python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    own = run(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=folder).strip()
    # Only the folder itself: what is installed there as a link to a checkout is not seen.
    (Path(own) / "others.pth").write_text(f"{Path(psutil.__file__).parent.parent}\n")
    return python.parent


@cache
def installed(*, pure: bool = False) -> tuple[Path, Path]:
    """
    The wheel, and the folder of the programs that it installs: built once for all
    tests of a run, in the folder that trial runs them in.

    @param pure: As for L{build}.
    """
    folder = Path("pure" if pure else "wheel").absolute()
    folder.mkdir()
    wheel = build(folder, pure=pure)
    return wheel, install(folder, wheel)


def compiler() -> str | None:
    """
    What C would be compiled with, if anything.
    """
    return next(filter(shutil.which, ("cc", "gcc", "clang")), None)
