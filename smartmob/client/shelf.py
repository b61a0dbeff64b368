"""
An archive on a web server of its own, for as long as it is needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTCP
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data


@asynccontextmanager
async def shelf(reactor: IReactorTCP, name: str, content: bytes) -> AsyncIterator[str]:
    """
    The URL, on loopback, at which C{content} lies under that name.
    """
    root = Resource()
    root.putChild(name.encode(), Data(content, "application/octet-stream"))
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await endpoint.listen(Site(root))
    try:
        yield f"http://127.0.0.1:{port.getHost().port}/{name}"
    finally:
        await port.stopListening()
