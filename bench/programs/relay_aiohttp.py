"""
C{relay_aiohttp.py PROGRAM [ARGUMENT...]}: a relay of a program's lines to WebSockets, as the
documentation of U{aiohttp<https://docs.aiohttp.org/en/stable/web_advanced.html>} and that of
asyncio's subprocesses would have it.  Prints its port.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

from aiohttp import web

CLIENTS = web.AppKey("clients", set[web.WebSocketResponse])


async def attach(request: web.Request) -> web.WebSocketResponse:
    """
    One more client, until it goes.
    """
    client = web.WebSocketResponse()
    await client.prepare(request)
    clients = request.app[CLIENTS]
    clients.add(client)
    try:
        async for _ in client:
            pass
    finally:
        clients.discard(client)
    return client


async def relay(app: web.Application) -> None:
    """
    Each line to each client.
    """
    program = await asyncio.create_subprocess_exec(
        *sys.argv[1:], stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    while line := await program.stdout.readline():
        text = line.decode("utf-8", "replace").removesuffix("\n")
        for client in list(app[CLIENTS]):
            await client.send_str(text)


async def background(app: web.Application) -> AsyncIterator[None]:
    """
    The relay runs as long as the application does.
    """
    task = asyncio.create_task(relay(app))
    yield
    task.cancel()


def main() -> None:
    """
    Serve.
    """
    app = web.Application()
    app[CLIENTS] = set()
    app.router.add_get("/", attach)
    app.cleanup_ctx.append(background)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    web.run_app(app, sock=listener, print=None)


main()
