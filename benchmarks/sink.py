"""An HTTP server that takes Sentry envelopes and counts the events in them; GET answers the count. A program.

It answers at once and parses nothing but the item headers, so that what the SDK loses is not the sink's doing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import re
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENT_HEADER = re.compile(rb'^\{[^\n]*"type":\s*"event"[^\n]*\}$', re.MULTILINE)
OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"


@contextlib.contextmanager
def sink() -> Iterator[str]:
    """Yield the address of a running sink, `http://127.0.0.1:<port>`; ends it afterwards."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{_first_line(server)}"
        finally:
            server.terminate()


def count(address: str) -> int:
    """Return how many events arrived since the sink was started."""
    with urllib.request.urlopen(address) as answer:  # noqa: S310  a loopback address made above
        return int(json.load(answer))


class Sink:
    """Counts events over all connections."""

    def __init__(self) -> None:
        """Start at nought."""
        self.event_count = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it is closed."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                body = await reader.readexactly(_length(head))
                self.event_count += len(EVENT_HEADER.findall(_plain(head, body)))
                text = str(self.event_count)
                writer.write(OK.format(len(text), text).encode())
                await writer.drain()
        writer.close()


def _first_line(server: subprocess.Popen[str]) -> str:
    return server.stdout.readline().strip() if server.stdout else ""


def _length(head: bytes) -> int:
    found = re.search(rb"content-length: (\d+)", head)
    return int(found[1]) if found else 0


def _plain(head: bytes, body: bytes) -> bytes:
    return gzip.decompress(body) if b"content-encoding: gzip" in head else body


async def _main() -> None:
    server = await asyncio.start_server(Sink().serve, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
