#!/usr/bin/env python3
"""
Prints the events that webhooks bring, a line each: C{python3 hooks.py [PORT]}.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Sink(BaseHTTPRequestHandler):
    """
    Takes what is sent.
    """

    def do_POST(self) -> None:
        """
        An event.
        """
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(f"{self.path} {event['event']} {event['slug']}", flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """
        No other lines.
        """


port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
server = HTTPServer(("127.0.0.1", port), Sink)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    server.server_close()
