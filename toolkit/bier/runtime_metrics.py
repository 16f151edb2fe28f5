"""Counters over HTTP, for Prometheus: GET /metrics, one thread, loopback unless told otherwise.

X: listens on a socket; only reads what it is given a function for.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from toolkit.errors import EnvironmentProblem

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PATIENCE: Final = 10.0
"""Seconds that somebody who has connected may say nothing."""


class MetricsServer:
    """Serves what `text` returns until `close`.  `address`: the host and port in use."""

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = PATIENCE

            def do_GET(self) -> None:
                found = self.path.split("?")[0] == "/metrics"
                body = (text() if found else "look at /metrics\n").encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                """Scrapes are no news."""

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
            daemon_threads = True

        try:
            self._server = Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise EnvironmentProblem(
                f"--metrics {host}:{port}: {said} (choose an address of this host and a free port)"
            ) from error
        bound = self._server.server_address
        name = f"[{bound[0]!s}]" if ":" in host else str(bound[0])
        self.address = f"{name}:{bound[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
