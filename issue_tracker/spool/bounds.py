"""How large a spool may grow, and how it shrinks again, on the connection that the spool gives. Left of the seam."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

PAGE_BYTES: Final = 1024
"""Small pages: an append rewrites two or three of them. 20 µs and 5 KB of log for a record of 2.5 KB, against 47 µs and
12 KB with SQLite's usual 4,096 (measured)."""
MIN_FREE_BYTES: Final = 64 * 1024 * 1024
"""Disk that is left to the host in any case (or 5 % of the disk when that is more), as journald leaves it."""
MIN_FREE_SHARE: Final = 0.05
CHECKPOINT_BYTES: Final = 4 * 1024 * 1024
"""WAL size from which the drain writes it back into the database file."""
MAX_LOG_BYTES: Final = 64 * 1024 * 1024
"""WAL size from which an append writes it back itself, because nobody drains. Once in about 14,000 appends."""
VACUUM_BYTES: Final = 16 * 1024 * 1024
"""An emptied spool whose file is larger gives its room back."""


def reason_to_refuse(connection: sqlite3.Connection, path: Path, *, max_records: int, max_bytes: int) -> str:
    """Say why the spool may take no more records; empty while it may. Writes an overgrown log back."""
    last = connection.execute("SELECT max(id) FROM record").fetchone()[0] or 0
    first = connection.execute("SELECT min(id) FROM record").fetchone()[0] or 1
    if last - first + 1 >= max_records:
        return "spool full"
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free_pages = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if (pages - free_pages) * PAGE_BYTES >= max_bytes:
        return "spool full"
    if size_and_time(log_of(path))[0] > MAX_LOG_BYTES:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    disk = os.statvfs(path.parent)
    if disk.f_bavail * disk.f_frsize < max(MIN_FREE_BYTES, MIN_FREE_SHARE * disk.f_blocks * disk.f_frsize):
        return "disk full"
    return ""


def shrink(connection: sqlite3.Connection, path: Path) -> None:
    """Write a long log back: PASSIVE lets appends go on, one that keeps growing is cut with a short lock.

    An emptied spool gives its room back.
    """
    size = size_and_time(log_of(path))[0]
    is_empty = not connection.execute("SELECT EXISTS (SELECT 1 FROM record)").fetchone()[0]
    if is_empty and size_and_time(path)[0] > VACUUM_BYTES:
        connection.execute("VACUUM")
    elif size < CHECKPOINT_BYTES:
        return
    mode = "TRUNCATE" if is_empty or size > 8 * CHECKPOINT_BYTES else "PASSIVE"
    connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()


def may_shrink(path: Path) -> bool:
    """Tell, by two `stat` calls, whether `shrink` may have something to do."""
    return size_and_time(log_of(path))[0] >= CHECKPOINT_BYTES or size_and_time(path)[0] > VACUUM_BYTES


def log_of(path: Path) -> Path:
    """Return the path of the write-ahead log of a database file."""
    return path.with_name(path.name + "-wal")


def size_and_time(path: Path) -> tuple[int, int]:
    """Return bytes and time of change (nanoseconds) of a file; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
