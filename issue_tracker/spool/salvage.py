"""A file of records whose head was damaged: set aside, its sound records brought back by whoever drains.

Left of the seam. The file itself is kept for a look, the last one only.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from issue_tracker.complaints import complain

from .frames import frames_from

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX: Final = "corrupt-"
KEPT_NAME: Final = "salvaged"


def set_aside(path: Path) -> None:
    """Move a damaged file aside, so that the next record finds a sound one. The caller keeps writers out."""
    path.replace(path.with_name(f"{PREFIX}{time.time_ns()}"))
    complain(f"the spool {path} was damaged and was set aside; what can be read of it is drained")


def corrupt_files(directory: Path) -> list[Path]:
    """Return the files set aside that nobody has salvaged yet, oldest first."""
    return sorted(directory.glob(f"{PREFIX}*"))


def readable_bodies(path: Path) -> Iterator[bytes]:
    """Yield the bodies of the records that can still be read, oldest first, drained before or not. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield from (frame.body for frame in frames_from(fd, 0) if not frame.flaw)
    finally:
        os.close(fd)


def put_away(path: Path) -> None:
    """Keep a salvaged file for a look, in the place of the one before."""
    path.replace(path.with_name(KEPT_NAME))
