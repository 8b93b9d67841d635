"""Three nodes drain into one database while their drainers are killed: every count exact, one issue a fingerprint."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pytest

from issue_tracker.models import Occurrence, OperationalIssue
from tests import workers
from tests.processes import ROOT, send, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NODES: Final = 3
EVENTS: Final = 10_000
FINGERPRINTS: Final = 20
ROUNDS: Final = 20
"""In each, every node gets its share of events, and one drainer is killed while they are drained."""
MAX_SHARE_DRAINED: Final = 0.8
"""Of a round's events that may be stored when the kill comes: later it would meet an idle drainer."""

FILL = f"""
import sys, django
django.setup()
from issue_tracker.recording import append
from tests.events import an_event
for line in sys.stdin:
    for number in range(*map(int, line.split())):
        append(an_event(task_id=f"task {{number}}", fingerprint=f"{{number % {FINGERPRINTS}:064}}"))
    print("filled", flush=True)
"""


@dataclass(slots=True, kw_only=True)
class Node:
    """A host with a process that records and one that drains."""

    host: workers.Host
    filler: subprocess.Popen[str] = field(init=False)
    drainer: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start both."""
        command, environment = [sys.executable, "-c", FILL], self.host.environment()
        pipe = subprocess.PIPE
        self.filler = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
        self.start_drainer()

    def start_drainer(self) -> None:
        """Start the side-car that empties this node's spool; it logs what it can't do."""
        with (self.host.directory / "drain.log").open("ab") as log:
            command = [sys.executable, "-m", "django", "issues", "drain", "--follow"]
            self.drainer = subprocess.Popen(command, cwd=ROOT, env=self.host.environment(), stdout=log, stderr=log)

    def fill(self, numbers: range) -> None:
        """Record the events of these numbers."""
        assert self.filler.stdin
        assert self.filler.stdout
        self.filler.stdin.write(f"{numbers.start} {numbers.stop}\n")
        self.filler.stdin.flush()
        assert self.filler.stdout.readline() == "filled\n"

    def kill_drainer(self) -> None:
        """Kill -9, and start another one."""
        self.drainer.kill()
        self.drainer.wait()
        self.start_drainer()

    def end(self) -> None:
        """Leave no process."""
        for pid in self.host.processes():
            send(pid, signal.SIGKILL)
        self.filler.communicate()
        self.drainer.wait()


@pytest.fixture(params=["sqlite", "postgresql"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Node]]:
    """Three nodes with one database."""
    database_url = request.getfixturevalue(f"live_{request.param}")
    found = []
    for number in range(NODES):
        directory = tmp_path / str(number)
        directory.mkdir()
        host = workers.Host(directory=directory, broker_url="memory://", database_url=database_url)
        found.append(Node(host=host))
    try:
        for node in found:
            node.start()
        yield found
    finally:
        for node in found:
            node.end()


@pytest.mark.timeout(600)
def test_killed_drainers_of_three_nodes_count_exactly(nodes: list[Node], attach: Callable[[str], str]) -> None:
    """10,000 events of 20 fingerprints, twenty kills: 20 open issues of 500 occurrences, and 10,000 rows."""
    alias = attach(nodes[0].host.database_url)
    rows, chance = Occurrence.objects.using(alias), random.Random(20_261_125)
    share = EVENTS // ROUNDS

    for first in range(0, EVENTS, share):
        for place, node in enumerate(nodes):
            node.fill(range(first + share * place // NODES, first + share * (place + 1) // NODES))
        goal = first + chance.uniform(0, MAX_SHARE_DRAINED) * share
        until(lambda goal=goal: rows.count() >= goal, why="the events are being drained", timeout_seconds=60)
        chance.choice(nodes).kill_drainer()
    until(lambda: rows.count() >= EVENTS, why="all events are stored", timeout_seconds=60)

    issues = OperationalIssue.objects.using(alias)
    assert rows.count() == rows.values("task_id").distinct().count() == EVENTS
    assert dict(issues.values_list("open_key", "occurrence_count")) == {
        f"{number:064}": EVENTS // FINGERPRINTS for number in range(FINGERPRINTS)
    }
    assert all(issue.occurrences.count() == issue.occurrence_count for issue in issues)
    assert set(issues.values_list("status", "is_returned")) == {("open", False)}
