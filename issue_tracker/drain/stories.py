"""What became of a failure: attempts that recovered, requeued runs that succeeded, conditions that cleared.

Right of the seam. These travel as events of the kinds `recovered` and `cleared`, through the same spool as the failures
they belong to; like those they are idempotent. They make no occurrences, they change what became of stored ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db.models import F, Q
from django.db.models.fields.json import KeyTransform

from issue_tracker.event import Event, Kind
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.signals import announce, issue_recovered, issue_resolved

from .layout import moment_of

if TYPE_CHECKING:
    import datetime as dt

    from django.db.models import QuerySet

CONTROL_KINDS: Final = frozenset({Kind.RECOVERED.value, Kind.CLEARED.value})

PATIENCE_SECONDS: Final = 60.0
"""How long a recovery waits for the attempts it tells of:
with countdown 0 their records may come later than its own.
"""

MAX_REQUEUES: Final = 50
"""How many times one task is followed back through its requeues."""
MAX_KEYS_ASKED: Final = 3
"""Values of a condition that the database compares; the rest is compared here."""
CHUNK: Final = 500
"""Rows by key in one statement; SQLite allows 999 parameters at the least."""

_GOOD: Final = (Occurrence.Outcome.RECOVERED, Occurrence.Outcome.SUCCEEDED, Occurrence.Outcome.CLEARED)


def tell(event: Event, *, using: str, now: dt.datetime) -> bool:
    """Apply one event of a control kind; returns False when what it belongs to is not stored yet.

    In the caller's transaction.
    """
    if event.kind == Kind.CLEARED:
        clear(event, using=using, now=now)
        return True
    return recover(event, using=using, now=now)


def recover(event: Event, *, using: str, now: dt.datetime) -> bool:
    """Mark the failed attempts of a task id that succeeded in the end, and what it was sent again for.

    Closes each issue that has nothing else left. Such an issue goes on taking repeats: a task that fails and recovers
    every day stays one issue. Returns False while fewer attempts are stored than the run says came before it.
    """
    rows = Occurrence.objects.using(using)
    retried = Q(attempt__lt=event.attempt, kind=Kind.RETRY)
    handed_back = Q(attempt__lte=event.attempt, kind__in=(Kind.INTERRUPTED, Kind.WORKER_LOST))
    attempts = rows.filter(retried | handed_back, task_id=event.task_id)
    # A requeue is no attempt of the same task id: there is nothing to wait for.
    is_patient = now.timestamp() - event.occurred_at < PATIENCE_SECONDS
    if is_patient and attempts.count() < int(event.context.get("recorded_attempts", 0)):
        return False
    issues = _mark(attempts.filter(outcome=Occurrence.Outcome.NONE), Occurrence.Outcome.RECOVERED, using=using)
    origins = {options.get("requeue_of") for options in (event.options, *attempts.values_list("options", flat=True))}
    sent_again = _with_origins(origins - {None}, using=using)
    issues |= _mark(
        rows.filter(pk__in=sent_again).exclude(outcome__in=_GOOD), Occurrence.Outcome.SUCCEEDED, using=using
    )
    for issue_id in sorted(issues):
        _close(issue_id, using=using, at=now, keeps_key=True)
    return True


def _with_origins(event_ids: set[Any], *, using: str) -> list[int]:
    """Find the occurrences of these event ids, and, where one was of a task sent again, what that was for."""
    rows = Occurrence.objects.using(using)
    found: list[int] = []
    for _step in range(MAX_REQUEUES):
        if not event_ids:
            break
        latest = list(rows.filter(event_id__in=event_ids).exclude(pk__in=found).values_list("pk", "options"))
        found += [pk for pk, _options in latest]
        event_ids = {options["requeue_of"] for _pk, options in latest if "requeue_of" in options}
    return found


def fail_again(events: list[Event], *, using: str) -> None:
    """Note, on what was sent again, that the new run failed too. An attempt that will be retried is no end yet."""
    origins = [
        event.options["requeue_of"] for event in events if "requeue_of" in event.options and event.kind != Kind.RETRY
    ]
    if origins:
        Occurrence.objects.using(using).filter(event_id__in=origins).update(outcome=Occurrence.Outcome.FAILED_AGAIN)


def clear(event: Event, *, using: str, now: dt.datetime) -> None:
    """Mark what was reported under this name, task and context values, up to then, as cleared; resolve issues with
    nothing else left.

    An empty task, or context, matches any.
    """
    issues = OperationalIssue._base_manager.using(using).filter(
        name=event.name, kind=Kind.REPORT, status__in=("open", "muted")
    )
    if event.task:
        issues = issues.filter(task=event.task)
    ids = list(issues.values_list("pk", flat=True))
    if not ids:
        return  # the usual case: each run that finds its condition fulfilled says so
    at = moment_of(event, now)
    reports = Occurrence.objects.using(using).filter(
        issue__in=ids, outcome=Occurrence.Outcome.NONE, occurred_at__lte=at
    )
    matching = _with_values(reports, event.context)
    for start in range(0, len(matching), CHUNK):
        some = Occurrence.objects.using(using).filter(
            pk__in=matching[start : start + CHUNK], outcome=Occurrence.Outcome.NONE
        )
        for issue_id in sorted(_mark(some, Occurrence.Outcome.CLEARED, using=using)):
            _close(issue_id, using=using, at=at, keeps_key=False)


def _with_values(reports: QuerySet[Occurrence], values: dict[str, Any]) -> list[int]:
    """Return the keys of the reports whose context holds these values.

    What is compared is decided here, for SQLite has no containment of JSON; the database keeps the plain ones, so that
    a hundred thousand reports of other theaters are not read for this one.
    """
    for place, (key, value) in enumerate(list(values.items())[:MAX_KEYS_ASKED]):
        if key.isidentifier() and type(value) in (str, int):
            reports = reports.alias(**{f"value_{place}": KeyTransform(key, "context")})
            reports = reports.filter(**{f"value_{place}": value})
    rows = reports.order_by("pk").values_list("pk", "context").iterator(chunk_size=CHUNK)
    return [pk for pk, context in rows if isinstance(context, dict) and values.items() <= context.items()]


def _mark(rows: QuerySet[Occurrence], outcome: Occurrence.Outcome, *, using: str) -> set[int]:
    """Give these occurrences an outcome and count it on their issues; returns the issues.

    Each issue is locked first, and only what is changed under the lock is counted: two nodes may tell the same.
    """
    issues = OperationalIssue._base_manager.using(using)
    changed = set()
    for issue_id in sorted(set(rows.values_list("issue_id", flat=True))):
        issues.select_for_update().filter(pk=issue_id).values_list("pk", flat=True).first()
        if count := rows.filter(issue_id=issue_id).update(outcome=outcome):
            issues.filter(pk=issue_id).update(recovered_count=F("recovered_count") + count)
            changed.add(issue_id)
    return changed


def _close(issue_id: int, *, using: str, at: dt.datetime, keeps_key: bool) -> None:
    """Resolve an issue all of whose occurrences came to a good end.

    With its key it goes on taking repeats, and opens by them.
    """
    table = OperationalIssue._base_manager.using(using)
    done = table.filter(pk=issue_id, status="open", recovered_count__gte=F("occurrence_count"), discarded_count=0)
    changes = {"status": "resolved", "resolved_at": at} | ({} if keeps_key else {"open_key": None})
    if done.update(**changes):
        issue = table.get(pk=issue_id)
        announce(issue_recovered if keeps_key else issue_resolved, issue, using=using)
