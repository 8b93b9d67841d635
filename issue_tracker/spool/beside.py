"""A record past a locked file: into a file of its own, which is drained like any other. Left of the seam.

Whoever takes files away holds the lock for microseconds; stopped in them, it would make each failing task wait. Such a
file needs no lock, as it gets its name only once it is whole.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from .frames import head_bytes
from .private_files import create_private_file

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILES: Final = 2_000
"""Of a spool whose drain is stopped; beyond that the reserve counts."""


def write_beside(directory: Path, name: str, frame: bytes) -> None:
    """Store a frame in a file of its own, named as a full one that waits for the drain. About 150 µs.

    Raises OSError where that is not possible, or where there are too many of them.
    """
    if sum(1 for _ in directory.glob(f"{name}.*")) >= MAX_FILES:
        raise OSError(f"{MAX_FILES:,} files wait in {directory}: is its drain stopped?")
    new = directory / f"new-{os.getpid()}-{time.monotonic_ns()}"
    create_private_file(new)
    try:
        made_at = time.time_ns()
        new.write_bytes(head_bytes(made_at) + frame)
        os.link(new, directory / f"{name}.{made_at:020d}")  # raises where another process was given the same moment
    finally:
        new.unlink()
