"""
C{relay_websockets.py PROGRAM [ARGUMENT...]}: a relay of a program's lines to WebSockets, as the
documentation of U{websockets<https://websockets.readthedocs.io/en/stable/topics/broadcast.html>}
and that of asyncio's subprocesses would have it.  Prints its port.
"""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

CLIENTS: set[ServerConnection] = set()


async def attach(client: ServerConnection) -> None:
    """
    One more client, until it goes.
    """
    CLIENTS.add(client)
    try:
        await client.wait_closed()
    finally:
        CLIENTS.remove(client)


async def main() -> None:
    """
    Each line to each client.
    """
    program = await asyncio.create_subprocess_exec(
        *sys.argv[1:], stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    async with serve(attach, "127.0.0.1", 0) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        while line := await program.stdout.readline():
            broadcast(CLIENTS, line.decode("utf-8", "replace").removesuffix("\n"))
        await server.serve_forever()


asyncio.run(main())
