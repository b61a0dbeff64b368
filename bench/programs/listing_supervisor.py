"""
C{listing_supervisor.py SOCKET SECONDS}: asks a supervisord for what its processes are like, as
often as it answers in that time.  Prints a JSON document: C{answers}, C{seconds}, and the
C{processes} of the last answer.
"""

import json
import socket
import sys
from http.client import HTTPConnection
from time import monotonic
from xmlrpc.client import dumps


class LocalConnection(HTTPConnection):
    """
    One over a unix socket.
    """

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self.path = path

    def connect(self) -> None:
        """
        Reach it.
        """
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def main() -> None:
    """
    As the command line has it.
    """
    path, seconds = sys.argv[1], float(sys.argv[2])
    connection = LocalConnection(path)
    request = dumps((), "supervisor.getAllProcessInfo")
    answers, processes = 0, 0
    began = monotonic()
    while monotonic() < began + seconds:
        connection.request("POST", "/RPC2", request, {"Content-Type": "text/xml"})
        processes = connection.getresponse().read().count(b"<name>pid</name>")
        answers += 1
    took = monotonic() - began
    json.dump({"answers": answers, "seconds": took, "processes": processes}, sys.stdout)


main()
