"""
The web process of the example: answers on the port that it is told in PORT.
"""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    """
    Says hello, and who says it.
    """

    def do_GET(self) -> None:
        """
        Answer any path with the same text.
        """
        text = f"Hello from {os.environ.get('SMARTMOB_SLUG', 'nowhere')}, pid {os.getpid()}.\n"
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """
        One line a request, to standard output, at once.
        """
        print(f"{self.client_address[0]} {format % args}", flush=True)


if __name__ == "__main__":
    # Loopback: an example is not to be seen from the network.
    with ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello) as server:
        print(f"answering on http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()
