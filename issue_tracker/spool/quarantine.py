"""Records that can't be stored, kept for a look: a file each, the newest of them. Left of the seam."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .private_files import prepare_directory

if TYPE_CHECKING:
    from pathlib import Path

MAX_QUARANTINED: Final = 1_000
"""Refused records kept, newest; older ones are counted as discards."""


class Quarantine:
    """The refused records of one spool, written by whoever drains it."""

    def __init__(self, directory: Path) -> None:
        """Name the directory; it is made by the first record."""
        self.directory = directory

    def put(self, body: bytes, *, reason: str) -> int:
        """Keep a record with its reason; returns how many of the oldest made room for it. Raises OSError."""
        prepare_directory(self.directory)
        path = self.directory / f"{time.time_ns():020d}.record"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(reason).encode() + b"\n" + body)
        surplus = self._names()[:-MAX_QUARANTINED]
        for name in surplus:
            (self.directory / name).unlink()
        return len(surplus)

    def newest(self, *, limit: int) -> list[tuple[bytes, str, float]]:
        """Return refused records, newest first: body, reason, seconds since the epoch."""
        found = []
        for name in self._names()[: -limit - 1 : -1]:
            with suppress(OSError, ValueError):
                head, _, body = (self.directory / name).read_bytes().partition(b"\n")
                found.append((body, str(json.loads(head)), int(name.split(".")[0]) / 1e9))
        return found

    def count(self) -> int:
        """Count the refused records."""
        return len(self._names())

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.directory) if name.endswith(".record"))
        except OSError:
            return []
