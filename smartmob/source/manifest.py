"""
What lies beside a release, for the next run of the agent: how it was unpacked.

A release is B{whole} if its folder and its manifest are there and what is in the folder
is really on the disk.  A manifest is written once the folder has its name, and removed
before anything of the folder is; so an agent that is killed at any moment leaves no
manifest beside half a folder.  A machine that loses its power is another matter: what was
written last may be gone then, or empty.  So either it has not been started anew since, by
its boot id, or the file system was told to write all of it (L{sync_file_system}), which the
manifest says.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat

from attrs import frozen

from smartmob.launch.record import boot_id
from smartmob.plain_files import read as read_file
from smartmob.source.unpacking import Unpacked

SCHEMA = 1

_MOST = 4 << 20  # a Procfile and an .env of 1 MiB each, in base64, and then some
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class NotWhole(Exception):
    """
    A release of which something is missing, or may be.

    @ivar why: The end of a sentence that begins with its name.
    @ivar damaged: Something is there that can't be.
    """

    def __init__(self, why: str, *, damaged: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.damaged = damaged


@frozen(repr=False)
class Manifest:
    """
    What is known of a release on the disk.

    @ivar unpacked: What the archive turned out to be: the C{.env} in it has secrets, so
        the file is for the agent alone.
    @ivar boot: The start of the machine in which it was written; an empty string where
        that can't be said.
    @ivar synced: All of the release was on the disk before this was written.
    """

    unpacked: Unpacked
    boot: str
    synced: bool = False


def path_of(release: str) -> str:
    """
    Where the manifest of a release lies.

    @param release: Its folder.
    """
    return release + ".json"


def this_boot() -> str:
    """
    Which start of the machine this is; an empty string where that can't be said.
    """
    try:
        return boot_id()
    except OSError:
        return ""


def write(release: str, manifest: Manifest, *, durable: bool = False) -> None:
    """
    Write the manifest of a release, in place of the one there may be.

    @param durable: It is on the disk when this returns.
    @raise OSError: It can't be; the one there was is still there.
    """
    path = path_of(release)
    document = {
        "schema": SCHEMA,
        "sha256": _sha256_of(release),
        "home": manifest.unpacked.home,
        "procfile": _text(manifest.unpacked.procfile),
        "dotenv": _text(manifest.unpacked.dotenv),
        "boot_id": manifest.boot,
        "synced": manifest.synced,
    }
    try:
        with os.fdopen(os.open(path + ".tmp", _NEW, 0o600), "wb") as file:
            file.write(json.dumps(document).encode("ascii"))
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(path + ".tmp", path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path + ".tmp")
        raise
    if durable:
        sync_folder(os.path.dirname(path))


def whole(release: str, owner: int, boot: str) -> Manifest:
    """
    See whether a release is whole.

    @param release: Its folder.
    @param owner: The uid of who it is for.
    @param boot: Which start of the machine this is.
    @return: Its manifest.
    @raise NotWhole: It is not.
    @raise OSError: That can't be said now.
    """
    try:
        status = os.lstat(release)
    except (FileNotFoundError, NotADirectoryError):
        raise NotWhole("is not there") from None
    if not stat.S_ISDIR(status.st_mode):
        raise NotWhole("is no folder", damaged=True)
    if status.st_uid != owner:
        raise NotWhole(f"belongs to user {status.st_uid}, not {owner}")
    try:
        data = read_file(path_of(release), _MOST, os.O_NOFOLLOW)
        manifest = _parse(data, _sha256_of(release))
    except FileNotFoundError:
        raise NotWhole("was not unpacked to its end") from None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotWhole(f"has a damaged manifest: {error}", damaged=True) from None
    if not manifest.synced and not (boot and manifest.boot == boot):
        raise NotWhole("may not have been on the disk yet when the machine went down")
    return manifest


def sync_folder(path: str) -> None:
    """
    Have the names in a folder on the disk (fsync(2)).

    @raise OSError: That fails.
    """
    folder = os.open(path, _FOLDER)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sync_file_system(path: str) -> None:
    """
    Have all of a file system on its disk (syncfs(2)).  It may take long, and is one call
    for a hundred thousand files.

    @param path: Of a folder on it.
    @raise OSError: That fails, or this system can't.
    """
    try:
        import ctypes

        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, AttributeError) as error:
        raise OSError(f"this Python can't call syncfs(2): {error}") from error
    folder = os.open(path, _FOLDER)
    try:
        if syncfs(folder):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(folder)


def _parse(data: bytes, sha256: str) -> Manifest:
    """
    What a manifest says.

    @raise ValueError: It can't be that.
    """
    document = json.loads(data)
    if not isinstance(document, dict):
        raise TypeError("it is no object")
    schema, boot, synced = document["schema"], document["boot_id"], document["synced"]
    if schema != SCHEMA:
        raise ValueError(f"its schema is {schema!r}, not {SCHEMA}")
    if document["sha256"] != sha256:
        raise ValueError("it is that of another release")
    if not isinstance(boot, str) or not isinstance(synced, bool):
        raise TypeError("it has values of other types")
    unpacked = Unpacked.of(document)
    if unpacked.procfile is None:
        raise ValueError("it has no Procfile")
    return Manifest(unpacked, boot, synced)


def _sha256_of(release: str) -> str:
    return os.path.basename(release).partition("-")[0]


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")
