"""A corrupt spool: set aside by whoever meets it, its sound records brought back by whoever drains. Left of the seam.

Guarantee: what SQLite can still read of a truncated or damaged file is drained like any other record. The file itself
is kept for a look, the last one only.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from issue_tracker.complaints import complain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PREFIX: Final = "corrupt-"
KEPT_NAME: Final = "salvaged.sqlite3"
MAX_GAP: Final = 2_000
"""Ids in a row that can't be read before the rest is given up; 0.1 s. A lost inner page leads to about 500."""
BODY: Final = "coalesce(CAST(body AS BLOB), x'')"
"""How a body is read: a flipped bit can turn the blob into a text, or a NULL, that only this record may suffer from."""
SUFFIXES: Final = ("", "-wal", "-shm")
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""SQLITE_ERROR is a table or column that is missing: our statements are always the same, so the schema was damaged."""


class DisorderError(sqlite3.DatabaseError):
    """A damaged file gave ids out of order; SQLite doesn't notice."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def in_order(rows: Iterable[tuple[int, bytes]], *, after: int) -> Iterator[tuple[int, bytes]]:
    """Yield rows of id and body as long as the ids grow; raise DisorderError where they don't.

    A drain that trusted such ids would acknowledge what it has not seen, or the same batch for ever.
    """
    for record_id, body in rows:
        if record_id <= after:
            raise DisorderError("database disk image is malformed: ids out of order")
        yield record_id, body
        after = record_id


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says that the file itself is damaged."""
    return isinstance(error, sqlite3.DatabaseError) and _code_of(error) in _DAMAGE


def _code_of(error: sqlite3.DatabaseError) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def set_aside(path: Path) -> None:
    """Move a corrupt spool aside, so that the next record finds a sound one. The caller holds the directory's lock."""
    target = path.with_name(f"{PREFIX}{time.time_ns()}.sqlite3")
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{target}{suffix}")
    complain(f"the spool {path} was corrupt and was set aside; what can be read of it is drained")


def corrupt_files(directory: Path) -> list[Path]:
    """Return the corrupt spools that nobody has salvaged yet, oldest first."""
    return sorted(directory.glob(f"{PREFIX}*.sqlite3"))


def readable_bodies(path: Path, *, timeout_seconds: float = 1.0) -> Iterator[bytes]:
    """Yield the bodies of the records that can still be read, oldest first.

    Raises sqlite3.Error where the file can't be read now (somebody holds it), never for what is damaged.
    """
    with closing(sqlite3.connect(path, timeout=timeout_seconds, isolation_level=None)) as connection:
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
            query = f"SELECT id, {BODY} FROM record WHERE id > ? ORDER BY id"  # noqa: S608  constants only
            rows = connection.execute(query, (last,))
            for record_id, body in in_order(rows, after=last):
                last, gap = record_id, 0
                yield body
            return
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            if _code_of(error) == sqlite3.SQLITE_ERROR:
                return
            last, gap = last + 1, gap + 1
            yield from _body(connection, last)


def _body(connection: sqlite3.Connection, record_id: int) -> Iterator[bytes]:
    with suppress(sqlite3.DatabaseError):
        query = f"SELECT {BODY} FROM record WHERE id = ?"  # noqa: S608  constants only
        for (body,) in connection.execute(query, (record_id,)):
            yield body
