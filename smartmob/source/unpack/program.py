"""
What the unpacker's process does: arguments in, one line of JSON out.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, NoReturn

from smartmob.source.reserve import Reserve
from smartmob.source.unpack.destination import Destination, Readable, Refused, shown

Confine = Callable[[int, "str | None"], "str | None"]
"""
Confines this process to a folder, see L{confine}.
"""

TEXT_LIMIT = 1 << 20
"""How many bytes a Procfile or an .env may have."""

_HEAD = 512
_BZ2, _XZ, _ZSTD = b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# What archivers leave in an archive's root beside the one folder: macOS's, and pax
# headers written out as files by tars that don't know them.
_NOT_COUNTED = ("__MACOSX", ".DS_Store", "._", "pax_global_header", "PaxHeader")
_NEEDED = (
    *("bz2", "gzip", "lzma", "tarfile", "zipfile", "compression.zstd", "traceback"),
    *("encodings.ascii", "encodings.cp437", "encodings.latin_1", "encodings.utf_8"),
    *("smartmob.source.unpack.tarball", "smartmob.source.unpack.zipped"),
    *("smartmob.source.unpack.compressed", "smartmob.source.unpack.confinement"),
)
_PAGE = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--")


class Task:
    """
    What there is to be done.

    @ivar archive: The file to unpack.
    @ivar folder: Where to; it is there only when all of it is.
    """

    def __init__(self, arguments: list[str]) -> None:
        """
        @param arguments: Of the command line, see L{smartmob.source.unpack}.
        """
        self.archive, self.folder = arguments[:2]
        numbers = list(map(int, arguments[2:]))
        self.max_bytes, self.max_entries = numbers[:2]
        self.reserve = Reserve(*numbers[2:4])
        self.owner = (numbers[4], numbers[5]) if len(numbers) > 4 else None


def unpack(task: Task, confine: Confine) -> dict[str, object]:
    """
    Unpack an archive.

    @return: C{home} (the part of the folder that holds the Procfile), C{procfile}
        and C{dotenv} (base64, or L{None} where there is none), C{bytes}, C{entries},
        C{network} (why there was one, or L{None}).
    @raise Refused: If it won't be unpacked.
    """
    with _opened(task) as (source, root):
        network = confine(root, os.path.dirname(task.folder))
        report = {**_fill(task, source, root), "network": network}
    os.rename(task.folder + ".tmp", task.folder)
    return report


def unpack_as(task: Task, owner: tuple[int, int], confine: Confine) -> None:
    """
    Have a child, as another user, unpack an archive and report about it.

    It need not be able to come to the folder or to the archive, and can write nowhere
    that its user can't.

    @raise Refused: If it won't be unpacked.
    @raise SystemExit: If the child has reported that it won't be.
    """

    def filled() -> dict[str, object]:
        _become(*owner)
        network = confine(root, None)
        return {**_fill(task, source, root), "network": network}

    with _opened(task) as (source, root):
        os.fchmod(root, 0o750)  # others may be let through the folders above
        os.fchown(root, *owner)
        _import_all()
        child = os.fork()
        if not child:
            _end(filled)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)  # who looks at how this ends is to see how that did
    if code:
        sys.exit(code)
    os.rename(task.folder + ".tmp", task.folder)


def _end(unpacked: Callable[[], dict[str, object]]) -> NoReturn:
    """
    What a child does: nothing of its parent's.
    """
    code = 1
    try:
        code = _report(unpacked)
    except BaseException:  # whatever it is, this copy of the parent has to end
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code)


def _become(uid: int, gid: int) -> None:
    """
    Be another user, for good.
    """
    ours = os.getresuid() == (uid, uid, uid) and os.getresgid() == (gid, gid, gid)
    if ours and uid:
        return  # already so, and without the right to say it again
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _import_all() -> None:
    """
    Have all that may be needed: another user may not be able to read it.
    """
    for module in _NEEDED:
        with suppress(ImportError):  # not every Python has every one
            import_module(module)


@contextmanager
def _opened(task: Task) -> Iterator[tuple[IO[bytes], int]]:
    """
    The archive, and a descriptor of a new folder.
    """
    folder = task.folder + ".tmp"
    _make(folder)
    root = os.open(folder, _FOLDER)
    try:
        with open(task.archive, "rb") as source:
            yield source, root
    finally:
        os.close(root)


def _fill(task: Task, source: IO[bytes], root: int) -> dict[str, object]:
    """
    Unpack to a folder, and see what came of it.
    """
    destination = Destination(root, task.max_bytes, task.max_entries, task.reserve)
    _unpack_any(source, destination)
    destination.finish()
    home = _home(root)
    at = os.open(home or ".", _FOLDER, dir_fd=root)
    try:
        return {
            "home": home,
            "procfile": _text(at, "Procfile"),
            "dotenv": _text(at, ".env"),
            "bytes": task.max_bytes - destination.bytes,
            "entries": task.max_entries - destination.entries,
        }
    finally:
        os.close(at)


def _make(folder: str) -> None:
    """
    Make a folder, and those it lies in, one of which may go away meanwhile: the app's
    last release is removed while another comes.
    """
    for _ in range(100):
        try:
            return os.makedirs(folder, 0o755)
        except FileNotFoundError:
            continue
    raise Refused(f"could not be unpacked: the folder {shown(folder)} keeps going away")


def _unpack_any(source: IO[bytes], destination: Destination) -> None:
    """
    Unpack an archive of whatever kind, told by its content.
    """
    head = source.read(_HEAD)
    source.seek(0)
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        from smartmob.source.unpack import zipped

        return zipped.unpack(source, destination)
    from smartmob.source.unpack import tarball

    opened = _decompressed(head, source)
    if opened is None:
        _refuse_unless_tar(head, "")
        return tarball.unpack(source, destination)
    begin = b""
    while len(begin) < _HEAD and (more := opened.read(_HEAD - len(begin))):
        begin += more
    _refuse_unless_tar(begin, " inside its compression")
    return tarball.unpack(opened, destination, begin)


def _decompressed(head: bytes, source: IO[bytes]) -> Readable | None:
    """
    The decompressed stream, if it is a compressed one.
    """
    if head[:2] == b"\x1f\x8b":
        import gzip

        return gzip.GzipFile(fileobj=source)
    from smartmob.source.unpack.compressed import Compressed

    if head.startswith(_BZ2):
        import bz2

        return Compressed(source, _BZ2, bz2.BZ2Decompressor)
    if head.startswith(_XZ):
        import lzma

        return Compressed(source, _XZ, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ))
    if head.startswith(_ZSTD):
        try:
            # Python 3.14 and later.
            from compression import zstd  # type: ignore[import-not-found]
        except ImportError:
            raise Refused("zstd archives need Python 3.14 on the agent's machine") from None
        return Compressed(source, _ZSTD, zstd.ZstdDecompressor)
    return None


def _refuse_unless_tar(head: bytes, where: str) -> None:
    """
    Refuse what does not begin as a tar does, in words that help.
    """
    from smartmob.source.unpack.tarball import is_header

    if is_header(head):
        return
    if not head:
        raise Refused(f"not an archive: it is empty{where}")
    if not head.strip(b"\0"):
        raise Refused("an empty archive")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE):
        raise Refused(f"not an archive: it looks like an HTML page{where}")
    raise Refused(f"not an archive: neither tar nor zip{where}")


def _home(root: int) -> str:
    """
    The folder of the Procfile: the root (an empty string), or the one top folder.
    """
    names = os.listdir(root)
    if "Procfile" in names:
        return ""
    counted = [name for name in names if not name.startswith(_NOT_COUNTED)]
    if len(counted) == 1:
        mode = os.stat(counted[0], dir_fd=root, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            return counted[0]
    return ""


def _text(folder: int, name: str) -> str | None:
    """
    The bytes of a small file, in base64.
    """
    try:
        # Links stay inside, that was seen to.
        opened = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise Refused(f"{name} is not a file")
    with os.fdopen(opened, "rb") as file:
        data = file.read(TEXT_LIMIT + 1)
    if len(data) > TEXT_LIMIT:
        raise Refused(f"{name} is larger than {TEXT_LIMIT} bytes")
    return base64.b64encode(data).decode("ascii")


def _report(unpacked: Callable[[], dict[str, object] | None]) -> int:
    """
    Say what came of unpacking, unless that was said.

    @return: The exit code.
    """
    import lzma
    import tarfile
    import zipfile

    report: dict[str, object] | None
    try:
        report = unpacked()
    except Refused as error:
        report = {"error": str(error)}
    except MemoryError:
        report = {"error": "it needs too much memory to unpack"}
    except OSError as error:
        # Decompressors raise plain OSErrors, without a number, for bad data.
        what = (
            f"could not be unpacked: {error.strerror}"
            if error.errno
            else f"damaged archive: {error}"
        )
        report = {"error": what}
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error),
        *(lzma.LZMAError, EOFError, NotImplementedError, ValueError, KeyError),
        *(RuntimeError, OverflowError, IndexError),
    ) as error:
        report = {"error": f"damaged archive: {error or type(error).__name__}"}
    if report is None:
        return 0
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    return 1 if "error" in report else 0


def confine(root: int, beside: str | None) -> str | None:
    """
    See L{smartmob.source.unpack.confinement.confine}.
    """
    try:
        from smartmob.source.unpack import confinement
    except ImportError as error:
        return f"this Python can make no system calls of its own ({error})"
    return confinement.confine(root, beside)


def main(arguments: list[str], confine: Confine = confine) -> int:
    """
    Unpack, and say how it went.

    @param confine: What confines the process that reads the archive, for good.
    @return: The exit code.
    """
    task = Task(arguments)
    owner = task.owner
    if owner is None:
        return _report(lambda: unpack(task, confine))
    return _report(lambda: unpack_as(task, owner, confine))
