"""Slots: what each process of a worker is running right now, in a file that outlives it. Left of the seam.

Guarantee: a task that was running when its process vanished (kill -9, OOM, segfault) is found by whoever looks later,
once. Each process has a file of its own and holds a POSIX lock on it; the kernel drops the lock with the process,
however it ends, so "gone" needs no pid and can't be fooled by a reused one, nor by a zombie. A slot is one page,
written at once by `pwrite` (1 µs): no mapping, whose pages could fault on a full disk.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from issue_tracker.spool import ProcessLock, create_private_file, prepare_directory

if TYPE_CHECKING:
    from pathlib import Path

SLOT_BYTES: Final = 4096
KEPT_SLOTS: Final = 8
"""Slots that a process uses in turn at the least,
so that the main process can still read a run that ended a moment ago.
"""
RUNNING: Final = b"\x01"
FINISHED: Final = b"\x02"
_BETWEEN: Final = "\0"
"""Stands between the fields of a slot. JSON would take 3 µs, and every task pays for it."""
_SEPARATORS: Final = 7
_END: Final = b"\xff"
"""Ends a slot's text: no part of UTF-8."""

_pid = os.getpid()
"""This process, noted once: asking the kernel takes 0.2 µs, three times in every task."""


def _note_pid() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_note_pid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one task, as its slot tells it."""

    task: str
    task_id: str
    attempt: int
    token: str
    """Names this run among all runs of the task id: redelivered messages get another."""
    started_at: float
    """Seconds since the epoch."""
    args: str = ""
    kwargs: str = ""
    queue: str = ""
    worker: str = ""
    is_acknowledged_late: bool = False
    """A worker that ends in order hands such a run back."""
    pid: int = 0
    is_finished: bool = False


class Slots:
    """The slots of this process, in one file below `directory`."""

    def __init__(self, directory: Path) -> None:
        """Name the directory; the file is made by the first task."""
        self._directory = directory
        self._lock = ProcessLock()
        self._pid = 0
        self._fd = -1
        self._free: deque[int] = deque()
        self._made = 0

    def enter(
        self,
        *,
        task: str,
        task_id: str,
        attempt: int,
        token: str,
        started_ns: int,
        arguments: str = "\0",
        queue: str = "",
        worker: str = "",
        is_acknowledged_late: bool = False,
    ) -> int:
        """Note a run that begins; returns its slot, or -1 where slots can't be used. Never raises. About 2 µs.

        `started_ns` are nanoseconds since the epoch; `arguments` those by place, a NUL, and those by name. What is
        longer than a slot is cut: first their end.
        """
        try:
            if self._pid != _pid:
                self._begin()
            try:
                slot = self._free.popleft()
            except IndexError:
                slot = self._another()
            text = (
                f"\x01{attempt} {started_ns} {is_acknowledged_late:d}"
                f"\0{token}\0{task}\0{worker}\0{queue}\0{task_id}\0{arguments}"
            )
            if text.count(_BETWEEN) != _SEPARATORS:
                text = _without_separators(text, token, task, worker, queue, task_id, arguments)
            os.pwrite(self._fd, text.encode("utf-8", "replace")[: SLOT_BYTES - 1] + _END, slot * SLOT_BYTES)
        except (OSError, ValueError, TypeError):
            return -1
        return slot

    def leave(self, slot: int) -> None:
        """Note that the run of this slot ended in this process.

        Its text stays, for the main process may ask for its token.
        """
        if slot < 0 or self._pid != _pid:
            return
        try:  # noqa: SIM105  every task passes here, and `suppress` takes as long as the write
            os.pwrite(self._fd, FINISHED, slot * SLOT_BYTES)
        except OSError:
            pass
        self._free.append(slot)

    def _another(self) -> int:
        with self._lock:
            self._made += 1
            return self._made - 1

    def _begin(self) -> None:
        """Make this process's file and lock it.

        A file inherited over a fork belongs to the parent and is left alone.
        """
        with self._lock:
            if self._pid == _pid:
                return
            prepare_directory(self._directory)
            path = self._directory / f"{_pid}-{time.time_ns()}.new"
            _own.add((_pid, path.stem))
            create_private_file(path)
            self._fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Renamed only now: an unlocked file under its final name would look like that of a dead process.
            path.rename(path.with_suffix(".slots"))
            self._free, self._made = deque(range(KEPT_SLOTS)), KEPT_SLOTS
            self._pid = _pid


def run_of(directory: Path, task_id: str, *, pid: int | None = None) -> Run | None:
    """Find the latest run of a task id in any process, gone or not; for the main process,
    which hears of a child's death.
    """
    pattern = f"{pid}-*.slots" if pid else "*.slots"
    runs = [run for path in _files(directory, pattern) for run in _runs(path) if run.task_id == task_id]
    return max(runs, key=lambda run: run.started_at, default=None)


def lost(directory: Path) -> list[tuple[Path, list[Run]]]:
    """Return the files whose process is gone, each with the runs it was in.

    `forget` a file once its runs are recorded.
    """
    return [
        (path, [run for run in _runs(path) if not run.is_finished])
        for path in _files(directory, "*.slots")
        if _is_gone(path)
    ]


def unfinished(directory: Path) -> list[Path]:
    """Return the files of other processes, gone or not, that hold a run which has not ended."""
    return [path for path in _files(directory, "*.slots") if any(not run.is_finished for run in _runs(path))]


def forget(path: Path) -> None:
    """Remove a file that `lost` returned."""
    with suppress(OSError):
        path.unlink()


def _files(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []


def _is_gone(path: Path) -> bool:
    """Tell whether the file's process has ended. Never asked of a file of our own: closing it would drop our lock."""
    if _is_own(path):
        return False
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


