"""
C{bystanders.py PORT SOCKET}: who else uses an agent, and is answered whatever some do to it.

Asks for C{/ping} until its standard input ends: every 50 ms on a connection that is kept, as
often on one to the unix socket, and once a second on a new one from another address of
loopback.  While an answer is late, those that would have been asked for are counted as late,
too.  Prints one JSON document: of each, the seconds of its answers, and why there were none.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable

ADDRESS = "127.0.0.2"
PATIENCE = 30.0
REQUEST = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"

over = threading.Event()


class Asker(threading.Thread):
    """
    One of them.
    """

    def __init__(self, connect: Callable[[], socket.socket], period: float, kept: bool) -> None:
        super().__init__(daemon=True)
        self.connect = connect
        self.period = period
        self.kept = kept
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self.connection: socket.socket | None = None

    def run(self) -> None:
        """
        Ask once at least.
        """
        begun = time.perf_counter()
        turn = 0
        while True:
            asked = time.perf_counter()
            try:
                self.ask()
            except OSError as error:
                self.failures.append(repr(error))
                self.connection = None
            took = time.perf_counter() - asked
            self.seconds.append(took)
            turn += 1
            while self.kept and took > self.period:
                took -= self.period
                self.seconds.append(took)
                turn += 1
            if over.wait(max(0.0, begun + turn * self.period - time.perf_counter())):
                return

    def ask(self) -> None:
        """
        One question, and its answer.
        """
        if self.connection is None:
            self.connection = self.connect()
        connection = self.connection
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"\r\n\r\nOK\n") and not answer.endswith(b"\r\n\r\nOK"):
            more = connection.recv(4096)
            if not more:
                raise ConnectionError(f"closed after {answer!r}")
            answer += more
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(repr(answer[:100]))
        if not self.kept:
            connection.close()
            self.connection = None


def main() -> None:
    """
    Ask, all three.
    """
    where = ("127.0.0.1", int(sys.argv[1]))

    def local() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(sys.argv[2])
        return connection

    askers = {
        "kept": Asker(lambda: socket.create_connection(where, PATIENCE), 0.05, True),
        "unix": Asker(local, 0.05, True),
        "new": Asker(
            lambda: socket.create_connection(where, PATIENCE, (ADDRESS, 0)), 1.0, False
        ),
    }
    for asker in askers.values():
        asker.start()
    sys.stdin.read()
    over.set()
    for asker in askers.values():
        asker.join()
    found = {name: [asker.seconds, asker.failures] for name, asker in askers.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
