"""Stands in for colombia.com (/cine/…) and TMDB (/3/…) on this machine, and misbehaves as `misbehaviour` tells it.

`python -m demo.upstream [--host 127.0.0.1] [--port 0]` serves until it is interrupted; `running()` serves in a thread.
Standard library only. Each request has its own thread: a hanging page holds up nobody but who asked for it.
"""

from __future__ import annotations

import argparse
import html
import json
import signal
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from demo.misbehaviour import THEATERS, TITLES, TheaterPage, Title

if TYPE_CHECKING:
    from collections.abc import Iterator

BOGOTA: Final = ZoneInfo("America/Bogota")
HANG_SECONDS: Final = 120.0
"""How long a hanging page keeps the connection; ours: longer than any client's patience."""
PROJECTIONS: Final = (("2D - Doblado", ("1:10 pm", "4:20 pm")), ("3D - Subtitulado", ("7:30 pm", "10:05 pm")))
TMDB_STATUS: Final = {
    401: (7, "Invalid API key: You must be granted a valid key."),
    404: (34, "The resource you requested could not be found."),
    429: (25, "Your request count (#) is over the allowed limit of (40)."),
    500: (11, "Internal error: Something went wrong, contact TMDb."),
}
"""TMDB's own status codes and words, by HTTP status."""


class Upstream(ThreadingHTTPServer):
    """The server. `visits` counts the pages asked for, by address."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        """Listen on an address; port 0 takes a free one."""
        super().__init__(address, _Answer)
        self.visits: Counter[str] = Counter()
        self.is_closing = threading.Event()

    @property
    def url(self) -> str:
        """Address to reach it by, without a slash at the end."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone, as one does whose patience is over."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        """Stop listening, and let go of those who hang."""
        self.is_closing.set()
        super().server_close()


@contextmanager
def running(*, host: str = "127.0.0.1", port: int = 0) -> Iterator[Upstream]:
    """Serve from a thread of this process while the block runs."""
    with Upstream((host, port)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Answer(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer what is asked for by address alone."""
        address = urlsplit(self.path)
        self._route(address.path, {key: values[0] for key, values in parse_qs(address.query).items()})

    def do_POST(self) -> None:
        """Answer a form, as colombia.com's choice of a day."""
        length = int(self.headers.get("Content-Length") or 0)
        form = parse_qs(self.rfile.read(length).decode("utf-8", "replace"))
        self._route(urlsplit(self.path).path, {key: values[0] for key, values in form.items()})

    def _route(self, path: str, values: dict[str, str]) -> None:
        self.server.visits[path] += 1
        match path.strip("/").split("/"):
            case ["cine", name] if name in THEATERS:
                self._theater(THEATERS[name], path=path, day=values.get("fecha"))
            case ["3", "search", "movie"]:
                self._tmdb(TITLES.get(values.get("query", ""), Title()), is_search=True)
            case ["3", "movie", number]:
                known = (title for title in TITLES.values() if str(title.tmdb_id) == number != "0")
                self._tmdb(next(known, Title(status=404)), is_search=False)
            case _:
                self._send(HTTPStatus.NOT_FOUND, "text/html", "<h1>404</h1>")

    def _theater(self, page: TheaterPage, *, path: str, day: str | None) -> None:
        if page.is_hanging:
            return self._hang()
        if page.status != HTTPStatus.OK:
            return self._send(page.status, "text/html", f"<h1>{page.status}</h1>")
        count = self.server.visits[path]
        if count <= page.broken_pages:
            return self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/html", "<h1>503</h1>")
        return self._send(HTTPStatus.OK, "text/html", theater_page(page, day=day, is_quiet=count <= page.quiet_pages))

    def _tmdb(self, title: Title, *, is_search: bool) -> None:
        if title.is_hanging:
            return self._hang()
        status = title.status if self.headers.get("Authorization", "").startswith("Bearer ") else 401
        if status != HTTPStatus.OK:
            code, message = TMDB_STATUS[status]
            return self._json(status, {"success": False, "status_code": code, "status_message": message})
        found = _description(title)
        body = {"page": 1, "results": [found] if title.tmdb_id or title.is_malformed else []} if is_search else found
        return self._json(HTTPStatus.OK, body, is_malformed=title.is_malformed)

    def _hang(self) -> None:
        self.server.is_closing.wait(HANG_SECONDS)
        self.close_connection = True

    def _json(self, status: int, body: dict[str, Any], *, is_malformed: bool = False) -> None:
        text = json.dumps(body)
        self._send(status, "application/json", text[: len(text) // 2] if is_malformed else text)

    def _send(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "60")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing: the terminal belongs to whoever runs this."""


def theater_page(page: TheaterPage, *, day: str | None, is_quiet: bool = False) -> str:
    """Write a theater's page, with the classes of colombia.com's own, for today and tomorrow."""
    today = datetime.now(BOGOTA).date()
    values = [f"{d.month}/{d.day}/{d.year}" for d in (today, today + timedelta(days=1))]
    options = "".join(f'<option value="{v}"{" selected" * (v == day)}>{v}</option>' for v in values)
    select = f'<form method="post"><select name="fecha">{options}</select></form>' if page.has_dates else ""
    boxes = "".join(_movie_box(name) for name in page.movies if not is_quiet)
    return f'<!doctype html><html lang="es"><body>{select}<div class="caja-programacion">{boxes}</div></body></html>'


def _movie_box(name: str) -> str:
    shown = "".join(
        f'<div class="info-pelicula"><div class="formato-pelicula">{projection}</div>'
        f'<div class="horarios-funcion"><ul>{"".join(f"<li>{clock}</li>" for clock in clocks)}</ul></div></div>'
        for projection, clocks in PROJECTIONS
    )
    link = f'<div class="nombre-pelicula"><a href="#">{html.escape(name)}</a></div>'
    return f'<div class="caja-cinema">{link}{shown}</div>'


def _description(title: Title) -> dict[str, Any]:
    name = next((name for name, known in TITLES.items() if known is title), "")
    return {
        "id": title.tmdb_id,
        "title": name,
        "original_title": title.original_title,
        "release_date": title.release_date,
        "runtime": title.runtime_minutes,
    }


def main() -> None:
    """Serve until SIGINT or SIGTERM; the first line on stdout is the address."""
    parser = argparse.ArgumentParser(prog="python -m demo.upstream", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    chosen = parser.parse_args()
    is_ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_ended.set())
    with running(host=chosen.host, port=chosen.port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        is_ended.wait()


if __name__ == "__main__":
    main()
