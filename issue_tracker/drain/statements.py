"""The statements that Django's ORM has no fast word for: many rows in at once, many changed by different amounts.

Right of the seam. Building a model instance and asking each of its fields costs 90 of the 150 µs that a drained record
took; these cost 10.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from issue_tracker.models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Sequence

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
_EMPTY: Final = {dict: "{}", list: "[]", str: '""', int: "0", float: "0.0", bool: "false"}
_JSON_PLACES: Final = tuple(place for place, column in enumerate(COLUMNS) if column in JSON_COLUMNS)
_MOMENT_PLACE: Final = COLUMNS.index("occurred_at")


def insert_occurrences(rows: Iterable[tuple[Any, ...]], *, using: str) -> None:
    """Insert rows in the order of COLUMNS: by COPY on PostgreSQL with psycopg 3, elsewhere by one `executemany`."""
    connection = connections[using]
    quote = connection.ops.quote_name
    table, columns = quote(Occurrence._meta.db_table), ", ".join(map(quote, COLUMNS))
    plain = _plain_rows(rows, connection.ops.adapt_datetimefield_value)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and hasattr(cursor, "copy"):
            # Django translates the driver's errors for its own methods only, and `copy` is none of them.
            with connection.wrap_database_errors, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                # Sent in pieces of 32 KiB: the server stores one while the next is being written.
                for row in plain:
                    copy.write_row(row)
        elif some := list(plain):
            marks = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", some)  # noqa: S608  names of our own model only  # nosec B608


def _plain_rows(rows: Iterable[tuple[Any, ...]], adapt: Callable[[Any], Any]) -> Iterator[list[Any]]:
    """Turn the values of rows into what a driver takes: JSON as text, moments as the database keeps them."""
    for row in rows:
        values = list(row)
        values[_MOMENT_PLACE] = adapt(values[_MOMENT_PLACE])
        for place in _JSON_PLACES:
            value = values[place]
            if value is not None:
                values[place] = _dump(value) if value else _EMPTY[type(value)]
        yield values


def stored_of(event_ids: Sequence[str], *, using: str) -> list[str]:
    """Return those of the events that are stored. Mostly none: so no model's instances are made, nor 500 parameters."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return list(Occurrence.objects.using(using).filter(event_id__in=event_ids).values_list("event_id", flat=True))
    quote = connection.ops.quote_name
    table, column = quote(Occurrence._meta.db_table), quote("event_id")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {column} = ANY(%s)", [list(event_ids)])  # noqa: S608  names of our own model only  # nosec B608
        return [event_id for (event_id,) in cursor.fetchall()]


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
