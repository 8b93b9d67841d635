"""From rows to problems, in figures: a burst folded, a group sent again after an outage, recurrence told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from . import drain_rate, figures, page, stored
from .bench import say
from .contenders import OURS
from .problem_jobs import Recurred, Requeued
from .processes import cpu_seconds
from .worker import ROOT, environment, worker

if TYPE_CHECKING:
    from pathlib import Path

    from .bench import Bench
    from .worker import Setup

BURST: Final = 10_000
"""Equal failures."""
BATCH: Final = 500
"""Records a transaction: the product's own."""
GROUP: Final = 1_000
"""Failures of an outage, sent again after it."""
OCCURRENCES: Final = 100_000
"""Of the issue whose recurrence is told."""
HEADS: Final = ["what", "database", "result", "figure", "asked for"]


def measure(bench: Bench) -> None:
    """Measure all three on each database that the options name."""
    rows: list[list[str]] = []
    for database in bench.options.databases:
        for part in (_burst, _requeue, _recurrence):
            rows.append(part(bench, database))
            say("problems " + " | ".join(rows[-1]))
    title = f"Median of {bench.options.pairs} rounds"
    bench.publish("problems", title, page.table(HEADS, rows), database=bench.options.databases[-1])


def _burst(bench: Bench, database: str) -> list[str]:
    runs = [drain_rate.run(bench, database, 1, BATCH, event_count=BURST) for _ in range(bench.options.pairs)]
    rates = figures.with_spread([BURST / run.seconds for run in runs], ",.0f")
    cpu = figures.with_spread([run.cpu_seconds / BURST * 1e6 for run in runs], ".0f")
    result = f"1 issue, {min(run.stored_count for run in runs):,} occurrences"
    return [f"{BURST:,} equal failures drained", database, result, f"{rates}/s ({cpu} µs CPU each)", "≥ 5,000/s"]


def _requeue(bench: Bench, database: str) -> list[str]:
    runs, cpu = [], []
    for _ in range(bench.options.pairs):
        with bench.setup(OURS, pool="prefork", database=database) as setup:
            outcome, seconds, done = _group(bench, setup)
        if sorted(done) != list(range(GROUP)):
            raise RuntimeError(f"{len(done):,} ran, {len(set(done)):,} different ones; {GROUP:,} were to run once each")
        runs.append(outcome)
        cpu.append(seconds)
    result = f"{min(run.sent_count for run in runs):,} sent once each, issue {', '.join({run.status for run in runs})}"
    return [
        f"{GROUP:,} sent again after an outage",
        database,
        result,
        f"{figures.with_spread(cpu, '.1f')} s CPU",
        "≤ 30 s",
    ]


def _group(bench: Bench, setup: Setup) -> tuple[Requeued, float, list[int]]:
    """Let tasks fail, end the outage, send them again.

    Returns what became of it, CPU seconds of the worker and of who asked, and the numbers of the tasks that succeeded.
    """
    upstream, done = setup.directory / "upstream", setup.directory / "done"
    with worker(setup) as root:
        for number in range(GROUP):
            bench.load.send("benchmarks.need", str(upstream), str(done), str(number))
        stored.wait(stored.counter(setup), expected=GROUP, quiet_seconds=60)
        upstream.touch()
        before = cpu_seconds(root)
        outcome = Requeued(**_job(setup, "requeue"))
        return outcome, cpu_seconds(root) - before + outcome.cpu_seconds, _numbers(done)


def _numbers(done: Path) -> list[int]:
    return [int(line) for line in done.read_text().splitlines()]


def _recurrence(bench: Bench, database: str) -> list[str]:
    with bench.setup(OURS, pool="", database=database) as setup:
        outcome = Recurred(**_job(setup, "recurrence", str(OCCURRENCES)))
    wall, cpu = (figures.with_spread(values, ".0f") for values in (outcome.milliseconds, outcome.cpu_milliseconds))
    shown = f"{wall} ms ({cpu} ms CPU of the process)"
    return [f"recurrence of {outcome.total:,} occurrences", database, " ".join(outcome.said), shown, "≤ 100 ms"]


def _job(setup: Setup, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.problem_jobs", *arguments]
    done = subprocess.run(command, env=os.environ | environment(setup), cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
