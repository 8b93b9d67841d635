"""The statement that Django's ORM has no word for: many rows changed by different amounts at once. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connections

from .models import OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterable


def add_to_issues(changes: Iterable[tuple[OperationalIssue, int]], *, using: str) -> None:
    """Add to the count of each issue and bring its times, severity and kind up to those of the objects given.

    One `executemany`: on PostgreSQL psycopg sends it as one pipeline, on SQLite it is one prepared statement.
    The caller holds the rows locked.
    """
    connection = connections[using]
    quote, meta = connection.ops.quote_name, OperationalIssue._meta
    table, count = quote(meta.db_table), quote("occurrence_count")
    columns = ("first_seen_at", "last_seen_at", "severity", "kind")
    assignments = ", ".join(f"{quote(column)} = %s" for column in columns)
    rows = [
        (
            added,
            connection.ops.adapt_datetimefield_value(issue.first_seen_at),
            connection.ops.adapt_datetimefield_value(issue.last_seen_at),
            issue.severity,
            issue.kind,
            issue.pk,
        )
        for issue, added in changes
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET {count} = {count} + %s, {assignments} WHERE {quote('id')} = %s",  # noqa: S608  names of our own model only
            rows,
        )
