"""
Unix sockets that the agent makes.
"""

from __future__ import annotations

import os
import socket
import stat

from attrs import frozen
from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorUNIX,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

_log = Logger()


class UnixPort(unix.Port):
    """
    A unix socket that takes its own file with it, and no other: somebody may have put
    another in its place, such as an agent that was started there since.
    """

    _made: tuple[int, int] | None = None

    def startListening(self) -> None:
        """
        Make the file, and listen.
        """
        super().startListening()
        self._made = self._found()

    def is_there(self) -> bool:
        """
        Whether its file is still in its place, so that clients find it.
        """
        return self._made is not None and self._found() == self._made

    def connectionLost(self, reason: Failure) -> None:
        """
        Remove the file, and listen no more.
        """
        # While it listens nobody takes it for a dead one and its place, but whoever
        # pays no regard to it.
        if self.is_there():
            try:
                os.unlink(self._bindPath)
            except OSError as error:
                _log.warn(
                    "can't remove {path}: {why}",
                    path=os.fsdecode(self._bindPath),
                    why=error.strerror,
                )
        # Not Twisted's for unix sockets, which removes whatever has this name.
        tcp.Port.connectionLost(self, reason)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._bindPath)
        except OSError:
            return None
        return found.st_dev, found.st_ino


@implementer(IStreamServerEndpoint)
@frozen
class UnixEndpoint:
    """
    A unix socket that nobody may connect to before its mode is right, and that
    takes the place of a dead one only.
    """

    reactor: IReactorUNIX
    path: str
    backlog: int
    mode: int

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        See L{IStreamServerEndpoint.listen}.
        """
        return execute(self._listen, factory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        self._remove_dead()
        before = os.umask(0o777 & ~self.mode)
        try:
            port = UnixPort(
                self.path,  # type: ignore[arg-type]  # any path; bytes are what it keeps
                factory,
                self.backlog,
                self.mode,
                self.reactor,
            )
            port.startListening()
            return port
        finally:
            os.umask(before)

    def check(self) -> None:
        """
        See whether something is there already that is in its way for good.  A socket is
        not, nor is a folder that has yet to be made.

        @raise OSError: So it is.
        """
        self._is_there()

    def _is_there(self) -> bool:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return False
        if not stat.S_ISSOCK(found.st_mode):
            raise OSError(f"{self.path} is there and is no socket")
        return True

    def _remove_dead(self) -> None:
        if not self._is_there():
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(self.path)
            except ConnectionRefusedError:
                os.unlink(self.path)
                return
            except BlockingIOError:
                pass  # its backlog is full: somebody listens
        raise OSError(f"somebody listens on {self.path}")
