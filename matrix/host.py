"""Where modes play: a directory with a database and a spool, a broker's database, a collector; and processes of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import redis

from tests.processes import ROOT, children_of, end, processes_with, send, until

from . import records, witness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .collectors import Collector
    from .mode import Mode
    from .sink import Sink

READY_SECONDS: Final = 60.0
"""How long a worker may take to get ready, on a loaded machine."""
STOP_SECONDS: Final = 20.0
CONCURRENCY: Final = {"prefork": 2, "threads": 4, "solo": 1, "gevent": 10, "eventlet": 10}


@dataclass(slots=True, kw_only=True)
class Host:
    """A machine, as far as a worker and its collector can tell."""

    directory: Path
    collector: Collector
    broker_url: str
    sink: Sink
    dsn: str = ""
    redis: redis.Redis = field(init=False)

    def __post_init__(self) -> None:
        """Connect to the broker, for looking into it."""
        self.redis = redis.Redis.from_url(self.broker_url)
        self.dsn = self.dsn or self.sink.project()

    @property
    def witness(self) -> Path:
        """The file of the witness."""
        return self.directory / "witness.jsonl"

    @property
    def log(self) -> Path:
        """All that its processes wrote to stdout and stderr."""
        return self.directory / "log.txt"

    @property
    def store(self) -> records.Store:
        """Where its collector keeps what it has."""
        return records.Store(database=self.directory / "db.sqlite3", sink=self.sink, dsn=self.dsn)

    def prepare(self, template: Path) -> None:
        """Make the directory, with a migrated database."""
        self.directory.mkdir(parents=True)
        shutil.copy(template, self.store.database)

    def environment(self, mode: Mode) -> dict[str, str]:
        """Return the environment of its processes."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "matrix.settings",
            "MATRIX_COLLECTOR": self.collector.name,
            "MATRIX_CONF": json.dumps(dict(mode.config), default=lambda _: {"is_object": True}),
            "MATRIX_SINK": self.dsn,
            "MATRIX_WITNESS": str(self.witness),
            "MATRIX_BROKER_URL": self.broker_url,
            "DATABASE_URL": f"sqlite:///{self.store.database}",
            "SPOOL_DIR": str(self.directory / "spool"),
            "PYTHONUNBUFFERED": "1",
            "C_FORCE_ROOT": "1",  # some modes accept pickle, which Celery refuses to root otherwise
            **mode.environment,
        }

    def launch(self, mode: Mode, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `python -m <arguments>` here."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=self.environment(mode),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def notes(self, offset: int = 0) -> list[witness.Note]:
        """Return what the witness noted from an offset of its file on."""
        return witness.read(self.witness, offset)

    def log_text(self, offset: int = 0) -> str:
        """Return what its processes wrote from an offset on."""
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as stream:
            stream.seek(offset)
            return stream.read().decode(errors="replace")
        return ""

    def queued(self) -> int:
        """Return how many messages wait, or were handed out and not acknowledged."""
        found: Any = self.redis.llen("celery")
        return int(found) + int(self.redis.hlen("unacked"))  # type: ignore[arg-type]

    def clean(self) -> None:
        """Kill whatever is left of it, and empty its part of the broker."""
        for pid in processes_with(f"MATRIX_WITNESS={self.witness}"):
            send(pid, signal.SIGKILL)
        self.redis.flushdb()
        self.redis.close()


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 when there is none."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


@dataclass(slots=True, kw_only=True)
class Worker:
    """A `celery worker` of a host, which may be started again."""

    host: Host
    mode: Mode
    """Whose settings it has."""
    pool: str
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def pid(self) -> int:
        """Its main process."""
        return self.process.pid

    def start(self, *, is_awaited: bool = True) -> None:
        """Start it; returns once it takes tasks, or has ended."""
        offset = size_of(self.host.log)
        name = f"matrix{self.host.redis.connection_pool.connection_kwargs['db']}@test"
        command = ["celery", "-A", "matrix.celery_app", "worker", "--hostname", name, "--loglevel", "INFO"]
        command += [
            "--without-mingle",
            "--without-gossip",
            "--pool",
            self.pool,
            "--concurrency",
            str(CONCURRENCY[self.pool]),
            *self.mode.options,
        ]
        self.process = self.host.launch(self.mode, *command)
        if is_awaited:
            until(
                lambda: self.exit_code() is not None or " ready.\n" in self.host.log_text(offset),
                why=f"a worker is ready ({self.host.collector.name}, {self.pool}):\n{self.host.log_text(offset)}",
                timeout_seconds=READY_SECONDS,
            )

    def exit_code(self) -> int | None:
        """Return how it ended; None while it runs."""
        return self.process.poll()

    def children(self) -> list[int]:
        """Return the processes of its pool: those that the witness has seen, or may see yet."""
        return children_of(self.pid)

    def stop(self) -> int | None:
        """Warm shutdown; returns the exit code, or None when it had to be killed."""
        if self.exit_code() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                end(self.process, timeout_seconds=1)
                return None
        return self.exit_code()


def template_database(directory: Path) -> Path:
    """Make a database that fits every collector, to be copied."""
    path = directory / "template.sqlite3"
    environment: Mapping[str, str] = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "matrix.settings",
        "MATRIX_COLLECTOR": "all",
        "DATABASE_URL": f"sqlite:///{path}",
        "SPOOL_DIR": str(directory / "spool"),
    }
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path
