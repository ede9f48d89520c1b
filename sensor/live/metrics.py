"""The running totals for Prometheus, on this machine's loopback only: text exposition format 0.0.4, standard library.

Nothing of the traffic is in it, only counts; whoever may connect to the loopback may read them.
"""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sensor.errors import UsageError

LOOPBACK = "127.0.0.1"
_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_GAUGES = ("flows_live", "flows_max", "ring_frac", "up")


def exposition(interface: str, values: Mapping[str, float]) -> str:
    """The page. values : name without prefix -> number; names of _GAUGES are gauges, all others counters"""
    label = interface.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    lines = []
    for name, value in values.items():
        is_gauge = name in _GAUGES
        full = f"kagami_{name}" if is_gauge else f"kagami_{name}_total"
        lines.append(f"# TYPE {full} {'gauge' if is_gauge else 'counter'}")
        lines.append(f'{full}{{interface="{label}"}} {value}')
    return "\n".join(lines) + "\n"


def serve(port: int, page: Callable[[], str]) -> ThreadingHTTPServer:
    """Answer GET /metrics on the loopback until `shutdown` is called.

    page : makes the text anew for each request
    Raises: UsageError when the port cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            """The metrics, whatever else is asked for is not there."""
            if self.path != "/metrics":
                self.send_error(404)
                return
            body = page().encode()
            self.send_response(200)
            self.send_header("Content-Type", _TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: requests every few seconds are no news."""

    try:
        server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    except OSError as error:
        raise UsageError(f"cannot serve metrics on {LOOPBACK}:{port}: {error.strerror}; choose another port") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
