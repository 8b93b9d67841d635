"""Locks that stop nobody for good: free again in a forked child, waited for with a deadline between processes.

Left of the seam; standard library only.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETRY_SECONDS: Final = 0.002
"""Between two tries of a lock that another process holds. They hold it for microseconds."""

SHARED_RETRY_SECONDS: Final = 0.0005
"""Between two tries of the lock that each append takes."""


class ProcessLock:
    """A lock between the threads of one process. A child forked meanwhile finds it free: its holder is not there."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        """Make it free."""
        self.renew()
        _all.add(self)

    def renew(self) -> None:
        """Make it free, whoever holds it."""
        self._lock = threading.Lock()

    def acquire(self, *, timeout_seconds: float = -1) -> bool:
        """Take it; returns False when that was not possible in time."""
        return self._lock.acquire(timeout=timeout_seconds)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> None:
        """Take it."""
        self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        """Give it back."""
        self._lock.release()


_all: WeakSet[ProcessLock] = WeakSet()


def _renew_all() -> None:
    for lock in list(_all):
        lock.renew()


os.register_at_fork(after_in_child=_renew_all)


def lock_record(fd: int, *, within_seconds: float) -> None:
    """Take the POSIX lock of an open file, which ends with the process or with any `close` of the file.

    Raises TimeoutError when another process, a stopped one perhaps, holds it for longer.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another process has a lock for {within_seconds:g} s; is it stopped?") from None
        time.sleep(RETRY_SECONDS)


def lock_shared(fd: int, *, within_seconds: float) -> None:
    """Take the lock of an open file, shared with others that take it so.

    Raises TimeoutError when another process, a stopped one perhaps, holds it alone for longer.
    """
    deadline = 0.0
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            now = time.monotonic()
            deadline = deadline or now + within_seconds
            if now >= deadline:
                raise TimeoutError(
                    f"another process has held a lock for {within_seconds:g} s; is it stopped?"
                ) from None
        time.sleep(SHARED_RETRY_SECONDS)


def has_nobody(fd: int) -> bool:
    """Take the exclusive lock of an open file, until it is closed; False when somebody is writing. Never waits."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_left_alone(path: Path, fd: int) -> bool:
    """Tell whether an open file still has its name, and nobody writes to it, nor will until it is closed."""
    return has_nobody(fd) and path.exists() and os.path.samestat(os.stat(path), os.fstat(fd))


@contextmanager
def directory_locked(directory: Path, *, within_seconds: float) -> Iterator[None]:
    """Keep other processes, and threads, out of a block. Raises TimeoutError where one holds it for longer."""
    deadline = time.monotonic() + within_seconds
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while not _flock(fd):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another process has held {directory} for {within_seconds:g} s; is it stopped?")
            time.sleep(RETRY_SECONDS)
        yield
    finally:
        unlock(fd)


def unlock(fd: int) -> None:
    """Give a `flock` back and close. Closing alone would not do: a child forked meanwhile has the same open file."""
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def _flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
