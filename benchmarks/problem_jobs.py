"""What `problems` measures, each in a process of its own: `requeue`, `recurrence <count>`.

Prints one line of JSON.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import django

if TYPE_CHECKING:
    from issue_tracker.models import OperationalIssue

REPEATS: Final = 15
POLL_SECONDS: Final = 0.05
MAX_SECONDS: Final = 300.0
DAYS: Final = 29
CHUNK: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued:
    """What became of a group that was sent again."""

    status: str
    """Of the issue, in the end."""
    sent_count: int
    succeeded_count: int
    seconds: float
    """From the start of the job until the issue had resolved itself."""
    cpu_seconds: float
    """Of the process that started the job, and then waited."""


def requeue() -> Requeued:
    """Send the one issue's occurrences again, in the background, and wait until it has resolved itself."""
    from benchmarks.celery_app import app
    from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
    from issue_tracker.requeue import jobs

    app.set_default()
    started_at, cpu = time.perf_counter(), time.process_time()
    jobs.start(OperationalIssue.objects.open())
    while OperationalIssue.objects.open().exists() and time.perf_counter() - started_at < MAX_SECONDS:
        time.sleep(POLL_SECONDS)
    return Requeued(
        status=OperationalIssue.objects.get().status,
        sent_count=RequeueJob.objects.get().sent_count,
        succeeded_count=Occurrence.objects.filter(outcome="succeeded").count(),
        seconds=time.perf_counter() - started_at,
        cpu_seconds=time.process_time() - cpu,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurred:
    """How long it took to say how a problem comes back."""

    milliseconds: list[float]
    """Each time, by the clock."""
    cpu_milliseconds: list[float]
    """Of this process: without the database's, and without what others on the machine took."""
    total: int
    said: list[str]


def recurrence(count: int) -> Recurred:
    """Ask for the recurrence facts of an issue with that many occurrences in the last 29 days."""
    from issue_tracker.recurrence import of_issue, words

    issue = _an_issue(count)
    taken, cpu = [], []
    for _ in range(REPEATS):
        started_at, before = time.perf_counter(), time.process_time()
        found = of_issue(issue)
        said = words(found)
        taken.append((time.perf_counter() - started_at) * 1_000)
        cpu.append((time.process_time() - before) * 1_000)
    return Recurred(milliseconds=taken, cpu_milliseconds=cpu, total=found.total, said=said)


def _an_issue(count: int) -> OperationalIssue:
    """Store an issue; every occurrence has a release, and others came before it."""
    from django.db import connection, transaction
    from django.utils import timezone

    from issue_tracker.models import Occurrence, OperationalIssue

    chance, now = random.Random(count), timezone.now()
    first = now - dt.timedelta(days=DAYS)
    times = sorted(first + dt.timedelta(seconds=chance.random() * DAYS * 86_400) for _ in range(count))
    with transaction.atomic():
        other = OperationalIssue.objects.create(name="Another", task="a", error_message="m", first_seen_at=first)
        _insert(other, [first - dt.timedelta(seconds=number) for number in range(1, 1_001)], release="1.0")
        issue = OperationalIssue.objects.create(
            name="ScrapeError", task="t", error_message="m", occurrence_count=count,
            first_seen_at=times[0], last_seen_at=times[-1],
        )  # fmt: skip
        _insert(issue, times, release="1.1")
    with connection.cursor() as cursor:  # as autovacuum does within a minute
        cursor.execute(f"ANALYZE {Occurrence._meta.db_table}")
    return issue


def _insert(issue: OperationalIssue, times: list[dt.datetime], *, release: str) -> None:
    from issue_tracker.models import Occurrence

    Occurrence.objects.bulk_create(
        (
            Occurrence(
                issue=issue, event_id=f"{issue.pk}-{number}", task_id=f"{issue.pk}-{number}", occurred_at=at,
                kind="failure", severity="error", args=[number], kwargs={}, release=release,
            )
            for number, at in enumerate(times)
        ),
        batch_size=CHUNK,
    )  # fmt: skip


if __name__ == "__main__":
    django.setup()
    outcome = requeue() if sys.argv[1] == "requeue" else recurrence(int(sys.argv[2]))
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
