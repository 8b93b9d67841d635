"""The spool: a durable local store of records between capture and drain. Bytes only; left of the seam.

Guarantees: an append that returned is on disk for every kill of a process (a power cut needs `SPOOL_SYNC = "full"`).
The order is the order of the appends. Appends never raise: what the spool can't take goes to the reserve, which counts
it. SQLite in WAL mode: an append is one write to a log, without fsync; whoever drains pays for the checkpoints.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from issue_tracker import conf
from issue_tracker.complaints import complain

from .bounds import PAGE_BYTES, log_of, may_shrink, reason_to_refuse, shrink, size_and_time
from .locks import ProcessLock, around_forks, directory_locked
from .private_files import PrivateDirectoryError, create_private_file, prepare_directory
from .reserve import Reserve
from .salvage import BODY, corrupt_files, in_order, is_damage, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_NAME: Final = "records.sqlite3"
BUSY_SECONDS: Final = 5.0
"""How long an append waits for another process's write. The drain holds the lock for a few milliseconds a batch."""
FORK_SECONDS: Final = 1.0
"""How long a fork waits for an append of another thread."""
CHECK_EVERY_APPENDS: Final = 64
"""The bounds on size and free disk are looked at once in so many appends of a process."""
MAX_QUARANTINED: Final = 1_000
"""Refused records kept for a look, newest; older ones are counted as discards."""

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
    """One spool in a directory of its own.

    Threads and forks may share the object: each process opens its own connection.
    """

    def __init__(
        self, directory: Path, *, sync: str = "normal", max_bytes: int = 2**28, max_records: int = 100_000
    ) -> None:
        """Name the spool; nothing is touched before the first append or claim."""
        self.directory = directory
        self.path = directory / FILE_NAME
        self.reserve = Reserve(directory)
        self._sync = sync
        self._max_bytes = max_bytes
        self._max_records = max_records
        self._lock = ProcessLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = (0, 0, 0)
        """Process, device and inode of the file that is open."""
        self._opened_count = self._claimed_from = 0
        """Which opening the last claim read from:
        an inode may be given to the next file once the last one is closed.
        """
        self._forking_thread = 0
        self._abandoned: list[sqlite3.Connection] = []
        self._appends = 0
        self._is_full = ""
        around_forks(self)

    # ---- capture's side

    def append(self, body: bytes, *, key: str, stub: Callable[[], bytes]) -> bool:
        """Store one record; returns False when only the reserve could take it, as `stub()` or as a count under `key`.

        Never raises. About 20 µs; at most BUSY_SECONDS when another process holds the lock.
        """
        try:
            with self._lock:
                try:
                    return self._insert(body, key=key, stub=stub)
                except sqlite3.DatabaseError as error:
                    if not is_damage(error):
                        raise
                    self._replace()
                    return self._insert(body, key=key, stub=stub)
        except Exception as error:  # noqa: BLE001  the capture path must not raise whatever the disk does
            self._give_up(error, key=key, stub=stub)
            return False

    def _insert(self, body: bytes, *, key: str, stub: Callable[[], bytes]) -> bool:
        connection = self._open()
        if reason := self._refusal(connection):
            self.reserve.take_in(key=key, stub=stub(), reason=reason)
            return False
        connection.execute("INSERT INTO record(body) VALUES (?)", (body,))
        return True

    # ---- drain's side

    def claim(self, *, max_records: int, max_bytes: int, after: int = 0) -> list[Record]:
        """Return the oldest records behind id `after`, at least one, within both limits;
        they stay stored until `ack`.
        """
        found: list[Record] = []
        size = 0
        with self._reading() as connection:
            query = f"SELECT id, {BODY} FROM record WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608  constants only
            self._claimed_from = self._opened_count
            with closing(connection.execute(query, (after, max_records))) as rows:
                for record_id, body in in_order(rows, after=after):
                    size += len(body)
                    if found and size > max_bytes:
                        break
                    found.append(Record(id=record_id, body=body))
        return found

    def ack(self, *, through: int) -> None:
        """Forget all records up to the id `through`, the last of a claimed batch.

        Ids are given in order of commit, and start again when the spool is empty: so only one process may drain at a
        time, and a file that took the place of the claimed one is left alone.
        """
        with self._reading() as connection:
            if self._opened_count == self._claimed_from:
                connection.execute("DELETE FROM record WHERE id <= ?", (through,))
        self._checkpoint()

    def quarantine(self, record: Record, *, reason: str) -> None:
        """Copy a record aside that can't be stored, with the reason; the next `ack` removes it from those that wait.

        The oldest quarantined record makes room when there are many.
        """
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "INSERT INTO quarantine(body, reason, quarantined_at) VALUES (?, ?, ?)",
                (record.body, reason, time.time()),
            )
            dropped = connection.execute(
                "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?", (MAX_QUARANTINED,)
            ).rowcount
            connection.execute("COMMIT")
        if dropped:
            self.reserve.count("quarantine full", dropped)

    def is_empty(self) -> bool:
        """Tell whether nothing waits, without opening a database that isn't there."""
        if self._number("SELECT EXISTS (SELECT 1 FROM record)"):
            return False
        return not self.reserve.has_entries() and not corrupt_files(self.directory)

    def depth(self) -> int:
        """Count the records that wait."""
        return self._number("SELECT count(*) FROM record")

    def quarantined(self, *, limit: int = 100) -> list[tuple[bytes, str, float]]:
        """Return refused records, newest first: body, reason, seconds since the epoch."""
        if not self.path.exists():
            return []
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT body, reason, quarantined_at FROM quarantine ORDER BY id DESC LIMIT ?", (limit,)
            )
            return [(bytes(body), reason, at) for body, reason, at in rows]

    def quarantine_count(self) -> int:
        """Count the refused records."""
        return self._number("SELECT count(*) FROM quarantine")

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes whenever something was written; two `stat` calls, no lock."""
        return tuple(part for path in (log_of(self.path), self.reserve.path) for part in size_and_time(path))

    # ---- one connection a process

    def _open(self) -> sqlite3.Connection:
        pid = os.getpid()
        if self._connection is not None and self._owner[0] == pid and self._is_same_file():
            return self._connection
        if self._connection is not None:
            self._abandon(pid)
        prepare_directory(self.directory)
        with suppress(OSError):
            self.reserve.prepare()
        with directory_locked(self.directory, within_seconds=BUSY_SECONDS):
            self._connection = self._connect_anew()
        status = os.stat(self.path)
        self._owner = (pid, status.st_dev, status.st_ino)
        self._opened_count += 1
        self._is_full, self._appends = "", 0
        return self._connection

    def _is_same_file(self) -> bool:
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._owner[1:]

    def _abandon(self, pid: int) -> None:
        """Let go of the connection.

        One inherited over a fork is kept unclosed: closing it would drop the parent's locks.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._owner[0] != pid:
            self._abandoned.append(connection)
        else:
            with suppress(sqlite3.Error):
                connection.close()

    def _connect_anew(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            set_aside(self.path)
            self.reserve.count("spool corrupt", 1)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        create_private_file(self.path)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._sync == 'full' else 'NORMAL'}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA cache_size = -256")
        connection.execute("PRAGMA journal_size_limit = 16777216")
        connection.executescript(_SCHEMA)

    def _replace(self) -> None:
        """Set the open file aside, unless another process did so already."""
        with directory_locked(self.directory, within_seconds=BUSY_SECONDS):
            is_still_there = self._is_same_file()
            self._abandon(os.getpid())
            if is_still_there:
                set_aside(self.path)
                self.reserve.count("spool corrupt", 1)

    def before_fork(self) -> None:
        """Close the connection: a child that inherits it shares SQLite's notes of its locks, which no child has.

        Measured: such a child loses what it appends once the parent closes, as the log is then deleted under it.
        """
        if self._lock.acquire(timeout_seconds=FORK_SECONDS):
            self._forking_thread = threading.get_ident()
            self._abandon(os.getpid())

    def after_fork(self) -> None:
        """Go on in the parent."""
        if self._forking_thread == threading.get_ident():
            self._forking_thread = 0
            self._lock.release()

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
            self._is_full = reason_to_refuse(
                connection, self.path, max_records=self._max_records, max_bytes=self._max_bytes
            )
        self._appends += 1
        return self._is_full

    def _checkpoint(self) -> None:
        if may_shrink(self.path):
            with self._reading() as connection:
                shrink(connection, self.path)

    def _give_up(self, error: Exception, *, key: str, stub: Callable[[], bytes]) -> None:
        reason = "directory unusable" if isinstance(error, PrivateDirectoryError) else f"spool: {type(error).__name__}"
        try:
            is_kept = self.reserve.take_in(key=key, stub=stub(), reason=reason)
        except Exception:  # noqa: BLE001  the last resort must not raise either
            is_kept = False
        complain(f"{error} ({self.directory}); {'kept in the reserve' if is_kept else 'lost, the reserve fails too'}")


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
        except BaseException:
            self._spool._lock.release()
            raise

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        try:
            if error is not None:
                self._undo()
            if isinstance(error, sqlite3.Error):
                if is_damage(error):
                    with suppress(OSError):
                        self._spool._replace()
                raise SpoolError(f"The spool {self._spool.path} failed: {error}.") from error
        finally:
            self._spool._lock.release()

    def _undo(self) -> None:
        """End a transaction that failed half-way: what is appended next would be part of it,
        and lost with the process.
        """
        connection = self._spool._connection
        if connection is not None and connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


