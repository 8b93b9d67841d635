"""How fast one drainer empties a full spool: equal and different failures, by database and batch size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from . import figures, page
from .bench import say
from .contenders import OURS
from .drain_job import Outcome
from .worker import ROOT, environment

if TYPE_CHECKING:
    from .bench import Bench

FINGERPRINTS: Final = (1, 10_000)
BATCHES: Final = (100, 500, 2_000)
"""Records a transaction; 500 is the product's own."""
HEADS: Final = ["database", "fingerprints", "batch", "events/s", "CPU µs an event", "peak MiB", "rows stored"]


def measure(bench: Bench) -> None:
    """Drain as many events as the options say, for each combination, once a round."""
    cases = [(d, f, b) for d in bench.options.databases for f in FINGERPRINTS for b in BATCHES]
    runs: dict[tuple[str, int, int], list[Outcome]] = {case: [] for case in cases}
    for _ in range(bench.options.pairs):
        for case in cases:
            runs[case].append(run(bench, *case))
            outcome = runs[case][-1]
            say(f"drain {case}: {bench.options.events / outcome.seconds:,.0f}/s, {outcome.stored_count:,} stored")
    rows = [_row(bench.options.events, case, outcomes) for case, outcomes in runs.items()]
    title = f"{bench.options.events:,} spooled events, one drainer, median of {bench.options.pairs} rounds"
    bench.publish("drain", title, page.table(HEADS, rows), database=bench.options.databases[-1])


def run(bench: Bench, database: str, fingerprints: int, batch: int, *, event_count: int = 0) -> Outcome:
    """Drain once, as many events as the options say unless told."""
    numbers = (event_count or bench.options.events, fingerprints, batch)
    command = [sys.executable, "-m", "benchmarks.drain_job", *map(str, numbers)]
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
