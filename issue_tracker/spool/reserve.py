"""The reserve: one preallocated file that goes on counting when the spool can take nothing more. Left of the seam.

Guarantee: with the disk full or the spool at its bound, the first failure of each fingerprint (up to 250 of them) keeps
a stub, every further one is counted, and so is each reason. The file's blocks exist from the start, so no write needs
room. Processes share it under a POSIX lock; a kill in mid-write can cost the entry being written, never the others.
"""

from __future__ import annotations

import json
import os
import struct
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .locks import ProcessLock, lock_record
from .private_files import create_private_file, prepare_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOT_BYTES: Final = 4096
"""One page, so that a slot is written at once."""
SLOTS: Final = 251
"""Slot 0 holds the counts by reason; the others one fingerprint each. A prime, for the probing; 1 MiB in all."""
_HEADER: Final = struct.Struct("<QQH64s")
"""Seen, drained, length of the stub, key."""
MAX_STUB_BYTES: Final = SLOT_BYTES - _HEADER.size
MAX_SEEN: Final = 2**48
"""More failures of one fingerprint than that are a damaged count."""
BUSY_SECONDS: Final = 2.0
"""How long a task waits for another process's write here, which takes microseconds,
before its failure goes uncounted.
"""
OTHERS: Final = "others"
"""The reason under which failures are counted that found no slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one fingerprint has in the reserve."""

    slot: int
    stub: bytes
    seen: int
    """How many failures of this fingerprint came here in all, the stub's own included."""
    drained: int
    """How many of them a drain has taken already."""


class Reserve:
    """The reserve of one spool."""

    def __init__(self, directory: Path) -> None:
        """Name the reserve; the file is made by `prepare` or by the first use."""
        self.path = directory / "reserve"
        self._directory = directory
        self._lock = ProcessLock()

    def prepare(self) -> None:
        """Allocate the file (1 MiB). Called while all is well, since later there may be no room."""
        if self._size() >= SLOT_BYTES * SLOTS:
            return
        prepare_directory(self._directory)
        create_private_file(self.path)
        with self._locked() as fd:
            _allocate(fd)

    def take_in(self, *, key: str, stub: bytes, reason: str, number: int = 1) -> bool:
        """Keep the stub if it is the first of its key, else count it; returns False when not even that was possible.

        `number`: how many failures of this key are told at once.
        """
        try:
            self.prepare()
            with self._locked() as fd:
                _add_reason(fd, reason, number)
                if not _add(fd, key.encode()[:64], stub, number):
                    _add_reason(fd, OTHERS, number)
            return True
        except (OSError, ValueError):
            return False

    def count(self, reason: str, number: int) -> None:
        """Add to the count of a reason; never raises."""
        with suppress(OSError, ValueError):
            self.prepare()
            with self._locked() as fd:
                _add_reason(fd, reason, number)

    def counts(self) -> dict[str, int]:
        """Return how many records were given up, by reason."""
        if not self._size():
            return {}
        with self._locked() as fd:
            return _reasons(fd)

    def has_entries(self) -> bool:
        """Tell whether something waits for the drain."""
        return bool(self.entries())

    def entries(self) -> list[Entry]:
        """Return what waits for the drain. Reads one byte as long as nothing was ever counted, else 250 pages."""
        if not self._size():
            return []
        with self._locked() as fd:
            if not os.pread(fd, 1, 0).strip(b"\0"):
                return []
            found = (_read(fd, slot) for slot in range(1, SLOTS))
            return [entry for entry, _key in found if entry.seen > entry.drained]

    def ack(self, entries: list[Entry]) -> None:
        """Mark what was seen in these entries as drained; what was counted meanwhile waits for the next drain."""
        with self._locked() as fd:
            for entry in entries:
                now, key = _read(fd, entry.slot)
                if now.seen == entry.seen:
                    os.pwrite(fd, bytes(_HEADER.size), entry.slot * SLOT_BYTES)
                else:
                    os.pwrite(fd, _HEADER.pack(now.seen, entry.seen, len(now.stub), key), entry.slot * SLOT_BYTES)

    def _size(self) -> int:
        try:
            return os.stat(self.path).st_size
        except OSError:
            return 0

    @contextmanager
    def _locked(self) -> Iterator[int]:
        with self._lock:
            fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                lock_record(fd, within_seconds=BUSY_SECONDS)
                yield fd
            finally:
                os.close(fd)


def _allocate(fd: int) -> None:
    size = SLOT_BYTES * SLOTS
    if os.fstat(fd).st_size >= size:
        return
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
    else:
        os.pwrite(fd, bytes(size), 0)


def _read(fd: int, slot: int) -> tuple[Entry, bytes]:
    """Read a slot; one that nobody of ours has written (a damaged or cut file) counts as empty."""
    page = os.pread(fd, SLOT_BYTES, slot * SLOT_BYTES).ljust(SLOT_BYTES, b"\0")
    seen, drained, length, key = _HEADER.unpack_from(page)
    if not drained <= seen < MAX_SEEN or length > MAX_STUB_BYTES:
        seen = drained = length = 0
    return Entry(slot=slot, stub=page[_HEADER.size : _HEADER.size + length], seen=seen, drained=drained), key


def _add(fd: int, key: bytes, stub: bytes, number: int) -> bool:
    padded = key.ljust(64, b"\0")
    start = sum(key) % (SLOTS - 1)
    for step in range(SLOTS - 1):
        slot = 1 + (start + step) % (SLOTS - 1)
        entry, there = _read(fd, slot)
        if entry.seen and there == padded:
            header = _HEADER.pack(entry.seen + number, entry.drained, len(entry.stub), padded)
            os.pwrite(fd, header, slot * SLOT_BYTES)
            return True
        if not entry.seen:
            body = stub if len(stub) <= MAX_STUB_BYTES else b""
            os.pwrite(fd, _HEADER.pack(number, 0, len(body), padded) + body, slot * SLOT_BYTES)
            return True
    return False


def _reasons(fd: int) -> dict[str, int]:
    page = os.pread(fd, SLOT_BYTES, 0).rstrip(b"\0")
    try:
        found = json.loads(page or b"{}")
        return {str(reason): int(number) for reason, number in found.items()}
    except (ValueError, TypeError, AttributeError):  # damaged, or something else
        return {}


def _add_reason(fd: int, reason: str, number: int) -> None:
    reasons = _reasons(fd)
    reasons[reason[:64]] = reasons.get(reason[:64], 0) + number
    page = json.dumps(reasons).encode()
    if len(page) < SLOT_BYTES:
        os.pwrite(fd, page.ljust(SLOT_BYTES, b"\0"), 0)
