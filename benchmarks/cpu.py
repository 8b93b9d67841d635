"""CPU time of a whole worker for each task, and tasks a second, side by side and alternating.

A run: start the worker, let it work through a small load of the same tasks (imports, first connections, both children),
read its CPU time, copy the load into its queue, wait until all tasks have ended and all rows are stored, read it again.
So neither start-up nor shutdown is in the figure, and whatever a contender puts off (a drainer, a sending thread) is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import figures, page, plots, stored
from .bench import say
from .contenders import BARE
from .processes import cpu_seconds
from .worker import worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bench import Bench
    from .contenders import Contender
    from .worker import Setup

WARM_UP_TASKS = 100
SETTLE_SECONDS = 0.3
"""After the last row, for what follows a commit (acknowledging, deleting); the same for all."""

HEADS = {
    "fail": ["", "CPU µs a task", "÷ bare", "tasks/s", "÷ bare", "failures stored"],
    "succeed": ["", "CPU µs a task", "÷ bare", "tasks/s", "÷ bare"],
}
VERBS = {"fail": "fails", "succeed": "succeeds"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One contender, once."""

    cpu_us: float
    """CPU microseconds a task, of all processes of the worker."""
    rate: float
    """Tasks a second, until the last task has ended."""
    stored_count: int
    """Failures that arrived where the contender keeps them."""


def measure(bench: Bench) -> None:
    """Measure every combination that the options name."""
    options = bench.options
    for load in options.loads:
        bench.load.keep("warm-up", f"benchmarks.{load}", task_count=WARM_UP_TASKS, offset=options.tasks)
        bench.load.keep("load", f"benchmarks.{load}", task_count=options.tasks)
        for pool in options.pools:
            for database in options.databases:
                _compare(bench, load, pool=pool, database=database)


def _compare(bench: Bench, load: str, *, pool: str, database: str) -> None:
    runs: dict[str, list[Run]] = {contender.name: [] for contender in bench.options.contenders}
    for number in range(1, bench.options.pairs + 1):
        for contender in bench.options.contenders:
            with bench.setup(contender, pool=pool, database=database) as setup:
                run = _run(bench, setup, load)
            runs[contender.name].append(run)
            figure = f"{run.cpu_us:7.0f} µs {run.rate:6.0f}/s {run.stored_count:6}"
            say(f"{load} {pool} {database} {number}/{bench.options.pairs}: {contender.name:8} {figure}")
    rows = [_row(bench, contender, runs, load) for contender in bench.options.contenders]
    title = f"{bench.options.tasks:,} tasks that {load}, {pool}, {database}, median of {bench.options.pairs} rounds"
    plot = plots.bars(f"CPU of the worker for a task that {VERBS[load]} ÷ bare Celery", _ratios(bench, runs), mark=1)
    bench.publish(f"cpu {load} {pool} {database}", title, page.table(HEADS[load], rows), database=database, plot=plot)


def _ratios(bench: Bench, runs: dict[str, list[Run]]) -> dict[str, float]:
    return {c.title: figures.median(_cpu_ratio(runs[c.name], runs[BARE.name])) for c in bench.options.contenders}


def _cpu_ratio(mine: list[Run], bare: list[Run]) -> list[float]:
    return [a.cpu_us / b.cpu_us for a, b in zip(mine, bare, strict=True)]


def _run(bench: Bench, setup: Setup, load: str) -> Run:
    count = stored.counter(setup)
    is_counted = load == "fail" and setup.contender is not BARE
    with worker(setup) as root:
        before = _work(bench, count, "warm-up", expected=WARM_UP_TASKS * is_counted)
        cpu, started_at = cpu_seconds(root), time.monotonic()
        bench.load.wait(bench.load.release("load"))
        seconds = time.monotonic() - started_at
        _settle(count, before + bench.options.tasks * is_counted)
        cpu = cpu_seconds(root) - cpu
    return Run(
        cpu_us=cpu / bench.options.tasks * 1e6,
        rate=bench.options.tasks / seconds,
        stored_count=count() - before,  # after the warm stop, which may bring more
    )


def _work(bench: Bench, count: Callable[[], int], name: str, *, expected: int) -> int:
    before = count()
    bench.load.wait(bench.load.release(name))
    _settle(count, before + expected)
    return count()


def _settle(count: Callable[[], int], expected: int) -> None:
    stored.wait(count, expected=expected)
    time.sleep(SETTLE_SECONDS)


def _row(bench: Bench, contender: Contender, runs: dict[str, list[Run]], load: str) -> list[str]:
    mine, bare = runs[contender.name], runs[BARE.name]
    cpu = [run.cpu_us for run in mine]
    rate = [run.rate for run in mine]
    rate_ratio = [a.rate / b.rate for a, b in zip(mine, bare, strict=True)]
    row = [contender.title, figures.with_spread(cpu, ",.0f"), figures.with_spread(_cpu_ratio(mine, bare), ".3f")]
    row += [figures.with_spread(rate, ",.0f"), figures.with_spread(rate_ratio, ".3f")]
    if load == "fail":
        row.append(_stored(bench, contender, mine))
    return row


def _stored(bench: Bench, contender: Contender, runs: list[Run]) -> str:
    if contender is BARE:
        return "-"
    return f"{figures.median([run.stored_count for run in runs]):,.0f} of {bench.options.tasks:,}"
