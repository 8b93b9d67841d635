"""Where the experiments play: one random source, one directory, servers that are started when first asked for."""

from __future__ import annotations

import contextlib
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import connections

from issue_tracker.models import Occurrence, OperationalIssue
from tests import brokers, databases, workers

from .finding import NotHereError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything."""

    kills: int
    """Of processes of a worker, at random."""
    calls: int
    """At most so many of the system calls of one piece of work; 0: every one."""
    hold_seconds: float
    """How long a database or broker stays as it was made."""
    rounds: int
    """Of what is drawn by lot: damage, clocks."""
    soak_seconds: float
    failures: int
    """Of one measurement."""


SHORT = Scale(kills=15, calls=40, hold_seconds=4, rounds=60, soak_seconds=120, failures=1_000)
"""A few minutes, as CI runs it."""
LONG = Scale(kills=300, calls=0, hold_seconds=30, rounds=1_000, soak_seconds=3_600, failures=5_000)
"""As the promises state it: by hand."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What all experiments share. Closing its stack ends every server."""

    directory: Path
    seed: int
    scale: Scale
    stack: contextlib.ExitStack
    broker: brokers.Broker = field(init=False)
    _postgresql: databases.Server | None = field(default=None, init=False)
    _sqlite: Path | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Start the broker, which every worker needs."""
        self.broker = self.stack.enter_context(brokers.running())

    def chance(self, name: str) -> random.Random:
        """Return a random source of an experiment's own, so that one may be repeated without the others."""
        return random.Random(f"{self.seed} {name}")

    def place(self, name: str) -> Path:
        """Make a directory."""
        found = self.directory / f"{name}-{uuid.uuid4().hex[:6]}"
        found.mkdir(mode=0o700)
        return found

    def sqlite(self) -> str:
        """Return the address of a migrated SQLite database of its own."""
        if self._sqlite is None:
            self._sqlite = self.place("migrated") / "db.sqlite3"
            databases.migrate(f"sqlite:///{self._sqlite}")
        copy = self.place("database") / "db.sqlite3"
        copy.write_bytes(self._sqlite.read_bytes())
        return f"sqlite:///{copy}"

    def server(self) -> databases.Server:
        """Return PostgreSQL, started when first asked for; raises NotHereError where there is none."""
        if self._postgresql is None:
            try:
                flavour = databases.postgresql()
            except LookupError as error:
                raise NotHereError(str(error)) from error
            self._postgresql = databases.start(flavour)
            self.stack.callback(lambda: self._postgresql and self._postgresql.stop())
            databases.migrate(self._postgresql.create("migrated"))
        return self._postgresql

    def postgresql(self) -> str:
        """Return the address of a migrated PostgreSQL database of its own."""
        return self.server().create(f"live_{uuid.uuid4().hex[:8]}", like="migrated")

    def host(self, name: str, database_url: str, **more: object) -> workers.Host:
        """Return a host with an empty queue and a spool of its own."""
        self.broker.flush()
        return workers.Host(directory=self.place(name), broker_url=self.broker.url, database_url=database_url, **more)


@contextlib.contextmanager
def attached(url: str) -> Iterator[str]:
    """Make a database readable for the length of a block, whoever stops and starts its server meanwhile."""
    with databases.attached(url, alias=f"attached-{uuid.uuid4().hex[:6]}") as alias:
        yield alias


@contextlib.contextmanager
def emptied() -> Iterator[None]:
    """Begin with no issue in this process's own database, and leave no connection behind."""
    OperationalIssue._base_manager.all().delete()
    yield
    connections.close_all()


def miscounted(alias: str = "default") -> int:
    """Return how many issues count other rows than they have."""
    rows = Occurrence._base_manager.using(alias).values_list("issue_id", flat=True)
    owned: dict[int, int] = {}
    for issue_id in rows:
        owned[issue_id] = owned.get(issue_id, 0) + 1
    issues = OperationalIssue._base_manager.using(alias).values_list("pk", "occurrence_count")
    return sum(count != owned.get(pk, 0) for pk, count in issues)
