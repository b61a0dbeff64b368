"""
A file on its way to a client, at the client's pace.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from smartmob.plugins.site import SiteFile
from smartmob.web.keepalive import Keepalive
from smartmob.web.socket_writer import SocketWriter

_log = Logger()

PIECE = 64 * 1024
"""Bytes that are read at a time, while the reactor waits for the disk."""


@implementer(IPushProducer)
class FileSender:
    """
    Sends the body of an answer whose head was said to be as long as the file.

    Never more than that, also where the file grows meanwhile; where it shrinks, the
    answer is cut.  A client that for a minute takes nothing is cut, too.
    """

    def __init__(self, reactor: IReactorTime, request: Request, file: SiteFile) -> None:
        """
        @param file: Is closed in the end.
        """
        self._reactor = reactor
        self._request = request
        self._file: SiteFile | None = file
        self._left = file.status.st_size
        self._paused = False
        self._keepalive: Keepalive | None = None

    def begin(self) -> None:
        """
        Send what the client takes at once, and see to the rest.
        """
        channel: Any = self._request.channel
        if channel is None:
            self._close()
            return
        self._request.notifyFinish().addBoth(self._over)
        transport = channel.transport
        self._writer = SocketWriter(transport)
        self._request.registerProducer(self, True)
        self.resumeProducing()
        if self._file is not None:
            self._keepalive = Keepalive(
                self._reactor, self._writer, ask=None, cut=transport.abortConnection
            )

    def pauseProducing(self) -> None:
        """
        The transport has enough.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        The transport takes more.
        """
        self._paused = False
        while self._file is not None and not self._paused:
            if not self._left:
                self._finish()
                return
            try:
                data = os.read(self._file.descriptor, min(PIECE, self._left))
            except OSError:
                _log.failure("reading a file of a site failed")
                data = b""
            if not data:
                self._cut()
                return
            self._left -= len(data)
            self._writer.hand(len(data))
            self._request.write(data)

    def stopProducing(self) -> None:
        """
        The transport is lost.
        """
        self._close()

    def _finish(self) -> None:
        self._close()
        self._request.unregisterProducer()
        self._request.finish()

    def _cut(self) -> None:
        """
        There is less than was announced.
        """
        self._close()
        self._request.unregisterProducer()
        channel: Any = self._request.channel
        if channel is not None:
            channel.transport.abortConnection()

    def _over(self, _: object) -> None:
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
        if self._keepalive is not None:
            self._keepalive.stop()
