"""How fast one drainer empties a full spool: equal and different failures, by database and batch size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from . import figures, page, plots
from .bench import say
from .contenders import OURS
from .drain_job import Outcome, Work
from .worker import ROOT, environment

if TYPE_CHECKING:
    from .bench import Bench

EVENTS: Final = 20_000
"""Unless the command line says otherwise."""
FINGERPRINTS: Final = (1, 10_000)
BATCHES: Final = (100, 500, 2_000)
"""Records a transaction; 500 is the product's own."""
HEADS: Final = ["database", "fingerprints", "batch", "events/s", "CPU µs an event", "peak MiB", "rows stored"]


def measure(bench: Bench) -> None:
    """Drain as many events as the options say, for each combination, once a round."""
    events = bench.options.events or EVENTS
    cases = [(d, f, b) for d in bench.options.databases for f in FINGERPRINTS for b in BATCHES]
    runs: dict[tuple[str, int, int], list[Outcome]] = {case: [] for case in cases}
    for _ in range(bench.options.pairs):
        for case in cases:
            runs[case].append(run(bench, *case, event_count=events))
            outcome = runs[case][-1]
            say(f"drain {case}: {events / outcome.seconds:,.0f}/s, {outcome.stored_count:,} stored")
    rows = [_row(events, case, outcomes) for case, outcomes in runs.items()]
    title = f"{events:,} spooled events, one drainer, median of {bench.options.pairs} rounds"
    plot = _plot(bench, events, runs)
    bench.publish("drain", title, page.table(HEADS, rows), database=bench.options.databases[-1], plot=plot)


def _plot(bench: Bench, events: int, runs: dict[tuple[str, int, int], list[Outcome]]) -> str:
    rates = {
        case: figures.median([events / outcome.seconds for outcome in outcomes]) for case, outcomes in runs.items()
    }
    series = {
        f"{database}, {'equal' if fingerprints == 1 else 'different'}": [
            rates[database, fingerprints, batch] for batch in BATCHES
        ]
        for database in bench.options.databases
        for fingerprints in FINGERPRINTS
    }
    steps = [f"{batch:,}" for batch in BATCHES]
    title = "Occurrences drained a second by one drainer"
    return plots.Lines(title=title, steps=steps, step_title="records a batch", series=series).svg()


def run(bench: Bench, database: str, fingerprints: int, batch: int, *, event_count: int) -> Outcome:
    """Drain so many events once."""
    work = Work(events=event_count, fingerprints=fingerprints, batch=batch)
    command = [sys.executable, "-m", "benchmarks.drain_job", json.dumps(asdict(work))]
    with bench.setup(OURS, pool="", database=database) as setup:
        done = subprocess.run(
            command, env=os.environ | environment(setup), cwd=ROOT, check=True, stdout=subprocess.PIPE
        )
    return Outcome(**json.loads(done.stdout))


def _row(event_count: int, case: tuple[str, int, int], outcomes: list[Outcome]) -> list[str]:
    database, fingerprints, batch = case
    rate = [event_count / outcome.seconds for outcome in outcomes]
    cpu = [outcome.cpu_seconds / event_count * 1e6 for outcome in outcomes]
    peak = figures.median([outcome.peak_mib for outcome in outcomes])
    stored = figures.median([outcome.stored_count for outcome in outcomes])
    shown = [figures.with_spread(rate, ",.0f"), figures.with_spread(cpu, ".0f"), f"{peak:.0f}", f"{stored:,.0f}"]
    return [database, f"{fingerprints:,}", f"{batch:,}", *shown]
