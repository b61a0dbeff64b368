"""
Applications as archives, with nothing in them but what a test needs.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from collections.abc import Mapping

PYTHON = f"{sys.executable} -I -S -u"
"""How commands of a Procfile call Python."""


def application(procfile: str, **files: str | bytes) -> bytes:
    """
    An archive of a Procfile and Python files; C{main} is C{main.py}.
    """
    contents: dict[str, str | bytes] = {"Procfile": procfile}
    contents.update((f"{name}.py", text) for name, text in files.items())
    return archive(contents)


def archive(contents: Mapping[str, str | bytes]) -> bytes:
    """
    An archive of files.
    """
    memory = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=memory, mode="wb", mtime=0, compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return memory.getvalue()
