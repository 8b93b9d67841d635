"""A corrupt spool: set aside by whoever meets it, and its sound records brought back by whoever drains. Left of the seam.

Guarantee: what SQLite can still read of a truncated or damaged file is drained like any other record. The file itself is
kept for a look, the last one only.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from .complaints import complain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX: Final = "corrupt-"
KEPT_NAME: Final = "salvaged.sqlite3"
MAX_GAP: Final = 20_000
"""Ids in a row that can't be read before the rest is given up; under a second. A lost page holds a few."""
SUFFIXES: Final = ("", "-wal", "-shm")
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says that the file itself is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def set_aside(path: Path) -> None:
    """Move a corrupt spool out of the way, so that the next record finds a sound one. The caller holds the directory's lock."""
    target = path.with_name(f"{PREFIX}{time.time_ns()}.sqlite3")
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{target}{suffix}")
    complain(f"the spool {path} was corrupt and was set aside; what can be read of it is drained")


def corrupt_files(directory: Path) -> list[Path]:
    """Return the corrupt spools that nobody has salvaged yet, oldest first."""
    return sorted(directory.glob(f"{PREFIX}*.sqlite3"))


def readable_bodies(path: Path) -> Iterator[bytes]:
    """Yield the bodies of the records that can still be read, oldest first.

    Raises sqlite3.Error where the file can't be read now (somebody holds it), never for what is damaged.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Without this SQLite reads nothing of a file that is shorter than its header says.
        connection.execute("PRAGMA writable_schema = ON")
        yield from _bodies(connection)


def put_away(path: Path) -> None:
    """Keep a salvaged file for a look, in the place of the one before."""
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", path.with_name(KEPT_NAME + suffix))


def _bodies(connection: sqlite3.Connection) -> Iterator[bytes]:
    """Read on from the last id as long as that works, then id by id over the gap."""
    last, gap = 0, 0
    while gap < MAX_GAP:
        try:
            for record_id, body in connection.execute(
                "SELECT id, CAST(body AS BLOB) FROM record WHERE id > ? ORDER BY id", (last,)
            ):
                last, gap = record_id, 0
                yield body
            return
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            last, gap = last + 1, gap + 1
            yield from _body(connection, last)


def _body(connection: sqlite3.Connection, record_id: int) -> Iterator[bytes]:
    with suppress(sqlite3.DatabaseError):
        for (body,) in connection.execute("SELECT CAST(body AS BLOB) FROM record WHERE id = ?", (record_id,)):
            yield body
