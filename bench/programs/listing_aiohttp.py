"""
C{listing_aiohttp.py FILE}: the document of a file, made into JSON for each request, as the
documentation of U{aiohttp<https://docs.aiohttp.org/en/stable/web_quickstart.html>} would have
it.  Prints its port.
"""

import json
import socket
import sys
from pathlib import Path

from aiohttp import web


def main() -> None:
    """
    Serve.
    """
    document = json.loads(Path(sys.argv[1]).read_bytes())

    async def listing(request: web.Request) -> web.Response:
        return web.json_response(document)

    app = web.Application()
    app.router.add_get("/list-processes", listing)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    web.run_app(app, sock=listener, print=None, access_log=None)


main()
