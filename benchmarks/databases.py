"""A fresh, migrated database for every run: copied from a template that is migrated once a contender."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from .addresses import SQLITE, connect, with_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .contenders import Contender
    from .servers import Postgres


class Databases:
    """Makes the databases of one kind: SQLite files in a directory, or databases of a PostgreSQL server."""

    def __init__(self, directory: Path, server: Postgres | None) -> None:
        """Keep everything below `directory`; without a server the databases are SQLite files."""
        self._directory = directory
        self._server = server
        self._prepared: set[str] = set()

    @contextlib.contextmanager
    def fresh(self, contender: Contender) -> Iterator[str]:
        """Yield the address of an empty database with the contender's tables; it is gone afterwards."""
        if contender.name not in self._prepared:
            self._prepare(contender)
            self._prepared.add(contender.name)
        address = self._copy(contender)
        try:
            yield address
        finally:
            self._drop(address)

    def _prepare(self, contender: Contender) -> None:
        address = self._create(f"template_{contender.name}")
        environment = {"DJANGO_SETTINGS_MODULE": contender.settings_module, "BENCHMARK_DATABASE": address}
        command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
        quiet = {"BENCHMARK_SPOOL": str(self._directory / "template_spool"), "PYTHONWARNINGS": "ignore"}
        subprocess.run(command, check=True, env=os.environ | environment | quiet)
        if address.startswith(SQLITE):
            with contextlib.closing(connect(address)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")  # kept in the file, so the copies have it too

    def _create(self, name: str) -> str:
        if self._server is None:
            return f"{SQLITE}{self._directory / name}.sqlite3"
        _administer(self._server, f"CREATE DATABASE {name}")
        return with_name(self._server.address, name)

    def _copy(self, contender: Contender) -> str:
        template = f"template_{contender.name}"
        if self._server is None:
            target = self._directory / "run.sqlite3"
            shutil.copyfile(self._directory / f"{template}.sqlite3", target)
            return f"{SQLITE}{target}"
        _administer(self._server, "DROP DATABASE IF EXISTS benchmark_run WITH (FORCE)")
        _administer(self._server, f"CREATE DATABASE benchmark_run TEMPLATE {template}")
        return with_name(self._server.address, "benchmark_run")

    def _drop(self, address: str) -> None:
        if self._server is not None:
            _administer(self._server, "DROP DATABASE benchmark_run WITH (FORCE)")
            return
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address.removeprefix(SQLITE) + suffix)


def _administer(server: Postgres, statement: str) -> None:
    with contextlib.closing(connect(server.address)) as connection:
        connection.execute(statement)
