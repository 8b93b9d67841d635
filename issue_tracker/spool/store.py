"""The spool: a durable local store of records between capture and drain. Bytes only; left of the seam.

Guarantees: an append that returned is with the kernel, so it survives every kill of a process (a power cut needs
`SPOOL_SYNC = "full"`). The order is the order of the appends. Appends never raise and never wait for one another: what
the spool can't take goes to the reserve, which counts it.

Every process appends to the same file, a frame by one `write` with O_APPEND, which a local file system does one after
the other. A writer holds the file's lock shared while it looks and writes; whoever drains takes files away only under
the exclusive lock, so no frame lands in a file that is gone.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from issue_tracker.complaints import complain

from .beside import write_beside
from .bounds import reason_to_refuse, size_and_time, waiting_bytes
from .frames import HEAD_BYTES, Frame, Head, frame_of, frames_from, head_bytes, head_of, write_head
from .locks import ProcessLock, directory_locked, has_nobody, is_left_alone, lock_shared
from .private_files import PrivateDirectoryError, create_private_file, prepare_directory
from .quarantine import Quarantine
from .refuge import Refuge
from .reserve import Reserve
from .salvage import corrupt_files, set_aside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE_NAME: Final = "records"
"""The file that takes appends. Full ones that wait for the drain have the time they were made behind their name."""
BUSY_SECONDS: Final = 0.5
"""How long an append waits for whoever takes files away, who needs microseconds unless he was stopped in them."""
HELD_SECONDS: Final = 10.0
"""How long nobody is waited for once an append has waited in vain."""
CHECK_EVERY_APPENDS: Final = 64
"""The bounds on size and free disk are looked at once in so many appends of a process."""
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""A larger file takes no more appends, so that it can go once it is drained."""
KEPT_BYTES: Final = 1024 * 1024
"""A drained file that is smaller is appended to further: making a new one costs 100 µs."""
MAX_REOPENINGS: Final = 10


class SpoolError(OSError):
    """The spool can't be used; the text says why and what to do. Raised to the drain, never to a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as claimed."""

    body: bytes
    flaw: str = ""
    """What is wrong with its bytes; empty for a sound one."""
    made_at: int = 0
    """Names the file that it stands in."""
    end: int = 0
    """Where it ends there."""


