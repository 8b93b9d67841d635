"""One host at work: tasks that write their ids down and fail, and what of them is found in the database."""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.db import DatabaseError, connections

from issue_tracker.models import Kind, Occurrence
from tests import workers
from tests.processes import send, until

from .finding import Tally, compared
from .stage import attached, miscounted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INCLUDE: Final = "tests.project.tasks,chaos.tasks"
ARRIVAL_SECONDS: Final = 60.0
"""How long a row may take: twice the longest back-off of a drainer."""
DEATHS: Final = {Kind.FAILURE, Kind.WORKER_LOST}
"""What a task that fails, or is killed before it does, is found as."""


@dataclass(slots=True, kw_only=True)
class Play:
    """A host, its workers, and the database that its failures go to, readable as `alias`."""

    host: workers.Host
    alias: str
    workers: list[workers.Worker] = field(default_factory=list)
    sent: int = 0

    @property
    def notes(self) -> Path:
        """Where the tasks write their ids."""
        return self.host.directory / "notes"

    def start(self, **choices: Any) -> workers.Worker:
        """Start a worker of this host."""
        name = f"worker{len(self.workers)}"
        worker = workers.start(self.host, **{"name": name, "include": INCLUDE, **choices})
        self.workers.append(worker)
        return worker

    def send(self, count: int, task: str = "chaos.tasks.fail_noted_as", *args: object) -> None:
        """Send so many tasks, each with the notes' path first; nothing is waited for."""
        arguments = args or ("noted, then failed",)
        with self.host.client() as app:
            for _ in range(count):
                app.send_task(task, args=[str(self.notes), *arguments])
        self.sent += count

    def noted(self) -> list[str]:
        """Return the ids of the tasks that began."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def await_begun(self, *, timeout_seconds: float = ARRIVAL_SECONDS) -> None:
        """Wait until every task that was sent has begun."""
        until(lambda: len(self.noted()) >= self.sent, why="every task begins", timeout_seconds=timeout_seconds)

    def rows(self) -> list[Occurrence]:
        """Return what is stored; nothing while the database can't be read."""
        try:
            return list(Occurrence._base_manager.using(self.alias).select_related("issue"))
        except DatabaseError:
            connections[self.alias].close()
            return []

    def arrived(self) -> int:
        """Count what is stored of the tasks that began; 0 while the database can't be read."""
        return len(set(self.noted()) & {row.task_id for row in self.rows()})

    def await_rows(self, count: int | None = None, *, timeout_seconds: float = ARRIVAL_SECONDS) -> float:
        """Wait until so many of the noted tasks (all of them, unless given) have rows; returns the seconds it took.

        Gives up in silence: what is missing then is told by the tally.
        """
        began = time.monotonic()
        wanted = count if count is not None else len(set(self.noted()))
        with contextlib.suppress(AssertionError):
            until(lambda: self.arrived() >= wanted, why="rows", timeout_seconds=timeout_seconds, every_seconds=0.1)
        return time.monotonic() - began

    def tally(self) -> Tally:
        """Hold the notes against the rows; a row that is not what its task raised, or a miscounted issue, is torn."""
        rows = self.rows()
        torn = sum(not _is_whole(row) for row in rows) + miscounted(self.alias)
        return compared(self.noted(), [row.task_id for row in rows if row.task_id], torn=torn)

    def log_text(self) -> str:
        """Return what all its workers wrote."""
        return "\n".join(worker.log_text() for worker in self.workers)


def _is_whole(row: Occurrence) -> bool:
    issue = row.issue
    has_text = bool(row.error_message or issue.error_message)
    if not row.task_id:
        return has_text and row.kind == Kind.WORKER_FAILED  # of its own: its broker is gone
    if row.kind not in DEATHS or not issue.task:
        return False
    return has_text and (row.kind != Kind.FAILURE or "UpstreamError" in (row.traceback or issue.traceback))


@contextlib.contextmanager
def playing(host: workers.Host) -> Iterator[Play]:
    """Give a play for the length of a block; whatever is left of its processes is killed after it."""
    with attached(host.database_url) as alias:
        play = Play(host=host, alias=alias)
        try:
            yield play
        finally:
            for pid in host.processes():
                send(pid, signal.SIGCONT)
                send(pid, signal.SIGKILL)
            for worker in play.workers:
                worker.process.wait()
