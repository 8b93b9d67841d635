"""An HTTP server that keeps the events of Sentry envelopes, by the project they were sent to. Runs in a thread."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import zlib
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink:
    """The events that arrived."""

    def __init__(self) -> None:
        """Start empty."""
        self._events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()
        self._projects = 0
        self.port = 0

    def project(self) -> str:
        """Return a DSN that nobody else has; its last part is the key of `events`."""
        with self._lock:
            self._projects += 1
            return f"http://key@127.0.0.1:{self.port}/{self._projects}"

    def events(self, dsn: str) -> list[dict[str, Any]]:
        """Return what arrived for a DSN, oldest first."""
        with self._lock:
            return list(self._events[dsn.rpartition("/")[2]])

    def take(self, project: str, envelope: bytes) -> None:
        """Keep the events of an envelope."""
        found = list(_events(envelope))
        with self._lock:
            self._events[project].extend(found)


@contextlib.contextmanager
def running() -> Iterator[Sink]:
    """Run a sink for the length of a block."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sink.take(self.path.split("/")[2], _plain(body, self.headers.get("Content-Encoding", "")))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sink.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


def _events(envelope: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of an envelope: a header line, then items, each a header line and its payload."""
    rest = envelope.partition(b"\n")[2]
    while rest.strip():
        head, _, rest = rest.partition(b"\n")
        header = json.loads(head)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        payload, rest = rest[:length], rest[length:].lstrip(b"\n")
        if header.get("type") == "event":
            yield json.loads(payload)