_spools: dict[tuple[Any, ...], Spool] = {}


def current() -> Spool:
    """Return the spool of this project's database, as `ISSUE_TRACKER["DATABASE"]` names it. Touches no disk.

    Its directory is derived from the project and the database's own name, which Django's test runner changes: so a test
    run can't feed a production table. A database in memory belongs to one process, and so does its spool.
    """
    chosen = conf.current()
    database = settings.DATABASES.get(chosen.database, {})
    name, host, port = (str(database.get(part) or "") for part in ("NAME", "HOST", "PORT"))
    is_in_memory = "sqlite" in str(database.get("ENGINE", "")) and (name == ":memory:" or "mode=memory" in name)
    key = (chosen.spool_dir, name, host, port, os.getpid() if is_in_memory else 0)
    bounds = (chosen.spool_sync, chosen.spool_max_bytes, chosen.spool_max_records)
    found = _spools.get((*key, *bounds))
    if found is None:
        found = _spools[*key, *bounds] = Spool(
            conf.spool_root() / _directory_name(key, database),
            sync=chosen.spool_sync,
            max_bytes=chosen.spool_max_bytes,
            max_records=chosen.spool_max_records,
        )
    return found


def _directory_name(key: tuple[Any, ...], database: dict[str, Any]) -> str:
    engine = str(database.get("ENGINE", ""))
    name = os.path.abspath(key[1]) if "sqlite" in engine and not key[4] else key[1]
    project = str(getattr(settings, "ROOT_URLCONF", ""))
    digest = hashlib.sha256("\x1f".join(map(str, (project, engine, name, *key[2:]))).encode()).hexdigest()[:12]
    readable = "".join(c if c.isalnum() else "-" for c in os.path.basename(name))[-40:].strip("-")
    return f"{readable or 'spool'}-{digest}"