_own: set[tuple[int, str]] = set()
"""Process id and stem of the files that this process made; the pid alone may have been another process's before."""


def _is_own(path: Path) -> bool:
    return (os.getpid(), path.stem) in _own


def _runs(path: Path) -> list[Run]:
    if _is_own(path):
        return []  # reading closes it, and closing any descriptor of a file drops the process's POSIX locks on it
    try:
        content = path.read_bytes()
    except OSError:
        return []
    pages = (content[start : start + SLOT_BYTES] for start in range(0, len(content), SLOT_BYTES))
    pid = int(path.name.split("-")[0]) if path.name.split("-")[0].isdigit() else 0
    return [run for page in pages if (run := _run(page, pid)) is not None]


def _run(page: bytes, pid: int) -> Run | None:
    end = page.find(_END)
    if end < 0 or page[:1] not in {RUNNING, FINISHED}:
        return None
    fields = page[1:end].decode("utf-8", "replace").split(_BETWEEN)
    try:
        attempt, started_ns, is_acknowledged_late = fields[0].split(" ")
        # A text that was cut has lost its last fields.
        token, task, worker, queue, task_id, args, kwargs = (*fields[1:], *[""] * (8 - len(fields)))
        return Run(
            task=task,
            task_id=task_id,
            attempt=int(attempt),
            token=token,
            started_at=int(started_ns) / 1e9,
            args=args,
            kwargs=kwargs,
            queue=queue,
            worker=worker,
            is_acknowledged_late=is_acknowledged_late == "1",
            pid=pid,
            is_finished=page[:1] == FINISHED,
        )
    except ValueError:
        return None


def _without_separators(text: str, *fields: object) -> str:
    """Join the fields anew: who sends a message chooses its id and its texts, and may choose them odd."""
    numbers = text.partition(_BETWEEN)[0]
    args, _, kwargs = str(fields[-1]).partition(_BETWEEN)
    plain = (str(field).replace(_BETWEEN, "\N{REPLACEMENT CHARACTER}") for field in (*fields[:-1], args, kwargs))
    return _BETWEEN.join([numbers, *plain])
