"""A storm: a hundred thousand failures of one issue, then ten thousand different ones, through one spool and drainer.

One process fails as fast as it can (Celery's own tracer, no broker, so nothing throttles it) and a second one drains,
the side-car `issues drain --follow`, as it would beside a web server. Each failure has the numbers of its run in its
message and arguments. Bytes are those of our tables with their indexes, less what they take when empty.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import addresses, page, processes
from .bench import say
from .contenders import OURS
from .traced import WARM_UP_TASKS
from .worker import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .bench import Bench
    from .worker import Setup

EVENTS: Final = 100_000
"""Equal failures, unless the command line says otherwise; of the different ones a tenth."""
CASES: Final = (("equal", "benchmarks.fail", 1), ("different", "benchmarks.fail_differently", 10))
POLL_SECONDS: Final = 0.05
MAX_SETTLE_SECONDS: Final = 300.0

OCCURRENCES: Final = "SELECT count(*) FROM issue_tracker_occurrence"
ISSUES: Final = "SELECT count(*) FROM issue_tracker_operationalissue"
BYTES: Final = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
    "WHERE relkind = 'r' AND relname LIKE 'issue_tracker%'",
}

HEADS: Final = [
    "failures",
    "database",
    "captured/s",
    "settled after",
    "occurrences",
    "issues",
    "MB in the database",
    "bytes a failure",
    "spool, at most MB",
    "peak MiB of the drainer",
]


@dataclass(slots=True, kw_only=True)
class Storm:
    """What one storm came to."""

    failures: int
    capture_seconds: float = 0.0
    settle_seconds: float = 0.0
    """From the last failure until all rows are there."""
    occurrences: int = 0
    issues: int = 0
    stored_bytes: int = 0
    spool_bytes: int = 0
    """The most that waited at any time."""
    draining_kib: int = 0


def measure(bench: Bench) -> None:
    """Let each storm rage once on each database."""
    failures = bench.options.events or EVENTS
    rows = [
        _row(name, database, _rage(bench, database, task, failures // part))
        for database in bench.options.databases
        for name, task, part in CASES
    ]
    title = "A storm of failures through one spool and one drainer"
    bench.publish("storm", title, page.table(HEADS, rows), database=bench.options.databases[-1])


def _rage(bench: Bench, database: str, task: str, failures: int) -> Storm:
    storm = Storm(failures=failures + WARM_UP_TASKS)
    with bench.setup(OURS, pool="", database=database) as setup:
        empty = _value(setup, BYTES[database])
        with _process(setup, "django", "issues", "drain", "--follow") as drainer:
            with _process(setup, "benchmarks.traced", task, str(failures)) as failing:
                _fail(storm, setup, failing, drainer)
            _settle(storm, setup, drainer)
        storm.occurrences, storm.issues = _value(setup, OCCURRENCES), _value(setup, ISSUES)
        storm.stored_bytes = _value(setup, BYTES[database]) - empty
    say(f"storm {database} {task}: {storm.occurrences:,} rows, {storm.stored_bytes / 1e6:.1f} MB")
    return storm


def _fail(storm: Storm, setup: Setup, failing: subprocess.Popen[bytes], drainer: subprocess.Popen[bytes]) -> None:
    """Wait until everything has failed; look at the drainer and at the spool meanwhile."""
    spool, started_at = setup.directory / "spool", 0.0
    while failing.poll() is None:
        _look(storm, drainer, spool)
        if not started_at and _size(spool):
            started_at = time.monotonic()
        time.sleep(POLL_SECONDS)
    if failing.returncode:
        raise RuntimeError(f"the failing process ended with {failing.returncode}; its last lines are above")
    storm.capture_seconds = time.monotonic() - started_at


def _settle(storm: Storm, setup: Setup, drainer: subprocess.Popen[bytes]) -> None:
    since = time.monotonic()
    with contextlib.closing(addresses.connect(setup.database)) as connection:
        while addresses.value(connection, OCCURRENCES) < storm.failures:
            if time.monotonic() > since + MAX_SETTLE_SECONDS or drainer.poll() is not None:
                raise RuntimeError(f"not all of {storm.failures:,} failures were stored within {MAX_SETTLE_SECONDS} s")
            _look(storm, drainer, setup.directory / "spool")
            time.sleep(POLL_SECONDS)
    storm.settle_seconds = time.monotonic() - since
    _look(storm, drainer, setup.directory / "spool")


def _look(storm: Storm, drainer: subprocess.Popen[bytes], spool: Path) -> None:
    storm.draining_kib = max(storm.draining_kib, processes.peak_kib_of(drainer.pid))
    storm.spool_bytes = max(storm.spool_bytes, _size(spool))


def _size(spool: Path) -> int:
    """Return the bytes of the files of records. The preallocated reserve is none."""
    found = 0
    for path in spool.glob("*/records*"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_size
    return found


@contextlib.contextmanager
def _process(setup: Setup, *module: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m …` for the length of the block, or until it ends by itself."""
    command = [sys.executable, "-m", *module]
    with subprocess.Popen(command, env=os.environ | environment(setup), cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def _value(setup: Setup, query: str) -> int:
    with contextlib.closing(addresses.connect(setup.database)) as connection:
        return int(addresses.value(connection, query) or 0)


def _row(name: str, database: str, storm: Storm) -> list[str]:
    return [
        f"{storm.failures:,} {name}",
        database,
        f"{storm.failures / storm.capture_seconds:,.0f}",
        f"{storm.settle_seconds:.1f} s",
        f"{storm.occurrences:,}",
        f"{storm.issues:,}",
        f"{storm.stored_bytes / 1e6:.1f}",
        f"{storm.stored_bytes / storm.failures:,.0f}",
        f"{storm.spool_bytes / 1e6:.1f}",
        f"{storm.draining_kib / 1024:.0f}",
    ]
