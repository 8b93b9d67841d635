"""How long Celery waits for the `task_failure` receivers in a child, with the database healthy, frozen and refused.

The clock runs around the whole signal, in the process that runs the task (see `stopwatch`). Meanwhile nothing is kept;
once the database is back every failure must arrive.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import figures, page, stopwatch, stored
from .bench import say
from .contenders import BARE, LOGS, NAIVE, OURS, Contender
from .worker import worker

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .bench import Bench
    from .worker import Setup

DATABASE: Final = "postgresql"
WARM_UP_TASKS: Final = 100
SETTLE_SECONDS: Final = 0.5
RETURN_SECONDS: Final = 60.0
"""How long rows may take to come once the database is back: twice the longest back-off."""

CASES: Final = (
    (BARE, "healthy"),
    (OURS, "healthy"),
    (OURS, "frozen"),
    (OURS, "refused"),
    (NAIVE, "healthy"),
    (NAIVE, "refused"),
    (LOGS, "healthy"),
)
"""A handler that inserts is not measured on a frozen database: its task would wait for as long as that lasts."""

HEADS: Final = [
    "",
    "database",
    "p50 µs",
    "p99 µs",
    "max µs",
    "p50 ÷ healthy",
    "p99 ÷ healthy",
    "failures stored afterwards",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Microseconds inside the receivers in one case, and what arrived in the end."""

    p50: float
    p99: float
    longest: float
    stored_count: int


def measure(bench: Bench) -> None:
    """Measure each case once, with as many failing tasks as the options say."""
    if bench.server is None or bench.server.process is None:
        say("latency: left out, it needs a PostgreSQL of our own (--database postgresql, no DATABASE_URL)")
        return
    bench.load.keep("warm-up", "benchmarks.fail", task_count=WARM_UP_TASKS, offset=bench.options.tasks)
    bench.load.keep("load", "benchmarks.fail", task_count=bench.options.tasks)
    readings = {case: _read(bench, *case) for case in CASES if case[0] in bench.options.contenders}
    rows = [_row(*case, readings[case], readings[case[0], "healthy"]) for case in readings]
    title = f"Time inside the task_failure receivers, {bench.options.tasks:,} failing tasks, prefork"
    bench.publish("latency", title, page.table(HEADS, rows), database=DATABASE)


def _read(bench: Bench, contender: Contender, state: str) -> Reading:
    with bench.setup(contender, pool="prefork", database=DATABASE) as setup:
        setup.environment["BENCHMARK_STOPWATCH"] = str(setup.directory / "stopwatch")
        times, arrived = _run(bench, setup, state)
    micros = [value / 1e3 for value in times]
    reading = Reading(
        p50=figures.median(micros), p99=figures.percentile(micros, 99), longest=max(micros), stored_count=arrived
    )
    say(f"latency {contender.name} {state}: p50 {reading.p50:.0f}, p99 {reading.p99:.0f} µs, stored {arrived}")
    return reading


def _row(contender: Contender, state: str, mine: Reading, healthy: Reading) -> list[str]:
    times = [f"{value:,.0f}" for value in (mine.p50, mine.p99, mine.longest)]
    ratios = [f"{a / b:.2f}" for a, b in ((mine.p50, healthy.p50), (mine.p99, healthy.p99))]
    return [contender.title, state, *times, *ratios, "-" if contender is BARE else f"{mine.stored_count:,}"]


def _run(bench: Bench, setup: Setup, state: str) -> tuple[list[int], int]:
    """Return the nanoseconds of each signal and how many of the failures were stored in the end."""
    count, is_counted = stored.counter(setup), setup.contender is not BARE
    with worker(setup):
        bench.load.wait(bench.load.release("warm-up"))
        before = stored.wait(count, expected=WARM_UP_TASKS * is_counted)
        time.sleep(SETTLE_SECONDS)
        with _database(bench, state):
            bench.load.wait(bench.load.release("load"))
        arrived = stored.wait(count, expected=before + bench.options.tasks * is_counted, quiet_seconds=_patience(state))
    times = stopwatch.read(setup.directory / "stopwatch")
    return times[-bench.options.tasks :], arrived - before


def _patience(state: str) -> float:
    return stored.QUIET_SECONDS if state == "healthy" else RETURN_SECONDS


def _database(bench: Bench, state: str) -> AbstractContextManager[None]:
    if bench.server is None or state == "healthy":
        return contextlib.nullcontext()
    return bench.server.frozen() if state == "frozen" else bench.server.refused()
