"""The overview: which tasks fail lately, what is new, what came back, and whether collection itself is well.

Each figure comes from one bounded query; each number is a link to the issues that it counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from issue_tracker import charts
from issue_tracker.admin.filters import PRESETS
from issue_tracker.admin.occurrences import occurrences_of
from issue_tracker.admin.paginator import MAX_COUNTED, shown
from issue_tracker.models import OperationalIssue
from issue_tracker.templatetags.issue_tracker import grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet

    from issue_tracker.models import Occurrence

WINDOWS: Final = ("1h", "3h", "24h", "3d", "7d")
"""The columns of the matrix, as the list's date filter names them."""

SHORT_WINDOWS: Final = {"1h": _("1 h"), "3h": _("3 h"), "24h": _("24 h"), "3d": _("3 d"), "7d": _("7 d")}
"""Their headings; the whole words are one hover away."""

WEEK: Final = timedelta(days=7)
"""How far back the page looks."""

MAX_TASKS: Final = 500
"""Tasks that are summed up; beyond these only the least active are left out."""

SHOWN_TASKS: Final = 15
"""Rows of the matrix."""

SHOWN_ISSUES: Final = 6
"""Issues in each of the short lists."""

MAX_CHARTED: Final = 50_000
"""Latest occurrences in the trend. Ours: about 60 ms on PostgreSQL; a busier week is shown as far as they reach."""

MAX_WORKERS_FROM: Final = 500
"""Latest occurrences whose workers are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A number and the query string of the list that shows what it counts."""

    count: int
    query: str

    @property
    def heat(self) -> int:
        """How strongly it is shaded: 0 to 3, a step for each factor of ten."""
        return min(3, len(str(self.count))) if self.count else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task."""

    task: str
    cells: tuple[Cell, ...]
    occurrence_count: int
    share: int = 0
    """Of the busiest task's occurrences, in per cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the large numbers at the top."""

    count: str
    title: str
    query: str
    """Query string of the list behind it."""


def gather(issues: QuerySet[OperationalIssue], now: datetime | None = None) -> dict[str, Any]:
    """Return what the page shows of these issues: all of them, or those that an admin's `get_queryset` leaves."""
    now = now or timezone.now()
    rows, occurrences = matrix(issues, now), occurrences_of(issues)
    totals, drawn = _totals(rows), trend(occurrences, now)
    open_count = issues.filter(status="open").order_by()[: MAX_COUNTED + 1].count()
    return {
        "figures": _figures(open_count, totals, drawn),
        "windows": [(SHORT_WINDOWS[name], PRESETS[name][1]) for name in WINDOWS],
        "matrix": rows[:SHOWN_TASKS],
        "totals": totals,
        "hidden_tasks": max(0, len(rows) - SHOWN_TASKS),
        "top": _top(rows),
        "trend": drawn,
        "trend_totals": _by_severity(drawn),
        "lists": short_lists(issues, now),
        "workers": workers(occurrences),
    }


def matrix(issues: QuerySet[OperationalIssue], now: datetime) -> list[Row]:
    """Count the issues of each task that were seen in each window, the busiest of the last day first."""
    counts = {f"seen_{name}": Count("pk", filter=Q(last_seen_at__gte=now - PRESETS[name][0])) for name in WINDOWS}
    lately: Any = issues.filter(last_seen_at__gte=now - PRESETS[WINDOWS[-1]][0]).order_by().values("task")
    found = lately.annotate(total=Sum("occurrence_count"), **counts).order_by("-seen_24h", "-seen_7d", "task")[
        :MAX_TASKS
    ]
    return [
        Row(
            task=row["task"],
            cells=tuple(Cell(count=row[f"seen_{name}"], query=_query(name, row["task"])) for name in WINDOWS),
            occurrence_count=row["total"],
        )
        for row in found
    ]


def trend(occurrences: QuerySet[Occurrence], now: datetime) -> charts.Chart:
    """Draw the occurrences of the last week by severity, or as many of the latest as may be looked at."""
    start = now - WEEK
    latest = occurrences.order_by("-occurred_at").values_list("occurred_at", flat=True)
    edge = next(iter(latest[MAX_CHARTED : MAX_CHARTED + 1]), None)
    start = max(start, edge) if edge else start
    rows = (
        occurrences.filter(occurred_at__gte=start)
        .order_by()
        .annotate(hour=TruncHour("occurred_at", tzinfo=UTC))
        .values_list("hour", "severity")
        .annotate(n=Count("*"))
    )
    return charts.chart(rows, start, now, is_fitted=True)


def short_lists(issues: QuerySet[OperationalIssue], now: datetime) -> dict[str, list[OperationalIssue]]:
    """Return the issues that were opened, came back and recovered last; three queries along indexes."""
    issues = issues.only(
        "pk", "name", "task", "severity", "status", "occurrence_count", "created_at", "first_seen_at", "last_seen_at"
    )
    lately = issues.filter(created_at__gte=now - WEEK).order_by("-created_at", "-pk")
    good = issues.filter(status="resolved", recovered_count__gt=0, last_seen_at__gte=now - WEEK)
    return {
        "new": list(lately.filter(is_returned=False)[:SHOWN_ISSUES]),
        "returned": list(lately.filter(is_returned=True)[:SHOWN_ISSUES]),
        "recovered": list(good.order_by("-last_seen_at", "-pk")[:SHOWN_ISSUES]),
    }


def workers(occurrences: QuerySet[Occurrence]) -> list[str]:
    """Return the workers of the latest occurrences, by name."""
    latest = occurrences.order_by("-occurred_at").values_list("worker", flat=True)[:MAX_WORKERS_FROM]
    return sorted(set(latest) - {""})


def _totals(rows: Sequence[Row]) -> list[Cell]:
    return [
        Cell(count=sum(row.cells[n].count for row in rows), query=_query(name, None)) for n, name in enumerate(WINDOWS)
    ]


def _figures(open_count: int, totals: Sequence[Cell], drawn: charts.Chart) -> list[Figure]:
    hour, day, week = totals[WINDOWS.index("1h")], totals[WINDOWS.index("24h")], totals[WINDOWS.index("7d")]
    since = gettext("occurrences since %(start)s") % {"start": drawn.ends[0]}
    return [
        Figure(count=shown(open_count), title=gettext("open issues"), query=""),
        Figure(count=grouped(hour.count), title=gettext("issues seen in the last hour"), query=hour.query),
        Figure(count=grouped(day.count), title=gettext("issues seen in the last 24 hours"), query=day.query),
        Figure(count=grouped(drawn.total), title=since, query=week.query),
    ]


def _by_severity(drawn: charts.Chart) -> list[tuple[str, str, str]]:
    """Return severity, label and count of what the trend shows."""
    labels = dict(OperationalIssue.Severity.choices)
    found = [(s, drawn.totals[s]) for s in charts.SEVERITIES if drawn.totals.get(s)]
    return [(severity, str(labels[severity]), grouped(n)) for severity, n in found]


def _top(rows: Iterable[Row]) -> list[Row]:
    busiest = sorted(rows, key=lambda row: row.occurrence_count, reverse=True)[:8]
    most = busiest[0].occurrence_count if busiest else 1
    return [
        Row(
            task=row.task,
            cells=row.cells[-1:],
            occurrence_count=row.occurrence_count,
            share=max(1, round(100 * row.occurrence_count / max(1, most))),
        )
        for row in busiest
    ]


def _query(window: str, task: str | None) -> str:
    parts = {"status": "all", "last_seen_at__within": window}
    return "?" + urlencode(parts if task is None else {**parts, "task__exact": task})
