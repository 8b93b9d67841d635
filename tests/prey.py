"""A host whose processes are killed at random while its tasks keep failing, for tests and for the chaos run.

Each task writes its id down before it fails: what was written must be found later.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests import workers
from tests.processes import send, until

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

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
        if victim == "keeper":
            # Both killed before the drainer has taken its place: the one case in which nobody replaces them.
            until(
                lambda: self.host.keeper() not in {None, pid},
                why="the drainer has become the keeper",
                timeout_seconds=PATIENCE_SECONDS,
            )
        if victim == "main":
            self.worker.process.wait()
            self.start_worker()
