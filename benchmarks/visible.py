"""From the failure to the row that a query sees, on a worker that has nothing else to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from . import figures, page, stored
from .addresses import connect, value
from .bench import say
from .contenders import BARE, SENTRY
from .worker import worker

if TYPE_CHECKING:
    from pathlib import Path

    from .bench import Bench
    from .contenders import Contender
    from .worker import Setup

FAILURES: Final = 20
WARM_UP_TASKS: Final = 20
IDLE_SECONDS: Final = 0.7
"""Between two failures, so that a drainer that waits longer the longer nothing comes is caught doing so."""
MAX_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.002
HEADS: Final = ["", "database", "median ms", "max ms"]


def measure(bench: Bench) -> None:
    """Measure every contender that stores rows, on each database."""
    for database in bench.options.databases:
        bench.load.keep("warm-up", "benchmarks.fail", task_count=WARM_UP_TASKS)
        contenders = [c for c in bench.options.contenders if c not in {BARE, SENTRY}]
        rows = [_row(bench, contender, database) for contender in contenders]
        title = f"From failure to visible row, idle worker, prefork, {FAILURES} failures"
        bench.publish(f"visible {database}", title, page.table(HEADS, rows), database=database)


def _row(bench: Bench, contender: Contender, database: str) -> list[str]:
    with bench.setup(contender, pool="prefork", database=database) as setup, worker(setup):
        bench.load.wait(bench.load.release("warm-up"))
        stored.wait(stored.counter(setup), expected=WARM_UP_TASKS)
        delays = [_one(bench, setup, setup.directory / f"failed-{number}") for number in range(FAILURES)]
    say(f"visible {contender.name} {database}: {figures.median(delays) * 1e3:.1f} ms")
    return [contender.title, database, f"{figures.median(delays) * 1e3:,.1f}", f"{max(delays) * 1e3:,.1f}"]


def _one(bench: Bench, setup: Setup, told: Path) -> float:
    """Return the seconds from one failure to its row."""
    query = setup.contender.count_query
    time.sleep(IDLE_SECONDS)
    connection = connect(setup.database)
    try:
        before = value(connection, query)
        bench.load.send("benchmarks.fail_and_tell", str(told))
        deadline = time.monotonic() + MAX_SECONDS
        while value(connection, query) == before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{setup.contender.title}: no row within {MAX_SECONDS:.0f} seconds of a failure.")
            time.sleep(POLL_SECONDS)
        return time.time() - float(told.read_text())
    finally:
        connection.close()
