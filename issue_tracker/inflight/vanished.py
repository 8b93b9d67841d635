"""Tasks whose process vanished: found by their slots and recorded as lost. Right of the seam by use, free of the ORM.

A death that the main process can tell of is left to it for a few seconds: its report is the richer one.
"""

from __future__ import annotations

import ast
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from issue_tracker.event import Kind
from issue_tracker.recording import Failure, record

from . import slots
from .runs import slots_directory

GRACE_SECONDS: Final = 6.0
"""Celery's own WorkerLostError may come 4.9 s after the death (measured)."""
KEEP_SECONDS: Final = 30.0
"""How long the slots of a dead process stay, for the main process to look a run's token up."""
NAME: Final = "WorkerLostError"
TYPE: Final = "billiard.exceptions.WorkerLostError"
MESSAGE: Final = "The process that ran this task vanished without a word: killed, out of memory, or crashed."


@dataclass(slots=True)
class Sweep:
    """One watcher of the slots of this host; remembers since when it knows which process to be gone."""

    grace_seconds: float = GRACE_SECONDS
    noticed: dict[Path, float] = field(default_factory=dict)
    reported: set[Path] = field(default_factory=set)

    def look(self, *, now: float | None = None) -> int:
        """Record the runs of processes that are gone for longer than the grace; returns how many."""
        now = time.monotonic() if now is None else now
        count = 0
        for path, runs in slots.lost(slots_directory()):
            since = self.noticed.setdefault(path, now)
            if path not in self.reported and (not runs or now - since >= self.grace_seconds):
                for run in runs:
                    record_lost(run)
                count += len(runs)
                self.reported.add(path)
            if path in self.reported and now - since >= KEEP_SECONDS:
                slots.forget(path)
                self.noticed.pop(path, None)
                self.reported.discard(path)
        return count

    def close(self, pid: int) -> None:
        """Record what a worker's main process was in when it ended in order, but for what it has handed back.

        Pools of one process cut their tasks short without a word.
        """
        for path, runs in slots.lost(slots_directory()):
            if path.name.startswith(f"{pid}-"):
                for run in runs:
                    if not run.is_acknowledged_late:
                        record_lost(run)
                slots.forget(path)

    def is_waiting(self) -> bool:
        """Tell whether a run is not recorded yet whose process is gone, or may be at any moment.

        The kernel kills the children of a killed worker, but later than the worker: so one that lives is waited for.
        """
        return any(path not in self.reported for path in slots.unfinished(slots_directory()))


def record_lost(run: slots.Run) -> None:
    """Record that a task vanished with its process."""
    record(
        Failure(
            kind=Kind.WORKER_LOST,
            name=NAME,
            task=run.task,
            message=MESSAGE,
            exception_type=TYPE,
            task_id=run.task_id,
            attempt=run.attempt,
            run=run.token,
            args=_literal(run.args, tuple, list),
            kwargs=_literal(run.kwargs, dict),
            worker=run.worker,
            queue=run.queue,
            context={"pid": run.pid},
            grouping_message="",
        )
    )


def _literal(text: str, *types: type) -> Any:
    """Read Celery's repr of the arguments back into values where it is whole and plain,
    so that the task can be sent again.
    """
    try:
        found = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text
    if not isinstance(found, types) or "..." in text:
        return text
    return list(found) if isinstance(found, tuple) else found
