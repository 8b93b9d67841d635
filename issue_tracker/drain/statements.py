"""The statements that Django's ORM has no fast word for: many rows in at once, many changed by different amounts.

Right of the seam. Building a model instance and asking each of its fields costs 90 of the 150 µs that a drained record
took; these cost 15.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from issue_tracker.models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

COLUMNS: Final = (
    "issue_id",
    "event_id",
    "occurred_at",
    "kind",
    "severity",
    "task_id",
    "attempt",
    "worker",
    "queue",
    "args",
    "kwargs",
    "context",
    "error_message",
    "traceback",
    "release",
    "payload",
    "payload_note",
    "options",
    "outcome",
    "requeued_as",
)
"""The columns of an Occurrence in the order of a row; a test holds them against the model."""
JSON_COLUMNS: Final = frozenset({"args", "kwargs", "context", "payload", "options"})

_dump = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode
_COPY_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert_occurrences(rows: Sequence[tuple[Any, ...]], *, using: str) -> None:
    """Insert rows in the order of COLUMNS: by COPY on PostgreSQL with psycopg 3, elsewhere by one `executemany`."""
    if not rows:
        return
    connection = connections[using]
    adapt = connection.ops.adapt_datetimefield_value
    rows = [_plain(row, adapt) for row in rows]
    quote = connection.ops.quote_name
    table, columns = quote(Occurrence._meta.db_table), ", ".join(quote(column) for column in COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and hasattr(cursor, "copy"):
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write("".join(map(_copy_line, rows)))
        else:
            marks = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608  names of our own model only  # nosec B608


def _plain(row: tuple[Any, ...], adapt: Any) -> tuple[Any, ...]:
    values = list(row)
    values[2] = adapt(values[2])
    for place in _JSON_PLACES:
        value = values[place]
        if value is not None:
            values[place] = _dump(value) if value else _EMPTY[type(value)]
    return tuple(values)


_EMPTY: Final = {dict: "{}", list: "[]", str: '""', int: "0", float: "0.0", bool: "false"}
_JSON_PLACES: Final = tuple(place for place, column in enumerate(COLUMNS) if column in JSON_COLUMNS)


def _copy_line(row: tuple[Any, ...]) -> str:
    """Write a row in PostgreSQL's text format for COPY."""
    return "\t".join("\\N" if value is None else str(value).translate(_COPY_ESCAPES) for value in row) + "\n"


def add_to_issues(changes: Iterable[tuple[OperationalIssue, int]], *, using: str) -> None:
    """Add to the count of each issue and bring its times, severity, kind and status up to those of the objects given.

    One `executemany`: on PostgreSQL psycopg sends it as one pipeline, on SQLite it is one prepared statement.
    The caller holds the rows locked.
    """
    connection = connections[using]
    quote, meta = connection.ops.quote_name, OperationalIssue._meta
    table, count = quote(meta.db_table), quote("occurrence_count")
    columns = (
        "first_seen_at",
        "last_seen_at",
        "severity",
        "kind",
        "status",
        "resolved_at",
        "muted_until",
        "muted_until_count",
    )
    assignments = ", ".join(f"{quote(column)} = %s" for column in columns)
    rows = [
        (
            added,
            connection.ops.adapt_datetimefield_value(issue.first_seen_at),
            connection.ops.adapt_datetimefield_value(issue.last_seen_at),
            issue.severity,
            issue.kind,
            issue.status,
            _adapted(connection, issue.resolved_at),
            _adapted(connection, issue.muted_until),
            issue.muted_until_count,
            issue.pk,
        )
        for issue, added in changes
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET {count} = {count} + %s, {assignments} WHERE {quote('id')} = %s",  # noqa: S608  names of our own model only  # nosec B608
            rows,
        )


def _adapted(connection: Any, moment: dt.datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment) if moment is not None else None
