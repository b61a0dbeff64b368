"""
Removing what programs may have made, whatever it is.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: str, going: Callable[[], bool] = lambda: True) -> None:
    """
    Remove a file or a folder with all that is in it; it need not be there.

    Unlike C{shutil.rmtree} it manages folders without permissions, and folders in
    folders of any depth, whose paths no system call would take: it never goes down
    more than one level, but lifts what lies deeper to the top first.

    @param going: Says whether to go on: the rest is left as it is then.
    @raise OSError: The first that happened, after all that can be removed was.
    """
    try:
        root = _open(path, None)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(path)
        return
    try:
        failures = _empty(root, going)
    finally:
        os.close(root)
    if failures:
        raise failures[0]
    if going():
        os.rmdir(path)


def move_aside(path: str, aside: str) -> None:
    """
    Give a file or a folder another name, whatever its permissions.

    @raise OSError: It can't be.
    """
    try:
        os.rename(path, aside)
    except PermissionError:
        _allow(path, None)  # moving a folder writes to it: to its ".."
        os.rename(path, aside)


def _empty(root: int, going: Callable[[], bool]) -> list[OSError]:
    """
    Remove all that is in a folder.

    @return: What could not be.
    """
    failures: list[OSError] = []
    # Nobody who made names in there can know it.
    prefix = secrets.token_hex(16)
    lifted = 0
    folders: list[str] = []
    for name in os.listdir(root):
        if going():
            _unlink(name, root, folders, failures)
    while folders and going():
        name = folders.pop()
        try:
            folder = _open(name, root)
        except OSError as error:
            failures.append(error)
            continue
        try:
            below: list[str] = []
            for inner in os.listdir(folder):
                if going():
                    _unlink(inner, folder, below, failures)
            if not going():
                break
            for inner in below:
                lifted += 1
                top = f"{prefix}-{lifted}"
                # Moving a folder writes to it: to its "..".
                _allow(inner, folder)
                os.rename(inner, top, src_dir_fd=folder, dst_dir_fd=root)
                folders.append(top)
            os.rmdir(name, dir_fd=root)
        except OSError as error:
            failures.append(error)
        finally:
            os.close(folder)
    return failures


def _unlink(name: str, at: int, folders: list[str], failures: list[OSError]) -> None:
    """
    Remove what is no folder, else note it.
    """
    try:
        if stat.S_ISDIR(os.lstat(name, dir_fd=at).st_mode):
            folders.append(name)
        else:
            os.unlink(name, dir_fd=at)
    except FileNotFoundError:
        # A straggler of a program was faster.
        pass
    except OSError as error:
        failures.append(error)


def _open(name: str, at: int | None) -> int:
    """
    Open a folder so that what is in it can be listed and removed.
    """
    try:
        folder = os.open(name, _FOLDER, dir_fd=at)
    except PermissionError:
        _allow(name, at)
        return os.open(name, _FOLDER, dir_fd=at)
    # Another user's can't be changed; perhaps it can be emptied all the same.
    with contextlib.suppress(PermissionError):
        os.fchmod(folder, 0o700)
    return folder


def _allow(name: str, at: int | None) -> None:
    """
    Give a folder's owner all rights.

    By its name alone that would be done to whatever has the name by then: programs of the
    folder's owner may put a link there, which leads anywhere.
    """
    folder = os.open(name, _FOLDER | os.O_PATH, dir_fd=at)
    try:
        os.chmod(f"/proc/self/fd/{folder}", 0o700)  # open(2): O_PATH allows no fchmod(2)
    finally:
        os.close(folder)
