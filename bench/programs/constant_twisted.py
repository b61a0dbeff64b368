"""
C{constant_twisted.py FILE}: a resource of U{Twisted<https://docs.twisted.org>} that always has
the same bytes, as its documentation would have it.  Prints its port.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site


class Constant(Resource):
    """
    The bytes of a file.
    """

    isLeaf = True

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body

    def render_GET(self, request: Request) -> bytes:
        """
        All of them.
        """
        request.setHeader(b"Content-Type", b"application/json")
        return self.body


def main() -> None:
    """
    Serve.
    """
    reactor: Any = installed
    site = Site(Constant(Path(sys.argv[1]).read_bytes()))
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


main()
