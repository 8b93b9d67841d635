"""Issues as CSV and JSON, streamed in slices by key: a download of any size needs the memory of one slice.

Formula-safe: a cell that a spreadsheet would run gets a leading apostrophe. Context only with `view_payload`.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from issue_tracker.models import OperationalIssue

SLICE: Final = 500
"""Rows fetched at a time."""

COLUMNS: Final = (
    "id",
    "name",
    "task",
    "severity",
    "status",
    "kind",
    "exception_type",
    "culprit",
    "occurrence_count",
    "recovered_count",
    "first_seen_at",
    "last_seen_at",
    "created_at",
    "resolved_at",
    "muted_until",
    "is_returned",
    "fingerprint",
    "error_message",
    "traceback",
)
"""What an export holds, in its order; `context` follows for holders of `view_payload`."""

STARTS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_csv(queryset: QuerySet[OperationalIssue], *, with_payload: bool) -> StreamingHttpResponse:
    """Return the issues as a CSV download, UTF-8 with the mark that spreadsheets look for."""
    return _download(_csv_lines(queryset, _columns(with_payload=with_payload)), "text/csv", "csv")


def as_json(queryset: QuerySet[OperationalIssue], *, with_payload: bool) -> StreamingHttpResponse:
    """Return the issues as a JSON array, one object a line."""
    return _download(_json_lines(queryset, _columns(with_payload=with_payload)), "application/json", "json")


def harmless(value: Any) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else _text(value)
    return f"'{text}" if text.startswith(STARTS_FORMULA) else text


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _csv_lines(queryset: QuerySet[OperationalIssue], columns: tuple[str, ...]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(columns)
    for row in _rows(queryset, columns):
        yield writer.writerow([harmless(row[name]) for name in columns])


def _json_lines(queryset: QuerySet[OperationalIssue], columns: tuple[str, ...]) -> Iterator[str]:
    lead = "[\n"
    for row in _rows(queryset, columns):
        yield lead + json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False)
        lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def _rows(queryset: QuerySet[OperationalIssue], columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the rows, newest key first. By key and not by a cursor of the server, which PgBouncer loses."""
    rows, last = queryset.order_by("-pk").values(*columns), None
    while found := list((rows if last is None else rows.filter(pk__lt=last))[:SLICE]):
        yield from found
        last = found[-1]["id"]


def _columns(*, with_payload: bool) -> tuple[str, ...]:
    return (*COLUMNS, "context") if with_payload else COLUMNS


def _download(lines: Iterator[str], content_type: str, suffix: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(lines, content_type=f"{content_type}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="issues-{timezone.localdate():%Y-%m-%d}.{suffix}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
