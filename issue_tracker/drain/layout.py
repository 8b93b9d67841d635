"""How an event is laid out in the tables: the issue that it opens, and the row of its occurrence. Right of the seam."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.utils import timezone

from issue_tracker.event import Event, Kind
from issue_tracker.models import OperationalIssue

from .keys import grouping_of


def new_issue(
    event: Event, earlier: OperationalIssue | None, now: dt.datetime, *, takes_repeats: bool = True
) -> OperationalIssue:
    """Make the issue, not yet saved, that an event opens; it counts no occurrence yet."""
    at = moment_of(event, now)
    return OperationalIssue(
        name=event.name,
        task=event.task,
        error_message=event.error_message,
        traceback=event.traceback,
        context=flat_context(event),
        severity=event.severity,
        kind=event.kind,
        exception_type=event.exception_type,
        culprit=event.culprit,
        fingerprint=event.fingerprint,
        fingerprint_version=event.fingerprint_version,
        grouping=grouping_of(event),
        open_key=event.fingerprint if takes_repeats else None,
        occurrence_count=0,
        first_seen_at=at,
        last_seen_at=at,
        is_returned=earlier is not None,
        previous=earlier,
    )


def flat_context(event: Event) -> dict[str, Any]:
    """Lay out what a captured issue shows: the run's facts and, beside them, whatever was bound."""
    facts = {
        "kind": event.kind,
        "task_id": event.task_id,
        "attempt": event.attempt if event.task_id else None,
        "args": event.args,
        "kwargs": event.kwargs,
        "queue": event.queue,
        "worker": event.worker,
    }
    if event.kind == Kind.REPORT:
        return {**event.context, **({"task_id": event.task_id} if event.task_id else {})}
    return {**{key: value for key, value in facts.items() if value not in (None, "")}, **event.context}


def row_of(event: Event, issue: OperationalIssue, at: dt.datetime) -> tuple[Any, ...]:
    """Lay an event out in the order of `statements.COLUMNS`."""
    return (
        issue.pk,
        event.event_id,
        at,
        event.kind,
        event.severity,
        event.task_id,
        event.attempt,
        event.worker,
        event.queue,
        event.args,
        event.kwargs,
        event.context,
        event.error_message if event.error_message != issue.error_message else "",
        event.traceback if event.traceback != issue.traceback_with(event.error_message) else "",
        event.release,
        event.payload,
        event.payload_note,
        event.options,
        "",
        "",
    )


def moment_of(event: Event, now: dt.datetime) -> dt.datetime:
    """Return when it happened; a clock that ran ahead is held at now, a senseless time becomes now."""
    try:
        at = dt.datetime.fromtimestamp(event.occurred_at, tz=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return now
    if not settings.USE_TZ:
        at = timezone.make_naive(at)
    return min(at, now) if event.occurred_at > 0 else now
