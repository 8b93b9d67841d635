"""What `manage.py issues prune` costs on a big PostgreSQL, and whom it keeps waiting: `python -m benchmarks.prune`.

The command runs in a process of its own. Meanwhile its backend's transactions are watched from outside (age of the
running one, every 2 ms), its memory is read from the kernel, and somebody else locks a random issue again and again, as
a drainer does, and takes the time that the lock took; the same before the prune, for on a busy machine that is slow at
times by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import django
import psycopg

from .admin_rows import fill
from .figures import median, percentile
from .page import table, write
from .processes import peak_kib_of
from .servers import postgres
from .worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL_SECONDS: Final = 0.002
PROBE_SECONDS: Final = 0.01
ALONE_SECONDS: Final = 20.0
"""How long the locks are timed before the prune."""
HEADS: Final = ("what", "figure")
LONGEST: Final = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)
FROM pg_stat_activity WHERE application_name = 'prune' AND backend_xid IS NOT NULL
"""
"""Only what has written has a transaction id: reading holds no lock that anybody waits for."""
LOCK: Final = "SELECT id FROM issue_tracker_operationalissue WHERE id = %s FOR UPDATE"


@dataclass(slots=True, kw_only=True)
class Watched:
    """What was seen from outside while the prune ran."""

    seconds: float = 0.0
    peak_mib: float = 0.0
    longest_seconds: float = 0.0
    alone_lock_seconds: list[float] = field(default_factory=list)
    lock_seconds: list[float] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Fill a fresh database, prune it, tell."""
    given = _parser().parse_args()
    with postgres() as server:
        os.environ.update(DATABASE_URL=server.address, DJANGO_SETTINGS_MODULE="tests.settings")
        django.setup()
        _prepare(given)
        watched = _pruned(server.address, given.issues)
    head = f"{given.occurrences:,} occurrences of {given.issues:,} issues, everything older than now may go."
    text = f"{head}\n\n{table(HEADS, _rows(watched))}"
    print(f"\n{text}")
    if given.write:
        write("prune", text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prune", description=__doc__)
    parser.add_argument("--issues", type=int, default=100_000)
    parser.add_argument("--occurrences", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90, help="how far back they go (default 90)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md, too")
    return parser


def _prepare(given: argparse.Namespace) -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    fill(issues=given.issues, occurrences=given.occurrences, days=given.days)


def _pruned(address: str, issues: int) -> Watched:
    environment = {
        **os.environ,
        "DATABASE_URL": f"{address}?application_name=prune",
        "ISSUE_TRACKER": json.dumps({"PRUNE_OCCURRENCES_AFTER": 0}),
    }
    command = [sys.executable, "-m", "django", "issues", "prune", "--format", "json"]
    watched = Watched()
    with _probing(address, issues, watched.alone_lock_seconds):
        time.sleep(ALONE_SECONDS)
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with _probing(address, issues, watched.lock_seconds):
        _watch(address, process, watched)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the prune ended with {process.returncode}")
    watched.seconds, watched.said = time.perf_counter() - began, json.loads(output)
    return watched


def _watch(address: str, process: subprocess.Popen[bytes], watched: Watched) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        while process.poll() is None:
            row = connection.execute(LONGEST).fetchone()
            watched.longest_seconds = max(watched.longest_seconds, float(row[0]) if row else 0.0)
            watched.peak_mib = max(watched.peak_mib, peak_kib_of(process.pid) / 1024)
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _probing(address: str, issues: int, seconds: list[float]) -> Iterator[None]:
    """Time locks for the length of the block."""
    ended = threading.Event()
    prober = threading.Thread(target=_probe, args=(address, issues, seconds, ended))
    prober.start()
    try:
        yield
    finally:
        ended.set()
        prober.join()


def _probe(address: str, issues: int, seconds: list[float], ended: threading.Event) -> None:
    """Lock one issue after the other, as a drainer does for a repeat, and let go again."""
    with psycopg.connect(address) as connection:
        for issue in _at_random(issues):
            if ended.is_set():
                return
            began = time.perf_counter()
            connection.execute(LOCK, (issue,))
            seconds.append(time.perf_counter() - began)
            connection.rollback()
            time.sleep(PROBE_SECONDS)


def _at_random(issues: int) -> Iterator[int]:
    chance = random.Random(1)
    while True:
        yield 1 + int(issues * chance.random())


def _rows(watched: Watched) -> list[tuple[str, str]]:
    deleted = watched.said["occurrences"]
    return [
        ("occurrences deleted", f"{deleted:,}"),
        ("issues deleted", f"{watched.said['issues']:,}"),
        ("time", f"{watched.seconds:,.0f} s ({deleted / watched.seconds:,.0f} occurrences/s)"),
        ("longest transaction: no lock is held longer", f"{watched.longest_seconds * 1000:.0f} ms"),
        ("somebody else's lock on an issue: median, p99, longest", _times(watched.lock_seconds)),
        ("the same before the prune", _times(watched.alone_lock_seconds)),
        ("peak memory of the process", f"{watched.peak_mib:.0f} MiB"),
    ]


def _times(seconds: list[float]) -> str:
    most = f"{percentile(seconds, 99) * 1000:.1f}, {max(seconds) * 1000:.0f}"
    return f"{median(seconds) * 1000:.1f}, {most} ms, of {len(seconds):,}"


if __name__ == "__main__":
    main()
