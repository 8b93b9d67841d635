"""What the issue list computes beside its rows: facets, busiest tasks, histogram, sparklines; one bounded query each.

The number of queries does not depend on the number of rows.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import Count
from django.db.models.functions import Left, TruncDay, TruncHour
from django.utils import timezone

from issue_tracker import charts
from issue_tracker.admin.facets import MAX_FACETED, MAX_FACETED_BY_TEXT, Facets, count_cells, edge_of
from issue_tracker.admin.filters import VIEWS, ChoiceFilter, DateRangeFilter, TaskFilter, ViewFilter
from issue_tracker.admin.searching import is_keyed
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.templatetags.issue_tracker import iso

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.models import QuerySet
    from django.http import HttpRequest

HISTOGRAM_SPAN: Final = timedelta(days=30)
"""Span of the histogram where no date filter says otherwise."""

SPARKLINE_DAYS: Final = 14
"""Days in the sparkline of a row."""

MESSAGE_CHARACTERS: Final = 300
"""Characters of the message that a row loads."""

HEAVY: Final = ("error_message", "traceback", "context")
"""Columns that a list never loads."""


class IssueChangeList(ChangeList):
    """The issue list of one request."""

    ignored: tuple[str, ...] = ()
    """Parameters of the address that filter nothing, for the note on the page."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[OperationalIssue]:
        """Return the filtered set; asked again after an action, so nothing computed from it is kept."""
        self.request = request
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page. Any page number gives a page; the columns that may be huge stay in the database."""
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        page = self.paginator.get_page(self.page_num)
        self.page_num = page.number
        self.result_count = self.paginator.count
        self.multi_page = self.paginator.num_pages > 1
        self.can_show_all = self.show_all = False
        self.show_full_result_count, self.full_result_count = False, None
        self.show_admin_actions = True
        self.result_list = self._rows(page.object_list)
        activity = self._activity([issue.pk for issue in self.result_list])
        self.pk_attname = self.lookup_opts.pk.attname  # Django sets it later, but the rows' addresses need it
        filters: Any = {"opts": self.opts, "preserved_filters": self.preserved_filters}
        for issue in self.result_list:
            issue.activity = activity.get(issue.pk, [])
            issue.url = add_preserved_filters(filters, self.url_for_result(issue))

    def _rows(self, page: Any) -> list[OperationalIssue]:
        """Fetch the rows of a page: their keys first, since an index is enough to sort 100,000 of them.

        A search reads the messages anyway, or knows the keys: one query does.
        """
        if self.query:
            near = self._near_page()
            return list(_light(page if near is None else near))
        pks = list(page.values_list("pk", flat=True))
        found = {row.pk: row for row in _light(self.root_queryset.filter(pk__in=pks))}
        return [found[pk] for pk in pks if pk in found]

    def _near_page(self) -> QuerySet[OperationalIssue] | None:
        """Return the first page of a search from the latest issues, where these are known to fill it.

        PostgreSQL takes a common word for a rare one and sorts all 100,000: 78 ms.
        """
        is_latest_first = self.page_num == 1 and "-last_seen_at" in self.queryset.query.order_by[:1]
        if not (is_latest_first and self._edge and self.facets.total(self.view) >= self.list_per_page):
            return None
        near: QuerySet[OperationalIssue] = self.queryset.filter(last_seen_at__gte=self._edge)[: self.list_per_page]
        return near

    @cached_property
    def facets(self) -> Facets:
        """Counts by status, severity and kind of what the other filters and the search leave."""
        rows = self._left_by_others(ViewFilter, ChoiceFilter)
        chosen = {
            s.field_path: list(s.lookup_val) for s in self.filter_specs if isinstance(s, ChoiceFilter) and s.lookup_val
        }
        return Facets(cells=count_cells(rows), view=self.view, chosen=chosen, is_bounded=self._edge is not None)

    @property
    def view(self) -> str:
        """The chosen view."""
        return next((spec.value() for spec in self.filter_specs if isinstance(spec, ViewFilter)), "all")

    def views(self) -> list[dict[str, Any]]:
        """Return the links above the list, each with its count under the present filters."""
        return [
            {
                "name": view,
                "label": label,
                "count": self.paginator.label if view == self.view else self.facets.label(self.facets.total(view)),
                "is_current": view == self.view,
                "query": self.get_query_string({"status": view}),
            }
            for view, label in VIEWS.items()
        ]

    @cached_property
    def histogram(self) -> charts.Chart:
        """Draw when the issues of the filtered set were last seen; each bar links to its issues."""
        start, end = self._span()
        rows = (
            self.queryset.filter(last_seen_at__gte=start, last_seen_at__lte=end)
            .order_by()
            .annotate(hour=TruncHour("last_seen_at", tzinfo=UTC))
            .values_list("hour", "severity")
            .annotate(n=Count("pk"))
        )
        drawn = charts.chart(rows, start, end, is_fitted=True)
        return replace(
            drawn, bars=tuple(replace(bar, query=self._bar_query(bar, is_hourly=drawn.is_hourly)) for bar in drawn.bars)
        )

    @property
    def bound(self) -> int | None:
        """How many of the latest issues are counted, None where it is all of them."""
        return self._limit if self._edge else None

    def busiest_tasks(self, limit: int) -> list[tuple[str, int]]:
        """Return the tasks with most issues under all other filters and the search, with their counts."""
        rows = self._left_by_others(TaskFilter).order_by().values_list("task")
        return list(rows.annotate(n=Count("pk")).order_by("-n", "task")[:limit])

    def notes(self) -> list[str]:
        """Return what of the address was ignored, cut to be shown."""
        dates = [text for spec in self.filter_specs if isinstance(spec, DateRangeFilter) for text in spec.invalid]
        return [*(name[:40] for name in self.ignored[:5]), *dates]

    @property
    def is_first_look(self) -> bool:
        """Whether nothing was filtered or searched."""
        return not self.query and not self.filter_params

    @property
    def without_search(self) -> str:
        """Return the query string of the same list without the search."""
        return self.get_query_string(remove=[SEARCH_VAR])

    def hidden_parameters(self, without: Collection[str] = (SEARCH_VAR,)) -> list[tuple[str, str]]:
        """Return what a form of this page must carry along: all parameters of the address but those it sets itself."""
        return [(name, value) for name, values in self.filter_params.items() if name not in without for value in values]

    def _bar_query(self, bar: charts.Bar, *, is_hourly: bool) -> str:
        prefix = "last_seen_at__"
        day = timezone.localtime(bar.start).date().isoformat()
        since, until = (iso(bar.start), iso(bar.end)) if is_hourly else (day, day)
        return self.get_query_string({f"{prefix}since": since, f"{prefix}until": until}, remove=[prefix])

    @cached_property
    def _in_range(self) -> QuerySet[OperationalIssue]:
        """All issues in the chosen range of last seen, which an index gives in order."""
        rows = self.root_queryset
        for spec in self.filter_specs:
            if isinstance(spec, DateRangeFilter) and spec.field_path == "last_seen_at":
                rows = spec.queryset(self.request, rows)
        return rows

    def _left_by_others(self, *kinds: type) -> QuerySet[OperationalIssue]:
        """Return what the search and all filters but those of some kinds leave of what is counted."""
        rows: Any = self._counted
        for spec in self.filter_specs:
            if not isinstance(spec, kinds):
                rows = spec.queryset(self.request, rows)
        found: QuerySet[OperationalIssue] = self.model_admin.get_search_results(self.request, rows, self.query)[0]
        return found

    @cached_property
    def _edge(self) -> datetime | None:
        return None if is_keyed(self.request, self.query) else edge_of(self._in_range, self._limit)

    @property
    def _limit(self) -> int:
        return MAX_FACETED_BY_TEXT if self.query else MAX_FACETED

    @property
    def _counted(self) -> QuerySet[OperationalIssue]:
        return self._in_range.filter(last_seen_at__gte=self._edge) if self._edge else self._in_range

    def _span(self) -> tuple[datetime, datetime]:
        """Return what the histogram spans: the range that was chosen, else 30 days, and no more than is counted."""
        start, end = self._wanted_span(timezone.now())
        return (max(start, self._edge) if self._edge else start), end

    def _wanted_span(self, now: datetime) -> tuple[datetime, datetime]:
        for spec in self.filter_specs:
            if isinstance(spec, DateRangeFilter) and spec.field_path == "last_seen_at":
                end = min(spec.until or now, now)
                start = spec.earliest(now) or end - HISTOGRAM_SPAN
                return min(start, end), end
        return now - HISTOGRAM_SPAN, now

    def _activity(self, pks: list[int]) -> dict[int, list[int]]:
        today = timezone.now().astimezone(UTC).date()
        first = today - timedelta(days=SPARKLINE_DAYS - 1)
        rows = (
            Occurrence.objects.using(self.root_queryset.db)
            .filter(issue_id__in=pks, occurred_at__gte=datetime(first.year, first.month, first.day, tzinfo=UTC))
            .order_by()
            .annotate(day=TruncDay("occurred_at", tzinfo=UTC))
            .values_list("issue_id", "day")
            .annotate(n=Count("pk"))
        )
        return _by_issue(rows, first)


def _light(rows: QuerySet[OperationalIssue]) -> QuerySet[OperationalIssue]:
    """Leave out what may be huge, but for the head of the message."""
    return rows.annotate(message_head=Left("error_message", MESSAGE_CHARACTERS)).defer(*HEAVY)


def _by_issue(rows: Iterable[tuple[int, datetime, int]], first: Any) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pk, day, count in rows:
        n = (day.date() - first).days
        if 0 <= n < SPARKLINE_DAYS:
            found.setdefault(pk, [0] * SPARKLINE_DAYS)[n] += count
    return found
