"""The refuge: what neither spool nor reserve can take stays in the memory of its process. Left of the seam.

Guarantee: once the disk takes something again, the next record of this process brings the counts, and a stub of each of
MAX_KEYS fingerprints, into the reserve. They are lost with the process, which is more than nothing: a read-only disk or
a directory that can't be used takes no write at all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from .locks import ProcessLock

if TYPE_CHECKING:
    from .reserve import Reserve

MAX_KEYS: Final = 50
"""Fingerprints that keep a stub, 200 KB in all; those beyond are counted together."""
BEYOND: Final = "beyond"


class Refuge:
    """The refuge of one process; a forked child begins with an empty one, for the parent tells its own."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = ProcessLock()
        self._pid = 0
        self._kept: dict[str, tuple[bytes, int]] = {}

    def __bool__(self) -> bool:
        """Tell whether anything is here, of this process or of the one it was forked from."""
        return bool(self._kept)

    def take_in(self, *, key: str, stub: bytes) -> None:
        """Keep the stub if it is the first of its key, else count it."""
        with self._lock:
            self._forget_parents()
            if key not in self._kept and len(self._kept) >= MAX_KEYS:
                key, stub = BEYOND, b""
            first, seen = self._kept.get(key, (stub, 0))
            self._kept[key] = first, seen + 1

    def move_into(self, reserve: Reserve) -> None:
        """Hand over to the reserve what it takes; the rest stays."""
        with self._lock:
            self._forget_parents()
            for key, (stub, seen) in list(self._kept.items()):
                if not reserve.take_in(key=key, stub=stub, reason="disk unusable", number=seen):
                    return
                del self._kept[key]

    def _forget_parents(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._kept = os.getpid(), {}
