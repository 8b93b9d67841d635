"""How large a spool may grow. Left of the seam."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from .frames import head_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MIN_FREE_BYTES: Final = 64 * 1024 * 1024
"""Disk that is left to the host in any case (or 5 % of the disk when that is more), as journald leaves it."""
MIN_FREE_SHARE: Final = 0.05


def reason_to_refuse(directory: Path, files: Iterable[Path], *, max_bytes: int) -> str:
    """Say why the spool may take no more records; empty while it may."""
    if sum(map(waiting_bytes, files)) >= max_bytes:
        return "spool full"
    disk = os.statvfs(directory)
    if disk.f_bavail * disk.f_frsize < max(MIN_FREE_BYTES, MIN_FREE_SHARE * disk.f_blocks * disk.f_frsize):
        return "disk full"
    return ""


def waiting_bytes(path: Path) -> int:
    """Return how many bytes of a file are not acknowledged yet; 0 where there is no file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        head = head_of(fd)
        size = os.fstat(fd).st_size
        return size - head.drained if head else size
    finally:
        os.close(fd)


def size_and_time(path: Path) -> tuple[int, int]:
    """Return bytes and time of change (nanoseconds) of a file; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
