"""Two reports of one death joined into one. Pure but for reading a stored occurrence back. Right of the seam."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from issue_tracker.event import Event

if TYPE_CHECKING:
    from issue_tracker.models import Occurrence


def better(one: Event, other: Event) -> Event:
    """Join two reports of one death: the higher rank names it, the later one on a tie;
    what it lacks comes from the other.
    """
    names, adds = (
        (one, other)
        if (one.rank, one.is_stub < other.is_stub) > (other.rank, other.is_stub < one.is_stub)
        else (other, one)
    )
    if (
        names.rank == adds.rank
        and isinstance(names.args, str)
        and not isinstance(adds.args, str)
        and adds.args is not None
    ):
        names, adds = adds, names
    changes: dict[str, Any] = {}
    for name in ("traceback", "worker", "queue"):
        if not getattr(names, name) and getattr(adds, name):
            changes[name] = getattr(adds, name)
    if adds.args is not None and (
        names.args is None or (isinstance(names.args, str) and not isinstance(adds.args, str))
    ):
        changes |= {
            "args": adds.args,
            "kwargs": adds.kwargs,
            "payload": adds.payload,
            "payload_note": adds.payload_note,
        }
    changes["context"] = {**adds.context, **names.context}
    changes["options"] = {**{key: value for key, value in adds.options.items() if key != "told_by"}, **names.options}
    changes["occurred_at"] = min(one.occurred_at, other.occurred_at)
    return replace(names, **changes)


def as_event(occurrence: Occurrence) -> Event:
    """Read a stored occurrence back as the event it was, its issue's values included."""
    issue = occurrence.issue
    return Event(
        event_id=occurrence.event_id,
        kind=occurrence.kind,
        severity=occurrence.severity,
        name=issue.name,
        task=issue.task,
        error_message=occurrence.error_message or issue.error_message,
        traceback=occurrence.traceback or issue.traceback_with(occurrence.error_message),
        exception_type=issue.exception_type,
        culprit=issue.culprit,
        fingerprint=issue.fingerprint,
        fingerprint_version=issue.fingerprint_version,
        occurred_at=occurrence.occurred_at.timestamp(),
        task_id=occurrence.task_id,
        attempt=occurrence.attempt,
        worker=occurrence.worker,
        queue=occurrence.queue,
        args=occurrence.args,
        kwargs=occurrence.kwargs,
        context=occurrence.context,
        payload=occurrence.payload,
        payload_note=occurrence.payload_note,
        options=occurrence.options,
    )
