"""How long the admin pages take on a big PostgreSQL: `python -m benchmarks.admin_pages`; prints a table.

Server time of whole requests through Django's test client (session, permissions, queries, rendering), one at a time.
The rows are made in the database itself: few issues have most of the occurrences, and most happened lately.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from typing import TYPE_CHECKING, Any

import django

from .figures import median, percentile
from .servers import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

LIST = "/admin/issue_tracker/operationalissue/"

TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/srv/app/{"own" if n % 3 else "lib/site-packages/pkg"}/module_{n}.py", line {n}, in function_{n}\n'
    f"    result_{n} = client.call(argument_{n}, timeout=30)\n"
    for n in range(20)
)

ISSUES = """
INSERT INTO issue_tracker_operationalissue ({columns})
SELECT {values} FROM issue_tracker_operationalissue t, generate_series(2, %s) n WHERE t.id = 1
"""

ISSUE_VALUES = {
    "id": "n",
    "name": "'Error' || n %% 300",
    "task": "'project.tasks.task_' || n %% 200",
    "exception_type": "'Error' || n %% 300",
    "error_message": "'something number ' || n || ' did not work as it should have, and this says at some length why'",
    "severity": "(ARRAY['error','error','error','warning','info'])[1 + n %% 5]",
    "kind": "(ARRAY['failure','failure','failure','retry','report','worker_lost'])[1 + n %% 6]",
    "status": "(ARRAY['open','open','open','open','open','open','open','resolved','resolved','muted'])[1 + n %% 10]",
    "open_key": "NULL",
    "fingerprint": "md5(n::text) || md5((n + 1)::text)",
}

OCCURRENCES = """
INSERT INTO issue_tracker_occurrence ({columns})
SELECT {values} FROM issue_tracker_occurrence t, generate_series(2, %s) n WHERE t.id = 1
"""

OCCURRENCE_VALUES = {
    "id": "n",
    "issue_id": "1 + floor({issues} * power(random(), 4))",
    "event_id": "md5(n::text)",
    "task_id": "md5((n / 2)::text)",
    "occurred_at": "now() - interval '{days} days' * power(random(), 2)",
    "severity": "(ARRAY['error','error','error','warning','info'])[1 + n %% 5]",
}

SUMMARY = """
UPDATE issue_tracker_operationalissue i
SET first_seen_at = s.first, last_seen_at = s.last, created_at = s.first, occurrence_count = s.n
FROM (SELECT issue_id, min(occurred_at) first, max(occurred_at) last, count(*) n
      FROM issue_tracker_occurrence GROUP BY issue_id) s
WHERE s.issue_id = i.id
"""


def main() -> None:
    """Fill a fresh database and measure each page."""
    given = _parser().parse_args()
    with postgres() as server:
        os.environ.update(DATABASE_URL=server.address, DJANGO_SETTINGS_MODULE="tests.settings")
        django.setup()
        _fill(given.issues, given.occurrences, given.days)
        _measure(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin_pages", description=__doc__)
    parser.add_argument("--issues", type=int, default=100_000)
    parser.add_argument("--occurrences", type=int, default=1_000_000)
    parser.add_argument(
        "--days", type=int, default=90, help="how far back they go (default 90, as long as they are kept)"
    )
    parser.add_argument("--requests", type=int, default=60, help="requests a page (default 60)")
    parser.add_argument("--explain", action="store_true", help="show each page's queries with their times")
    return parser


def _fill(issues: int, occurrences: int, days: int) -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from issue_tracker.models import Occurrence, OperationalIssue

    call_command("migrate", verbosity=0)
    first = OperationalIssue.objects.create(
        pk=1,
        name="First",
        task="project.tasks.task_1",
        error_message="m",
        traceback=TRACEBACK,
        context={"a": "b" * 300},
    )
    Occurrence.objects.create(
        pk=1,
        issue=first,
        event_id="1",
        occurred_at=timezone.now(),
        kind="failure",
        severity="error",
        kwargs={"a": "b" * 200},
    )
    with connection.cursor() as cursor:
        values = {
            name: text.replace("{issues}", str(issues)).replace("{days}", str(days))
            for name, text in OCCURRENCE_VALUES.items()
        }
        cursor.execute(_copying(ISSUES, OperationalIssue, ISSUE_VALUES), [issues])
        cursor.execute(_copying(OCCURRENCES, Occurrence, values), [occurrences])
        cursor.execute(SUMMARY)
        cursor.execute("VACUUM ANALYZE")


def _copying(statement: str, model: Any, values: dict[str, str]) -> str:
    columns = [field.column for field in model._meta.concrete_fields]
    return statement.format(columns=", ".join(columns), values=", ".join(values.get(c, f"t.{c}") for c in columns))


def _pages(chance: random.Random, issues: int) -> dict[str, Callable[[], str]]:
    return {
        "list, as it opens": lambda: LIST,
        "list, all": lambda: f"{LIST}?status=all",
        "list, recurring": lambda: f"{LIST}?status=recurring",
        "list, a task": lambda: f"{LIST}?task__exact=project.tasks.task_{chance.randrange(200)}",
        "list, last 24 hours": lambda: f"{LIST}?last_seen_at__within=24h",
        "list, a page further on": lambda: f"{LIST}?p={chance.randrange(2, 400)}",
        "list, by count": lambda: f"{LIST}?o=-3",
        "list, a search": lambda: f"{LIST}?q=number+{chance.randrange(issues)}",
        "issue page": lambda: f"{LIST}{1 + int(issues * chance.random() ** 4)}/change/",
        "issue page, the busiest": lambda: f"{LIST}1/change/",
        "overview": lambda: f"{LIST}overview/",
    }


def _measure(given: argparse.Namespace) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    print(f"{given.issues:,} issues, {given.occurrences:,} occurrences in {given.days} days\n")
    print("| page | median | p95 | slowest | queries | bytes |\n|---|---|---|---|---|---|")
    for name, address in _pages(random.Random(1), given.issues).items():
        client.get(address())
        times, queries, size = zip(*_requests(client, address, given.requests), strict=True)
        figures = (median(times), percentile(times, 95), max(times))
        print(
            f"| {name} | {' | '.join(f'{t * 1000:.0f} ms' for t in figures)} | {max(queries)} | {max(size):,} |",
            flush=True,
        )
        if given.explain:
            _explain(client, address())


def _requests(client: Client, address: Callable[[], str], count: int) -> Iterator[tuple[float, int, int]]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(count):
        path = address()
        began = time.perf_counter()
        answer = client.get(path)
        took = time.perf_counter() - began
        if answer.status_code != 200:
            raise SystemExit(f"{path} answered {answer.status_code}")
        yield took, 0, len(answer.content)
    with CaptureQueriesContext(connection) as queries:
        client.get(address())
    yield took, len(queries), len(answer.content)


def _explain(client: Client, path: str) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    for query in queries:
        print(f"    {float(query['time']) * 1000:.0f} ms  {query['sql'][:300]}")


if __name__ == "__main__":
    main()
