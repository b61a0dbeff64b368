"""
The programs in C that measure and are measured, made of their sources for each run.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.figures import Failed

SOURCES = Path(__file__).parent / "programs"


class NotBuilt(Failed):
    """
    There is no compiler, or it did not do.
    """


def build(folder: Path, *names: str) -> dict[str, Path]:
    """
    Compile these programs into C{folder}.

    @return: Where each is.
    @raise NotBuilt: One can't be.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NotBuilt("no C compiler on this machine")
    programs = {}
    for name in names:
        programs[name] = folder / name
        made = subprocess.run(
            [compiler, "-O2", "-o", programs[name], SOURCES / f"{name}.c"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if made.returncode:
            raise NotBuilt(f"{name}.c does not compile: {made.stderr.strip()[:200]}")
    return programs
