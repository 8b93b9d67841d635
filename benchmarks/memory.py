"""Memory of a worker node that saw no failure: main process, children and whatever a contender starts beside them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from . import figures, page, processes
from .bench import say
from .contenders import BARE
from .worker import worker

if TYPE_CHECKING:
    from .bench import Bench
    from .contenders import Contender
    from .processes import Memory

TASKS: Final = 200
IDLE_SECONDS: Final = 2.0
"""After the tasks, for drainers and threads that start late."""
HEADS: Final = ["", "private MiB", "more than bare", "proportional MiB", "more than bare", "processes"]


def measure(bench: Bench) -> None:
    """Measure every contender in turn, on each pool and database, after some tasks that succeeded."""
    bench.load.keep("load", "benchmarks.succeed", task_count=TASKS)
    for pool in bench.options.pools:
        for database in bench.options.databases:
            _compare(bench, pool=pool, database=database)


def _compare(bench: Bench, *, pool: str, database: str) -> None:
    readings: dict[str, list[Memory]] = {contender.name: [] for contender in bench.options.contenders}
    for _ in range(bench.options.pairs):
        for contender in bench.options.contenders:
            reading = _read(bench, contender, pool=pool, database=database)
            readings[contender.name].append(reading)
            say(f"memory {pool} {database}: {contender.name:8} {reading.private:8,} KiB private")
    rows = [_row(contender, readings) for contender in bench.options.contenders]
    title = f"Memory after {TASKS} tasks that succeed, {pool}, {database}, median of {bench.options.pairs} rounds"
    bench.publish(f"memory {pool} {database}", title, page.table(HEADS, rows), database=database)


def _read(bench: Bench, contender: Contender, *, pool: str, database: str) -> Memory:
    with bench.setup(contender, pool=pool, database=database) as setup, worker(setup) as root:
        bench.load.wait(bench.load.release("load"))
        time.sleep(IDLE_SECONDS)
        return processes.memory(root)


def _row(contender: Contender, readings: dict[str, list[Memory]]) -> list[str]:
    mine, bare = readings[contender.name], readings[BARE.name]
    private = [m.private / 1024 for m in mine]
    more_private = [(m.private - b.private) / 1024 for m, b in zip(mine, bare, strict=True)]
    proportional = [m.proportional / 1024 for m in mine]
    more_proportional = [(m.proportional - b.proportional) / 1024 for m, b in zip(mine, bare, strict=True)]
    shown = [private, more_private, proportional, more_proportional]
    count = figures.median([m.process_count for m in mine])
    return [contender.title, *(figures.with_spread(values, ".1f") for values in shown), f"{count:.0f}"]
