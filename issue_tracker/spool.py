"""The spool: a durable local store of records between capture and drain. Bytes only; left of the seam.

Guarantees: an append that returned is on disk for every kill of a process (a power cut needs `SPOOL_SYNC = "full"`). The
order is the order of the appends. Appends never raise: what the spool can't take goes to the reserve, which counts it.
SQLite in WAL mode: an append is one write to a log, without fsync; whoever drains pays for the checkpoints.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from . import conf
from .private_files import PrivateDirectoryError, create_private_file, prepare_directory
from .reserve import Reserve

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME: Final = "records.sqlite3"
BUSY_SECONDS: Final = 5.0
"""How long an append waits for another process's write. The drain holds the lock for a few milliseconds a batch."""
CHECK_EVERY_APPENDS: Final = 64
"""The bounds on size and free disk are looked at once in so many appends of a process."""
MIN_FREE_BYTES: Final = 64 * 1024 * 1024
"""Disk that is left to the host in any case (or 5 % of the disk when that is more), as journald leaves it."""
MIN_FREE_SHARE: Final = 0.05
CHECKPOINT_BYTES: Final = 4 * 1024 * 1024
"""WAL size from which the drain writes it back into the database file."""
MAX_LOG_BYTES: Final = 64 * 1024 * 1024
"""WAL size from which an append writes it back itself, because nobody drains. Once in about 14,000 appends."""
MAX_QUARANTINED: Final = 1_000
"""Refused records kept for a look, newest; older ones are counted as discards."""

PAGE_BYTES: Final = 1024
"""Small pages: an append rewrites two or three of them. 20 µs and 5 KB of log for a record of 2.5 KB, against 47 µs and 12 KB
with SQLite's usual 4,096 (measured)."""
VACUUM_BYTES: Final = 16 * 1024 * 1024
"""An emptied spool whose file is larger gives its room back."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, reason TEXT NOT NULL, quarantined_at REAL NOT NULL
);
"""


class SpoolError(OSError):
    """The spool can't be used; the text says why and what to do. Raised to the drain, never to a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as claimed."""

    id: int
    body: bytes


