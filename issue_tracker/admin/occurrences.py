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
"""Attempts of one task id that are shown."""


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
    """Return the attempts of the occurrence's task id and of the task it was sent again as, oldest first."""
    ids = [name for name in (occurrence.task_id, occurrence.requeued_as) if name] if occurrence else []
    if not ids:
        return []
    rows = occurrences_of(issues).filter(task_id__in=ids).annotate(message_head=Left("error_message", 160))
    rows = rows.only(
        "pk", "issue_id", "occurred_at", "kind", "severity", "task_id", "attempt", "worker", "outcome", "requeued_as"
    )
    return list(rows.order_by("occurred_at", "pk")[:MAX_TIMELINE])


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
