"""The occurrences of an issue: the chosen one and its neighbours, a page of the table, the timeline of a task.

Pages go by keys, not by offsets: the last of a million occurrences is as near as the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Left

from issue_tracker import recurrence
from issue_tracker.models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

PER_PAGE: Final = 20
"""Occurrences in one page of the table."""

MAX_TIMELINE: Final = 50
"""Attempts that a timeline shows."""

MAX_LEAPS: Final = 3
"""How often a timeline looks for what was sent again, a query each; mostly once is enough."""

_OF_TIMELINE: Final = (
    *("pk", "issue_id", "event_id", "occurred_at", "kind", "severity", "task_id", "attempt", "worker", "outcome"),
    *("requeued_as", "options"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrencePage:
    """One page of the table of occurrences, newest first, and the cursors of its neighbours."""

    rows: list[Occurrence]
    newer: str = ""
    older: str = ""
    latest: tuple[tuple[str, datetime], ...] = ()
    """Task id and time of the latest occurrences, as far as this page had to know."""


def chosen_occurrence(issue: OperationalIssue, pk: int | None) -> Occurrence | None:
    """Return an occurrence of the issue, the latest by default, with what `recurrence.release_of` needs.

    And with `older_id` and `newer_id` of its neighbours.
    """
    same = _of_issue(issue)
    older, newer = _around(OuterRef("occurred_at"), OuterRef("pk"))
    rows = same.annotate(
        **recurrence.release_facts(issue),
        older_id=Subquery(_of_outer_issue().filter(older).order_by("-occurred_at", "-pk").values("pk")[:1]),
        newer_id=Subquery(_of_outer_issue().filter(newer).order_by("occurred_at", "pk").values("pk")[:1]),
    )
    return (rows.filter(pk=pk) if pk is not None else rows.order_by("-occurred_at", "-pk")).first()


def occurrence_page(issue: OperationalIssue, *, before: str = "", after: str = "") -> OccurrencePage:
    """Return a page of occurrences before or after a cursor; a cursor that makes no sense gives the newest page.

    By keys, not by offset: the last of a million occurrences is as near as the first.
    """
    rows: Any = _of_issue(issue).annotate(message_head=Left("error_message", 160))
    rows = rows.only("pk", "issue_id", "occurred_at", "kind", "severity", "task_id", "attempt", "worker", "outcome")
    if newer_than := _cursor(after):
        found = list(rows.filter(_around(*newer_than)[1]).order_by("occurred_at", "pk")[: PER_PAGE + 1])
        has_newer, found = len(found) > PER_PAGE, found[:PER_PAGE][::-1]
        return OccurrencePage(rows=found, older=_mark(found[-1:]), newer=_mark(found[:1]) if has_newer else "")
    edge = _cursor(before)
    if edge:
        rows = rows.filter(_around(*edge)[0])
    fetched = list(rows.order_by("-occurred_at", "-pk")[: PER_PAGE + 1 if edge else recurrence.RECENT_TIMES])
    found = fetched[:PER_PAGE]
    return OccurrencePage(
        rows=found,
        older=_mark(found[-1:]) if len(fetched) > PER_PAGE else "",
        newer=_mark(found[:1]) if edge else "",
        latest=() if edge else tuple((row.task_id, row.occurred_at) for row in fetched),
    )


def timeline(occurrence: Occurrence | None, issues: QuerySet[OperationalIssue]) -> list[Occurrence]:
    """Return the attempts of the occurrence's task id, of what it was sent again as, and of what it was sent again for.

    Oldest first, each with `is_sent_again`, `is_other_task`, and `unseen_run`: what it was sent again as, where nothing
    of that is shown. Followed over MAX_LEAPS of either.
    """
    if occurrence is None or not occurrence.task_id:
        return []
    table = occurrences_of(issues).annotate(message_head=Left("error_message", 160)).only(*_OF_TIMELINE)
    found: dict[int, Occurrence] = {}
    task_ids, event_ids = _related([occurrence])
    for _leap in range(MAX_LEAPS):
        rows = table.filter(Q(task_id__in=task_ids) | Q(event_id__in=event_ids)).order_by("occurred_at", "pk")
        found |= {row.pk: row for row in rows[:MAX_TIMELINE]}
        known, (task_ids, event_ids) = (task_ids, event_ids), _related(found.values())
        if (task_ids, event_ids) == known:
            break  # at once where nothing was sent again
    shown: list[Any] = sorted(found.values(), key=lambda row: (row.occurred_at, row.pk))[:MAX_TIMELINE]
    told = {row.task_id for row in shown}
    for row in shown:
        row.is_sent_again, row.is_other_task = bool(_origin_of(row)), row.task_id != occurrence.task_id
        row.unseen_run = row.requeued_as if row.requeued_as not in told else ""
    return shown


def _related(rows: Iterable[Occurrence]) -> tuple[set[str], set[str]]:
    """Return the task ids that these are of and were sent again as, and the event ids that they were sent again for."""
    rows = list(rows)
    task_ids = {name for row in rows for name in (row.task_id, row.requeued_as) if name}
    return task_ids, {origin for row in rows if (origin := _origin_of(row))}


def _origin_of(row: Occurrence) -> str:
    origin = row.options.get("requeue_of") if isinstance(row.options, dict) else None
    return origin if isinstance(origin, str) else ""


def occurrences_of(issues: QuerySet[OperationalIssue]) -> QuerySet[Occurrence]:
    """Return the occurrences of these issues; where they are all, without a look at them."""
    rows = Occurrence.objects.using(issues.db)
    return rows.filter(issue__in=issues.order_by().values("pk")) if issues.query.where else rows


def _of_issue(issue: OperationalIssue) -> QuerySet[Occurrence]:
    return Occurrence.objects.using(issue._state.db).filter(issue=issue)


def _of_outer_issue() -> QuerySet[Occurrence]:
    return Occurrence.objects.filter(issue=OuterRef("issue"))


def _around(moment: Any, pk: Any) -> tuple[Q, Q]:
    older = Q(occurred_at__lte=moment) & (Q(occurred_at__lt=moment) | Q(pk__lt=pk))
    newer = Q(occurred_at__gte=moment) & (Q(occurred_at__gt=moment) | Q(pk__gt=pk))
    return older, newer


def _cursor(text: str) -> tuple[datetime, int] | None:
    moment, _sep, pk = text[:60].partition("~")
    try:
        return datetime.fromtimestamp(int(moment) / 1_000_000, UTC), int(pk)
    except (ValueError, OverflowError, OSError):
        return None


def _mark(rows: Iterable[Occurrence]) -> str:
    for row in rows:
        return f"{round(row.occurred_at.timestamp() * 1_000_000)}~{row.pk}"
    return ""
