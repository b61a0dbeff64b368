"""
What is below the wrappers of a connection.
"""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.protocols.policies import ProtocolWrapper


def bottom(transport: object) -> tuple[FileDescriptor | None, bool]:
    """
    What is below the wrappers, and whether what is written to them is what it gets: with TLS
    it is not.
    """
    direct = True
    while isinstance(transport, ProtocolWrapper):
        direct = direct and type(transport).write is ProtocolWrapper.write
        transport = transport.transport
    if isinstance(transport, FileDescriptor):
        return transport, direct and not getattr(transport, "TLS", False)
    return None, False


def is_clear(descriptor: FileDescriptor) -> bool:
    """
    Whether what is sent now overtakes nothing that was written before.
    """
    return bool(
        not descriptor.dataBuffer
        and not descriptor._tempDataLen
        and descriptor.connected
        and not descriptor.disconnecting
    )
