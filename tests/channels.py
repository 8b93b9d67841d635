"""A server that stands for a chat service, well or ill, in a process of its own: a request's path says how it behaves.

`python -m tests.channels PORT LOG` serves; each request is a JSON line of the log: {"path", "title", "message"}.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.processes import ROOT, end, free_port, until

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 1024 * 1024
FOR_EVER_SECONDS = 60
"""Longer than anything that a test waits for."""


class Service(BaseHTTPRequestHandler):
    """Answers POST as its path says: ok, hang, drip, huge, away (to loopback), or the number of a status."""

    log: Path

    def do_POST(self) -> None:
        """Note the request and behave."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = json.loads(body)
        with self.log.open("a") as log:
            log.write(json.dumps({"path": self.path, "title": told["title"], "message": told["message"]}) + "\n")
        way = self.path.split("?")[0].strip("/").split("/")[0]
        getattr(self, f"_{way}", lambda: self._status(int(way)))()

    def log_message(self, *_args: Any) -> None:
        """Say nothing on stderr."""

    def _ok(self) -> None:
        self._status(200)

    def _hang(self) -> None:
        time.sleep(FOR_EVER_SECONDS)

    def _drip(self) -> None:
        self._head(200, {"Content-Length": "100000"})
        for _byte in range(FOR_EVER_SECONDS * 10):
            self.wfile.write(b".")
            time.sleep(0.1)

    def _huge(self) -> None:
        self._head(200, {"Content-Length": str(100 * MEBIBYTE)})
        for _part in range(100):
            self.wfile.write(b"x" * MEBIBYTE)

    def _away(self) -> None:
        host, port = self.server.server_address[:2]
        self._head(307, {"Location": f"http://{host}:{port}/ok/inside", "Content-Length": "0"})

    def _status(self, status: int) -> None:
        extra = {"Retry-After": "7"} if status == 429 else {}
        self._head(status, {"Content-Length": "2", **extra})
        self.wfile.write(b"ok")

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class Channels:
    """The server, or the place where it will be."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._log = directory / "requests.jsonl"

    def url(self, way: str) -> str:
        """Return the address of a channel that behaves in this way, with a password and a token that nobody may see."""
        return f"json://user:s3cretpassword@127.0.0.1:{self.port}/{way}/T0KENT0KEN"

    def told(self) -> list[dict[str, str]]:
        """Return the requests so far, oldest first."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    @contextlib.contextmanager
    def served(self) -> Iterator[None]:
        """Serve while the block runs."""
        process = subprocess.Popen([sys.executable, "-m", "tests.channels", str(self.port), str(self._log)], cwd=ROOT)
        try:
            until(self._is_open, why="the service listens")
            yield
        finally:
            end(process)

    def _is_open(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


if __name__ == "__main__":
    Service.log = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
