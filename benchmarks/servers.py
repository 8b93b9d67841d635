"""The servers of a call: broker and PostgreSQL of the tests (own processes, loopback, free ports), and the sink.

PostgreSQL writes through to the disk here, as in production; that of the tests does not. DATABASE_URL names another,
for a role that may create databases; that one is never frozen or stopped, so what needs it is left out.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests import databases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Durable(databases.PostgreSQL):
    """PostgreSQL with its default durability."""

    def command(self, data: Path, port: int) -> list[str]:
        """Return the command; the last of two equal options wins."""
        return [*databases.PostgreSQL.command(self, data, port), "-c", "fsync=on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A PostgreSQL server."""

    address: str
    """URL of its maintenance database."""
    process: databases.Server | None
    """The server itself when it is ours."""

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all its processes for the length of the block: it accepts connections and answers nothing."""
        server = self._ours()
        server.freeze()
        try:
            yield
        finally:
            server.thaw()

    @contextlib.contextmanager
    def refused(self) -> Iterator[None]:
        """Take it away for the length of the block: connections are refused."""
        server = self._ours()
        server.crash()
        try:
            yield
        finally:
            server.start_again()

    def _ours(self) -> databases.Server:
        if self.process is None:
            raise RuntimeError("The server at DATABASE_URL is not ours to stop; unset it for this measurement.")
        return self.process


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Yield a running server; ends it afterwards when it is ours."""
    external = os.environ.get("DATABASE_URL", "")
    if external.startswith("postgres"):
        yield Postgres(address=external, process=None)
        return
    with databases.running(Durable(programs=databases.postgresql().programs)) as server:
        yield Postgres(address=server.url("postgres"), process=server)
