"""kill -9 at random over the pool's processes, the main process, the drainer and its keeper, while tasks keep failing.

Each task writes its id down before it fails. What was written must be found: as the failure it became, or, where the
kill came in between, as a lost task told by its slot. Nothing is found twice.
"""

from __future__ import annotations

import itertools
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from issue_tracker.models import Kind, Occurrence, OperationalIssue
from tests import workers
from tests.processes import send, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.brokers import Broker

pytestmark = pytest.mark.timeout(1_200)

SEED: Final = 20_260_214
VICTIMS: Final = ("child",) * 28 + ("main",) * 10 + ("drainer",) * 9 + ("keeper",) * 3
"""Fifty kills; fewer of main processes, for those take seconds to start again."""
BACKLOG: Final = 40
"""Tasks that are sent before each kill, so that its victim is at work."""
MAX_DELAY_SECONDS: Final = 0.1
"""Between the first failure of a round and its kill: a task of these takes a few milliseconds."""
PATIENCE_SECONDS: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Prey:
    """A host whose processes are killed, and whose worker is started again."""

    host: workers.Host
    chance: random.Random
    worker: workers.Worker = field(init=False)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    killed: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> Path:
        """Where the tasks write their ids."""
        return self.host.directory / "notes"

    def noted(self) -> list[str]:
        """Return the ids of the tasks that began."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def start_worker(self) -> None:
        """Start a worker, beside what is left of the one before."""
        self.worker = workers.start(self.host, name=f"worker{next(self.numbers)}")

    def give_work(self) -> None:
        """Send tasks, and return once one of them fails."""
        before = len(self.noted())
        with self.host.client() as app:
            for _ in range(BACKLOG):
                app.send_task("tests.project.tasks.fail_noted", args=[str(self.notes)])
        until(lambda: len(self.noted()) > before, why="a task fails", timeout_seconds=PATIENCE_SECONDS)

    def kill(self, victim: str) -> None:
        """Kill one process at a random moment of its work."""
        find = {"drainer": self.host.drainer, "keeper": self.host.keeper}.get(victim)
        if find:
            until(find, why=f"a {victim} serves", timeout_seconds=PATIENCE_SECONDS)
        self.give_work()
        time.sleep(self.chance.uniform(0, MAX_DELAY_SECONDS))  # nothing is waited for: it spreads the kills

        if victim == "child":
            pid = self.chance.choice(until(self.worker.children, why="the pool has a process"))
        elif find:
            pid = until(find, why=f"a {victim} serves", timeout_seconds=PATIENCE_SECONDS)
        else:
            pid = self.worker.pid
        send(pid, signal.SIGKILL)
        self.killed[victim] += 1
        if victim == "main":
            self.worker.process.wait()
            self.start_worker()


@pytest.fixture
def prey(tmp_path: Path, broker: Broker, live_sqlite: str) -> Iterator[Prey]:
    """A host with a running worker; none of its processes is left afterwards."""
    host = workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_sqlite)
    found = Prey(host=host, chance=random.Random(SEED))
    try:
        found.start_worker()
        yield found
    finally:
        for pid in host.processes():
            send(pid, signal.SIGKILL)
        found.worker.process.wait()


def test_fifty_kills_lose_nothing_and_double_nothing(prey: Prey, attach: Callable[[str], str]) -> None:
    """0 lost, 0 twice: a row for each run that was noted, and the issues count their rows."""
    table = Occurrence.objects.using(attach(prey.host.database_url))
    victims = prey.chance.sample(VICTIMS, k=len(VICTIMS))

    for victim in victims:
        prey.kill(victim)
    until(
        lambda: set(prey.noted()) <= set(table.values_list("task_id", flat=True)),
        why="every task that began has a row",
        timeout_seconds=2 * PATIENCE_SECONDS,
        every_seconds=0.2,
    )
    prey.worker.stop(timeout_seconds=PATIENCE_SECONDS)
    until(lambda: not prey.host.processes(), why="every process has ended", timeout_seconds=PATIENCE_SECONDS)

    assert prey.killed.keys() == {"child", "main", "drainer", "keeper"}
    rows = list(table.select_related("issue"))
    found, begun = Counter(row.task_id for row in rows), Counter(prey.noted())
    assert {task_id: found[task_id] for task_id in begun} == begun
    # What was killed between its first step and its note has a row too.
    assert all(found[task_id] == 1 for task_id in found.keys() - begun.keys())
    assert {row.kind for row in rows} <= {Kind.FAILURE, Kind.WORKER_LOST}
    for issue in OperationalIssue.objects.using(table.db):
        assert issue.occurrence_count == sum(row.issue_id == issue.pk for row in rows), issue