class Spool:
    """One spool in a directory of its own. Threads and forks may share the object: each process opens its own connection."""

    def __init__(self, directory: Path, *, sync: str = "normal", max_bytes: int = 2**28, max_records: int = 100_000) -> None:
        """Name the spool; nothing is touched before the first append or claim."""
        self.directory = directory
        self.path = directory / FILE_NAME
        self.reserve = Reserve(directory)
        self._sync = sync
        self._max_bytes = max_bytes
        self._max_records = max_records
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = (0, 0, 0)
        self._abandoned: list[sqlite3.Connection] = []
        self._appends = 0
        self._is_full = ""

    # ---- capture's side

    def append(self, body: bytes, *, key: str, stub: Callable[[], bytes]) -> bool:
        """Store one record; returns False when only the reserve could take it, as `stub()` or as a count under `key`.

        Never raises. About 20 µs; at most BUSY_SECONDS when another process holds the lock.
        """
        try:
            with self._lock:
                connection = self._open()
                if reason := self._refusal(connection):
                    self.reserve.take_in(key=key, stub=stub(), reason=reason)
                    return False
                connection.execute("INSERT INTO record(body) VALUES (?)", (body,))
            return True
        except Exception as error:  # noqa: BLE001  the capture path must not raise whatever the disk does
            self._give_up(error, key=key, stub=stub)
            return False

    # ---- drain's side

    def claim(self, *, max_records: int, max_bytes: int, after: int = 0) -> list[Record]:
        """Return the oldest records behind id `after`, at least one, within both limits; they stay stored until `ack`."""
        found: list[Record] = []
        size = 0
        with self._reading() as connection:
            rows = connection.execute("SELECT id, body FROM record WHERE id > ? ORDER BY id LIMIT ?", (after, max_records))
            with closing(rows):
                for record_id, body in rows:
                    size += len(body)
                    if found and size > max_bytes:
                        break
                    found.append(Record(id=record_id, body=bytes(body)))
        return found

    def ack(self, *, through: int) -> None:
        """Forget all records up to the id `through`, the last of a claimed batch.

        Ids are given in order of commit, and start again when the spool is empty: so only one process may drain at a time.
        """
        with self._reading() as connection:
            connection.execute("DELETE FROM record WHERE id <= ?", (through,))
        self._checkpoint()

    def quarantine(self, record: Record, *, reason: str) -> None:
        """Copy a record aside that can't be stored, with the reason; the next `ack` removes it from those that wait.

        The oldest quarantined record makes room when there are many.
        """
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO quarantine(body, reason, quarantined_at) VALUES (?, ?, ?)", (record.body, reason, time.time())
            )
            dropped = connection.execute(
                "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (MAX_QUARANTINED,)
            ).rowcount
            connection.execute("COMMIT")
        if dropped:
            self.reserve.count("quarantine full", dropped)

    def is_empty(self) -> bool:
        """Tell whether nothing waits, without opening a database that isn't there."""
        if not self.path.exists():
            return not self.reserve.has_entries()
        with self._reading() as connection:
            waiting: bool = connection.execute("SELECT EXISTS (SELECT 1 FROM record)").fetchone()[0]
        return not waiting and not self.reserve.has_entries()

    def depth(self) -> int:
        """Count the records that wait."""
        return self._number("SELECT count(*) FROM record")

    def quarantined(self, *, limit: int = 100) -> list[tuple[bytes, str, float]]:
        """Return refused records, newest first: body, reason, seconds since the epoch."""
        if not self.path.exists():
            return []
        with self._reading() as connection:
            rows = connection.execute("SELECT body, reason, quarantined_at FROM quarantine ORDER BY id DESC LIMIT ?", (limit,))
            return [(bytes(body), reason, at) for body, reason, at in rows]

    def quarantine_count(self) -> int:
        """Count the refused records."""
        return self._number("SELECT count(*) FROM quarantine")

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes whenever something was written; two `stat` calls, no lock."""
        return tuple(part for path in (self._wal, self.reserve.path) for part in _size_and_time(path))

    # ---- one connection a process

    @property
    def _wal(self) -> Path:
        return self.path.with_name(FILE_NAME + "-wal")

    def _open(self) -> sqlite3.Connection:
        pid = os.getpid()
        if self._connection is not None and self._owner[0] == pid and self._is_same_file():
            return self._connection
        if self._connection is not None:
            self._abandon(pid)
        prepare_directory(self.directory)
        create_private_file(self.path)
        self._connection = self._connect()
        status = os.stat(self.path)
        self._owner = (pid, status.st_dev, status.st_ino)
        self._is_full, self._appends = "", 0
        return self._connection

    def _is_same_file(self) -> bool:
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._owner[1:]

    def _abandon(self, pid: int) -> None:
        """Let go of the connection. One inherited over a fork is kept unclosed: closing it would drop the parent's locks."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._owner[0] != pid:
            self._abandoned.append(connection)
        else:
            with suppress(sqlite3.Error):
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._configure(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False))
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            self._set_aside()
            create_private_file(self.path)
            return self._configure(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False))

    def _configure(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = -256")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        connection.executescript(_SCHEMA)
        return connection

    def _set_aside(self) -> None:
        """Move a corrupt spool out of the way, so that the next record finds a sound one."""
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", self.directory / f"corrupt-{FILE_NAME}{suffix}")
        self.reserve.count("spool corrupt", 1)
        complain(f"the spool {self.path} was corrupt and was set aside as corrupt-{FILE_NAME}; look at it with sqlite3 .recover")

    def _reading(self) -> _Locked:
        return _Locked(self)

    def _number(self, query: str) -> int:
        if not self.path.exists():
            return 0
        with self._reading() as connection:
            number: int = connection.execute(query).fetchone()[0]
        return number

    # ---- bounds

    def _refusal(self, connection: sqlite3.Connection) -> str:
        if self._appends % CHECK_EVERY_APPENDS == 0 or self._is_full:
            self._is_full = self._look_at_bounds(connection)
        self._appends += 1
        return self._is_full

    def _look_at_bounds(self, connection: sqlite3.Connection) -> str:
        last = connection.execute("SELECT max(id) FROM record").fetchone()[0] or 0
        first = connection.execute("SELECT min(id) FROM record").fetchone()[0] or 1
        if last - first + 1 >= self._max_records:
            return "spool full"
        used = connection.execute("PRAGMA page_count").fetchone()[0] - connection.execute("PRAGMA freelist_count").fetchone()[0]
        if used * PAGE_BYTES >= self._max_bytes:
            return "spool full"
        if _size_and_time(self._wal)[0] > MAX_LOG_BYTES:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        disk = os.statvfs(self.directory)
        if disk.f_bavail * disk.f_frsize < max(MIN_FREE_BYTES, MIN_FREE_SHARE * disk.f_blocks * disk.f_frsize):
            return "disk full"
        return ""

    def _checkpoint(self) -> None:
        """Write the log back. PASSIVE lets appends go on; a log that keeps growing is cut with a short lock."""
        size = _size_and_time(self._wal)[0]
        if size < CHECKPOINT_BYTES:
            return
        with self._reading() as connection:
            is_empty = not connection.execute("SELECT EXISTS (SELECT 1 FROM record)").fetchone()[0]
            if is_empty and _size_and_time(self.path)[0] > VACUUM_BYTES:
                connection.execute("VACUUM")
            mode = "TRUNCATE" if is_empty or size > 8 * CHECKPOINT_BYTES else "PASSIVE"
            connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()

    def _give_up(self, error: Exception, *, key: str, stub: Callable[[], bytes]) -> None:
        if isinstance(error, sqlite3.DatabaseError) and _is_corrupt(error):
            with self._lock:
                self._abandon(os.getpid())
        reason = "directory unusable" if isinstance(error, PrivateDirectoryError) else f"spool: {type(error).__name__}"
        kept = self.reserve.take_in(key=key, stub=stub(), reason=reason)
        complain(f"{error} ({self.directory}); {'kept in the reserve' if kept else 'only counted'}")


class _Locked:
    """The spool's connection for the drain's side: errors become SpoolError, a corrupt file is set aside."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __enter__(self) -> sqlite3.Connection:
        self._spool._lock.acquire()
        try:
            return self._spool._open()
        except (OSError, sqlite3.Error) as error:
            self._spool._lock.release()
            raise SpoolError(f"The spool {self._spool.directory} can't be opened: {error}.") from error

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        try:
            if isinstance(error, sqlite3.Error):
                if _is_corrupt(error):
                    self._spool._abandon(os.getpid())
                    self._spool._set_aside()
                raise SpoolError(f"The spool {self._spool.path} failed: {error}.") from error
        finally:
            self._spool._lock.release()


_spools: dict[tuple[Any, ...], Spool] = {}


def current() -> Spool:
    """Return the spool of this project's database, as `ISSUE_TRACKER["DATABASE"]` names it. Touches no disk.

    Its directory is derived from the project and the database's own name, which Django's test runner changes: so a test run
    can't feed a production table. A database in memory belongs to one process, and so does its spool.
    """
    chosen = conf.current()
    database = settings.DATABASES.get(chosen.database, {})
    name, host, port = (str(database.get(part) or "") for part in ("NAME", "HOST", "PORT"))
    key = (chosen.spool_dir, name, host, port, os.getpid() if "memory" in name else 0)
    found = _spools.get(key)
    if found is None:
        found = _spools[key] = Spool(
            conf.spool_root() / _directory_name(key, database),
            sync=chosen.spool_sync,
            max_bytes=chosen.spool_max_bytes,
            max_records=chosen.spool_max_records,
        )
    return found


def _directory_name(key: tuple[Any, ...], database: dict[str, Any]) -> str:
    engine = str(database.get("ENGINE", ""))
    name = os.path.abspath(key[1]) if "sqlite" in engine and "memory" not in key[1] else key[1]
    project = str(getattr(settings, "ROOT_URLCONF", ""))
    digest = hashlib.sha256("\x1f".join(map(str, (project, engine, name, *key[2:]))).encode()).hexdigest()[:12]
    readable = "".join(c if c.isalnum() else "-" for c in os.path.basename(name))[-40:].strip("-")
    return f"{readable or 'spool'}-{digest}"


_last_complaint = {"at": 0.0, "held": 0}


def complain(text: str) -> None:
    """Say on stderr, at most once in ten seconds, what is wrong with collecting; names no captured value."""
    now = time.monotonic()
    if now - _last_complaint["at"] < 10 and _last_complaint["at"]:
        _last_complaint["held"] += 1
        return
    more = f" ({_last_complaint['held']} more like it)" if _last_complaint["held"] else ""
    _last_complaint.update(at=now, held=0)
    with suppress(Exception):
        sys.stderr.write(f"issue_tracker: {text}{more}\n")


def _is_corrupt(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
