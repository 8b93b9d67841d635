"""kill -9 at random over the pool's processes, the main process, the drainer and its keeper, while tasks keep failing.

Each task writes its id down before it fails. What was written must be found: as the failure it became, or, where the
kill came in between, as a lost task told by its slot. Nothing is found twice.
"""

from __future__ import annotations

import random
import signal
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from issue_tracker.models import Kind, Occurrence, OperationalIssue
from tests import workers
from tests.prey import PATIENCE_SECONDS, Prey
from tests.processes import send, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.brokers import Broker

pytestmark = pytest.mark.timeout(1_200)

SEED: Final = 20_260_214
VICTIMS: Final = ("child",) * 28 + ("main",) * 10 + ("drainer",) * 9 + ("keeper",) * 3
"""Fifty kills; fewer of main processes, for those take seconds to start again."""


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