class Spool:
    """One spool in a directory of its own.

    Threads and forks may share the object: each process opens the file by itself.
    """

    def __init__(self, directory: Path, *, sync: str = "normal", max_bytes: int = 2**28) -> None:
        """Name the spool; nothing is touched before the first append or claim."""
        self.directory = directory
        self.path = directory / FILE_NAME
        self._name = str(self.path)
        self.reserve = Reserve(directory)
        self._refuge = Refuge()
        self._quarantine = Quarantine(directory / "quarantine")
        self._is_synced = sync == "full"
        self._max_bytes = max_bytes
        self._lock = ProcessLock()
        self._fd = -1
        self._owner = (0, 0, 0)
        """Process, device and inode of the file that is open."""
        self._appends = 0
        self._is_full = ""
        self._held_until = 0.0
        """Until then the lock is not waited for, by the monotonic clock."""

    # ---- capture's side

    def append(self, body: bytes, *, key: str | Callable[[], str], stub: Callable[[], bytes]) -> bool:
        """Store one record; returns False when only the reserve could take it, as `stub()` or as a count under `key`.

        Never raises. About 8 µs; at most BUSY_SECONDS, once in HELD_SECONDS.
        """
        try:
            with self._lock:
                if reason := self._refusal():
                    self._reduce(key=_text_of(key), stub=stub(), reason=reason)
                    return False
                self._write(frame_of(body))
                if self._refuge:
                    self._refuge.move_into(self.reserve)
        except Exception as error:  # noqa: BLE001  the capture path must not raise whatever the disk does
            if isinstance(error, TimeoutError) and self._write_beside(body):
                return True
            self._give_up(error, key=key, stub=stub)
            return False
        return True

    def prepare(self) -> None:
        """Open the file ahead, once in a process: a task may give up its user or its root directory. Never raises."""
        if self._owner[0] == os.getpid():
            return
        with suppress(Exception), self._lock:
            self._refusal()
            self._open()

    def _write(self, frame: bytes) -> None:
        for _attempt in range(MAX_REOPENINGS):
            fd = self._open()
            lock_shared(fd, within_seconds=self._patience_seconds())
            try:
                if self._is_same_file():
                    self._write_whole(fd, frame)
                    return
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)
            self._close()
        raise SpoolError(f"{self.path} is replaced again and again; does something else clean up there?")

    def _patience_seconds(self) -> float:
        return 0.0 if time.monotonic() < self._held_until else BUSY_SECONDS

    def _write_beside(self, body: bytes) -> bool:
        """Keep a record past a file whose lock somebody keeps; the next ones don't wait for him again."""
        self._held_until = time.monotonic() + HELD_SECONDS
        try:
            write_beside(self.directory, FILE_NAME, frame_of(body))
        except OSError:
            return False
        complain(f"a stopped process keeps {self.path} locked; records go beside it")
        return True

    def _write_whole(self, fd: int, frame: bytes) -> None:
        written = os.write(fd, frame)
        if written != len(frame):
            _take_back(fd, written)
            raise SpoolError(f"{self.path} took {written:,} of {len(frame):,} bytes: the disk or a quota is full")
        if self._is_synced:
            os.fdatasync(fd)

    def _open(self) -> int:
        pid = os.getpid()
        if self._fd >= 0 and self._owner[0] == pid:
            return self._fd
        self._close()
        prepare_directory(self.directory)
        with suppress(OSError):
            self.reserve.prepare()
        self._fd = self._opened_or_made()
        status = os.fstat(self._fd)
        self._owner = (pid, status.st_dev, status.st_ino)
        return self._fd

    def _opened_or_made(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileNotFoundError):
            return os.open(self.path, flags)
        with directory_locked(self.directory, within_seconds=self._patience_seconds()):
            if not self.path.exists():
                new = self.directory / "new"
                new.unlink(missing_ok=True)
                create_private_file(new)
                new.write_bytes(head_bytes(time.time_ns()))
                new.rename(self.path)  # with its head: nobody ever sees it without
        return os.open(self.path, flags)

    def _is_same_file(self) -> bool:
        try:
            status = os.stat(self._name)
        except OSError:
            # Out of reach for a process that became another user or has another root; else it is really gone.
            return not os.path.isdir(self.directory) and os.fstat(self._fd).st_nlink > 0
        return status.st_ino == self._owner[2] and status.st_dev == self._owner[1]

    def _close(self) -> None:
        """Let go of the file. One inherited over a fork stays the parent's: its locks are not touched."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)

    def _refusal(self) -> str:
        if self._appends % CHECK_EVERY_APPENDS == 0 or self._is_full:
            prepare_directory(self.directory)
            self._is_full = reason_to_refuse(self.directory, self._files(), max_bytes=self._max_bytes)
        self._appends += 1
        return self._is_full

    def _give_up(self, error: Exception, *, key: str | Callable[[], str], stub: Callable[[], bytes]) -> None:
        reason = "directory unusable" if isinstance(error, PrivateDirectoryError) else f"spool: {type(error).__name__}"
        try:
            is_kept = self._reduce(key=_text_of(key), stub=stub(), reason=reason)
        except Exception:  # noqa: BLE001  the last resort must not raise either
            is_kept = False
        where = "in the reserve" if is_kept else "in this process's memory, until the disk takes something again"
        complain(f"{error} ({self.directory}); counted {where}")

    def _reduce(self, *, key: str, stub: bytes, reason: str) -> bool:
        """Leave a stub to the reserve, else to the memory of this process; returns whether the reserve took it."""
        if self.reserve.take_in(key=key, stub=stub, reason=reason):
            return True
        self._refuge.take_in(key=key, stub=stub)
        return False

    # ---- drain's side

    def claim(self, *, max_records: int, max_bytes: int) -> list[Record]:
        """Return the oldest records, at least one, within both limits; they stay stored until `ack`."""
        found: list[Record] = []
        size = 0
        with self._draining():
            for head, frame in self._waiting(is_mended=True):
                size += len(frame.body)
                if found and (size > max_bytes or len(found) == max_records):
                    break
                found.append(Record(body=frame.body, flaw=frame.flaw, made_at=head.made_at, end=frame.end))
        return found

    def ack(self, records: list[Record]) -> None:
        """Forget these records: the first ones of those that were claimed, in their order.

        Only one process may drain at a time. A file that took the place of a claimed one is left alone.
        """
        ends = {record.made_at: record.end for record in records}
        with self._draining():
            for path in self._files():
                with _opened(path) as (fd, head):
                    if head is not None and head.made_at in ends:
                        drained = Head(head.made_at, ends[head.made_at])
                        write_head(fd, drained)
                        self._retire(path, fd, drained)

    def quarantine(self, record: Record, *, reason: str) -> None:
        """Copy a record aside that can't be stored, with the reason; the next `ack` removes it from those that wait.

        The oldest quarantined record makes room when there are many.
        """
        with self._draining():
            dropped = self._quarantine.put(record.body, reason=reason)
        if dropped:
            self.reserve.count("quarantine full", dropped)

    def is_empty(self) -> bool:
        """Tell whether nothing waits, without making a file. What a kill tore counts until the next claim."""
        if any(map(waiting_bytes, self._files())):
            return False
        return not self.reserve.has_entries() and not corrupt_files(self.directory)

    def oldest(self) -> Record | None:
        """Return the record that waits longest, for a look."""
        with self._draining():
            for head, frame in self._waiting():
                return Record(body=frame.body, flaw=frame.flaw, made_at=head.made_at, end=frame.end)
        return None

    def depth(self) -> int:
        """Count the records that wait, by reading them: 0.2 s for 256 MiB."""
        with self._draining():
            return sum(1 for _found in self._waiting())

    def quarantined(self, *, limit: int = 100) -> list[tuple[bytes, str, float]]:
        """Return refused records, newest first: body, reason, seconds since the epoch."""
        return self._quarantine.newest(limit=limit)

    def quarantine_count(self) -> int:
        """Count the refused records."""
        return self._quarantine.count()

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes whenever something was written; three `stat` calls, no lock."""
        return tuple(part for path in (self.path, self.reserve.path, self.directory) for part in size_and_time(path))

    def _files(self) -> list[Path]:
        """Return the files of records, the oldest first and the one that takes appends last."""
        return [*sorted(self.directory.glob(f"{FILE_NAME}.*")), self.path]

    def _waiting(self, *, is_mended: bool = False) -> Iterator[tuple[Head, Frame]]:
        """Yield what waits, the oldest first. Who drains mends the files on his way; who only looks changes nothing."""
        for path in self._files():
            with _opened(path) as (fd, head):
                place = 0
                if head is not None:
                    place = head.drained
                    for frame in frames_from(fd, place):
                        place = frame.end
                        yield head, frame
                if is_mended and fd >= 0:
                    self._mend(path, fd, head, place)

    def _mend(self, path: Path, fd: int, head: Head | None, place: int) -> None:
        """Set a file aside whose head is damaged; cut off what was torn behind `place`; remove one that has nothing."""
        if head is None:
            if is_left_alone(path, fd):
                set_aside(path)
                self.reserve.count("spool damaged", 1)
            return
        if place < os.fstat(fd).st_size and is_left_alone(path, fd) and next(frames_from(fd, place), None) is None:
            # Nobody is writing: what is left of a frame belongs to a process that was killed in it.
            os.ftruncate(fd, place)
            self.reserve.count("torn by a kill", 1)
        if place == head.drained and path != self.path:
            path.unlink(missing_ok=True)

    def _retire(self, path: Path, fd: int, head: Head) -> None:
        """Take a file away that is drained, or take it out of the way of appends when it is long."""
        size = os.fstat(fd).st_size
        is_drained = head.drained == size
        if path != self.path:
            if is_drained:
                path.unlink(missing_ok=True)
        elif size > (KEPT_BYTES if is_drained else MAX_FILE_BYTES) and is_left_alone(path, fd):
            if os.fstat(fd).st_size == head.drained:
                path.unlink(missing_ok=True)
            else:
                path.rename(path.with_name(f"{FILE_NAME}.{head.made_at:020d}"))

    @contextmanager
    def _draining(self) -> Iterator[None]:
        """Turn what the disk says into a SpoolError, and trust nobody else's directory."""
        try:
            if os.path.lexists(self.directory):
                prepare_directory(self.directory)
            yield
        except SpoolError:
            raise
        except OSError as error:
            raise SpoolError(f"The spool {self.directory} can't be used: {error}.") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, Head | None]]:
    """Give a file of records and how it begins: None where that is damaged, with -1 where there is no file."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield -1, None
        return
    try:
        yield fd, head_of(fd)
    finally:
        os.close(fd)


def _text_of(key: str | Callable[[], str]) -> str:
    return key if isinstance(key, str) else key()


def _take_back(fd: int, written: int) -> None:
    """Take the beginning of a frame back that did not fit, unless somebody appended behind it."""
    place = os.lseek(fd, 0, os.SEEK_CUR)
    if written > 0 and has_nobody(fd) and os.fstat(fd).st_size == place >= HEAD_BYTES + written:
        os.ftruncate(fd, place - written)
