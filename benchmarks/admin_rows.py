"""Issues and occurrences by the million, made in PostgreSQL itself: few issues have most, and most came lately."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.models import Model

TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "/srv/app/{"own" if n % 3 else "lib/site-packages/pkg"}/module_{n}.py", line {n}, in function_{n}\n'
    f"    result_{n} = client.call(argument_{n}, timeout=30)\n"
    for n in range(20)
)

OCCURRENCES = {
    "id": "n",
    "issue_id": "1 + floor({issues} * power(random(), 4))",
    "event_id": "md5(n::text)",
    "task_id": "md5((n / 2)::text)",
    "occurred_at": "now() - interval '{days} days' * power(random(), 2)",
    "severity": "(ARRAY['error','error','error','warning','info'])[1 + n %% 5]",
}

ISSUES = {
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
    "created_at": "coalesce(s.first, now() - interval '{days} days')",
    "first_seen_at": "coalesce(s.first, now() - interval '{days} days')",
    "last_seen_at": "coalesce(s.last, now() - interval '{days} days')",
    "occurrence_count": "coalesce(s.total, 1)",
}

SUMMARY = """
CREATE TEMPORARY TABLE summary AS
SELECT issue_id, min(occurred_at) AS first, max(occurred_at) AS last, count(*) AS total
FROM issue_tracker_occurrence GROUP BY issue_id
"""


def fill(*, issues: int, occurrences: int, days: int) -> None:
    """Fill an empty, migrated database. The rows are written once, so that no dead ones slow the pages down."""
    from django.db import connection, transaction
    from django.utils import timezone

    from issue_tracker.models import Occurrence, OperationalIssue

    context = {"movie_name": "Avatar", "url": "https://example.com/" + "x" * 200}
    with transaction.atomic(), connection.cursor() as cursor:
        pattern = OperationalIssue.objects.create(
            pk=1, name="", task="", error_message="", traceback=TRACEBACK, context=context
        )
        first = {"issue": pattern, "occurred_at": timezone.now(), "kind": "failure", "severity": "error"}
        Occurrence.objects.create(
            pk=1, event_id="1", kwargs={"city": "bogota", "note": "x" * 150}, context=context, **first
        )
        marks = {"{issues}": str(issues), "{days}": str(days)}
        cursor.execute(_statement(Occurrence, OCCURRENCES, marks), [2, occurrences])
        cursor.execute(SUMMARY)
        cursor.execute(
            _statement(OperationalIssue, ISSUES, marks, "LEFT JOIN summary s ON s.issue_id = n"), [2, issues]
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _statement(model: type[Model], values: dict[str, str], marks: dict[str, str], join: str = "") -> str:
    columns = [field.column for field in model._meta.concrete_fields]
    chosen = ", ".join(values.get(column, f"t.{column}") for column in columns)
    for mark, text in marks.items():
        chosen = chosen.replace(mark, text)
    table = model._meta.db_table
    rows = f"FROM {table} t CROSS JOIN generate_series(%s, %s) n {join} WHERE t.id = 1"
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} {rows}"
