"""Scale-out: 1, 2, 4, 8 nodes, each with a spool and a drainer of its own, into one PostgreSQL.

All nodes run on this machine, so that a rate which no longer grows tells of its cores as much as of the database; what
counts is that nobody waits for long, that nothing deadlocks, and that the counts are exact. The spools are full when
the drainers begin together.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from . import addresses, page, plots
from .bench import say
from .contenders import OURS
from .drain_job import Outcome, Work
from .worker import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bench import Bench
    from .worker import Setup

EVENTS: Final = 100_000
"""Of all nodes together, unless the command line says otherwise."""
NODES: Final = (1, 2, 4, 8)
BATCH: Final = 500
SOME: Final = 100
"""Fewer than the new issues that an hour may bring, however many nodes have some of their own."""
CASES: Final = {"one for all": (1, 0), f"the same {SOME}": (SOME, 0), f"{SOME} of each node": (SOME, SOME)}
"""Fingerprints of a node, and how far one node's are from the next one's."""
POLL_SECONDS: Final = 0.02
DATABASE: Final = "postgresql"

WAITING: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
DEADLOCKS: Final = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
STORED: Final = "SELECT count(*) FROM issue_tracker_occurrence"
COUNTED: Final = "SELECT sum(occurrence_count) FROM issue_tracker_operationalissue"

HEADS: Final = [
    "nodes",
    "fingerprints",
    "occurrences/s",
    "÷ one node",
    "CPU µs an occurrence",
    "waiting for a lock",
    "deadlocks",
    "given up after 2 s",
    "rows",
    "counted",
]


@dataclass(slots=True, kw_only=True)
class Run:
    """What so many nodes came to."""

    nodes: int
    events: int
    rate: float = 0.0
    cpu_us: float = 0.0
    waiting: float = 0.0
    """Share of the drainers' time that they waited for a lock, as seen by looking every 20 ms."""
    deadlocks: int = 0
    outages: int = 0
    stored: int = 0
    counted: int = 0
    """By the issues' own counts; must equal the rows."""


def measure(bench: Bench) -> None:
    """Drain as many events with each number of nodes, once for each way in which their fingerprints may lie."""
    if bench.server is None:
        say("scale: left out, it needs PostgreSQL (--database postgresql)")
        return
    runs = {(case, nodes): _run(bench, nodes, *CASES[case]) for case in CASES for nodes in NODES}
    rows = [_row(case, run, runs[case, NODES[0]]) for (case, _nodes), run in runs.items()]
    title = f"{bench.options.events or EVENTS:,} spooled events of several nodes into one PostgreSQL"
    bench.publish("scale", title, page.table(HEADS, rows), database=DATABASE, plot=_plot(runs))


def _plot(runs: dict[tuple[str, int], Run]) -> str:
    series = {case: [runs[case, nodes].rate for nodes in NODES] for case in CASES}
    steps = [str(nodes) for nodes in NODES]
    title = "Occurrences stored a second, by fingerprints of the nodes"
    return plots.Lines(title=title, steps=steps, step_title="nodes, all on one machine", series=series).svg()


def _run(bench: Bench, nodes: int, fingerprints: int, distance: int) -> Run:
    run = Run(nodes=nodes, events=(bench.options.events or EVENTS) // nodes * nodes)
    works = [
        Work(
            events=run.events // nodes,
            fingerprints=fingerprints,
            batch=BATCH,
            first_fingerprint=node * distance,
            is_started_by_a_line=True,
        )
        for node in range(nodes)
    ]
    with bench.setup(OURS, pool="", database=DATABASE) as setup:
        _tell(run, _drained(run, setup, works))
        run.deadlocks, run.stored, run.counted = (_value(setup, query) for query in (DEADLOCKS, STORED, COUNTED))
    say(f"scale {nodes} × {fingerprints}: {run.rate:,.0f}/s, {run.deadlocks} deadlocks, {run.counted:,} counted")
    return run


def _drained(run: Run, setup: Setup, works: list[Work]) -> list[Outcome]:
    """Fill all spools, then let all drainers go at once."""
    with contextlib.ExitStack() as stack:
        jobs = [stack.enter_context(_node(setup, number, work)) for number, work in enumerate(works)]
        for job in jobs:
            _line(job)
        with _watching(run, setup):
            for job in jobs:
                print(file=job.stdin, flush=True)
            return [Outcome(**json.loads(_line(job))) for job in jobs]


@contextlib.contextmanager
def _node(setup: Setup, number: int, work: Work) -> Iterator[subprocess.Popen[str]]:
    own = {"BENCHMARK_SPOOL": str(setup.directory / f"spool-{number}")}
    command = [sys.executable, "-m", "benchmarks.drain_job", json.dumps(asdict(work))]
    settings = os.environ | environment(setup) | own
    with subprocess.Popen(
        command, env=settings, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        try:
            yield job
        except BaseException:
            job.kill()
            raise


def _line(job: subprocess.Popen[str]) -> str:
    line = job.stdout.readline() if job.stdout else ""
    if not line:
        raise RuntimeError(f"a drainer ended with {job.wait()} before it was done; its last lines are above")
    return line


@contextlib.contextmanager
def _watching(run: Run, setup: Setup) -> Iterator[None]:
    """Count who waits for a lock, again and again, for the length of the block."""
    ended, seen = threading.Event(), [0, 0]
    watcher = threading.Thread(target=_watch, args=(setup.database, ended, seen))
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        run.waiting = seen[1] / max(1, seen[0]) / run.nodes


def _watch(database: str, ended: threading.Event, seen: list[int]) -> None:
    with contextlib.closing(addresses.connect(database)) as connection:
        while not ended.is_set():
            seen[0] += 1
            seen[1] += addresses.value(connection, WAITING)
            time.sleep(POLL_SECONDS)


def _tell(run: Run, outcomes: list[Outcome]) -> None:
    began_at = min(outcome.began_at for outcome in outcomes)
    ended_at = max(outcome.began_at + outcome.seconds for outcome in outcomes)
    run.rate = run.events / (ended_at - began_at)
    run.cpu_us = sum(outcome.cpu_seconds for outcome in outcomes) / run.events * 1e6
    run.outages = sum(outcome.outages for outcome in outcomes)


def _value(setup: Setup, query: str) -> int:
    with contextlib.closing(addresses.connect(setup.database)) as connection:
        return int(addresses.value(connection, query) or 0)


def _row(case: str, run: Run, alone: Run) -> list[str]:
    return [
        str(run.nodes),
        case,
        f"{run.rate:,.0f}",
        f"{run.rate / alone.rate:.2f}",
        f"{run.cpu_us:.0f}",
        f"{run.waiting:.0%}",
        str(run.deadlocks),
        str(run.outages),
        f"{run.stored:,}",
        f"{run.counted:,}",
    ]
