"""
Who is at the other end of a unix socket.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.protocols.policies import ProtocolWrapper

_UCRED = struct.Struct("iII")
"""A C{struct ucred}: pid, uid, gid (unix(7))."""


def uid_of(transport: Any) -> int | None:
    """
    The user of the process that connected, as the kernel says (SO_PEERCRED): whoever it
    passed the connection on to.

    @param transport: That of a connection, whatever is wrapped around it.
    @return: C{None}: it is no unix socket.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    connection = transport.getHandle()
    if connection.family != socket.AF_UNIX:
        return None
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(said)
    return int(uid)
