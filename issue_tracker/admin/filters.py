"""The filters of the issue list: links with counts, a task box, and date ranges with presets. No JavaScript needed.

A value that makes no sense filters nothing and is named on the page: no hand-made address is answered with an error.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin import FieldListFilter, SimpleListFilter
from django.contrib.admin.filters import ChoicesFieldListFilter
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from issue_tracker.models import OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest


MAX_TASKS: Final = 12
"""Tasks offered as links, the busiest first; ours, so that the sidebar stays on one screen. Others are typed."""

PRESETS: Final[dict[str, tuple[timedelta, Any]]] = {
    "1h": (timedelta(hours=1), _("Last hour")),
    "3h": (timedelta(hours=3), _("Last 3 hours")),
    "24h": (timedelta(hours=24), _("Last 24 hours")),
    "3d": (timedelta(days=3), _("Last 3 days")),
    "7d": (timedelta(days=7), _("Last 7 days")),
    "30d": (timedelta(days=30), _("Last 30 days")),
}
"""Windows that move with the clock, by the value they have in an address; also the columns of the overview's matrix."""

VIEWS: Final = {
    "open": _("Open"),
    "recurring": _("Recurring"),
    "muted": _("Muted"),
    "resolved": _("Resolved"),
    "all": _("All"),
}
"""The views of the list, by the value of `status` in an address. The first one is what the list opens on."""


class ViewFilter(SimpleListFilter):
    """The status, shown as the row of views above the list; without one, the list shows open issues."""

    title = _("status")
    parameter_name = "status"
    template = "admin/issue_tracker/filter_nothing.html"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
        """Return the views."""
        return list(VIEWS.items())

    def value(self) -> str:
        """Return the chosen view, the open one when there is none or an unknown one."""
        chosen = super().value()
        return chosen if chosen in VIEWS else "open"

    def queryset(self, request: HttpRequest, queryset: QuerySet[OperationalIssue]) -> QuerySet[OperationalIssue]:
        """Keep the issues of the view."""
        return of_view(queryset, self.value())


def of_view(queryset: QuerySet[OperationalIssue], view: str) -> QuerySet[OperationalIssue]:
    """Keep the issues that a view of the list shows; recurring ones as long as they are not resolved."""
    if view == "all":
        return queryset
    if view == "recurring":
        return queryset.recurring().exclude(status="resolved")  # type: ignore[attr-defined,no-any-return]
    return queryset.filter(status=view)


class ChoiceFilter(ChoicesFieldListFilter):
    """The values of a column that occur in the filtered set, each with its count."""

    template = "admin/issue_tracker/filter_links.html"

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield "All" and the values that occur, plus the chosen one."""
        chosen: list[str] = list(self.lookup_val or ())
        counts = changelist.facets.counts(self.field_path)
        yield {
            "selected": not chosen,
            "query_string": changelist.get_query_string(remove=[self.lookup_kwarg]),
            "display": _("All"),
        }
        for value, label in self.field.flatchoices:
            if value in counts or value in chosen:
                yield {
                    "selected": value in chosen,
                    "query_string": changelist.get_query_string({self.lookup_kwarg: value}),
                    "display": label,
                    "count": changelist.facets.label(counts.get(value, 0)),
                }


class TaskFilter(FieldListFilter):
    """The busiest tasks as links, and a box for any other."""

    template = "admin/issue_tracker/filter_task.html"

    def expected_parameters(self) -> list[str | None]:
        """Return the one parameter: the exact name."""
        return [f"{self.field_path}__exact"]

    @property
    def chosen(self) -> str:
        """The chosen task, or empty."""
        return _last(self.used_parameters.get(f"{self.field_path}__exact"))

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield "All", the busiest tasks, and what the box needs."""
        (parameter,) = self.expected_parameters()
        tasks = dict(changelist.busiest_tasks(MAX_TASKS + 1))
        yield {
            "selected": not self.chosen,
            "query_string": changelist.get_query_string(remove=[parameter]),
            "display": _("All"),
            "parameter": parameter,
            "chosen": self.chosen,
            "hidden": changelist.hidden_parameters([parameter]),
            "has_box": len(tasks) > MAX_TASKS,
        }
        if self.chosen:
            tasks = {self.chosen: tasks.get(self.chosen, 0), **tasks}
        for task, count in list(tasks.items())[:MAX_TASKS]:
            yield {
                "selected": task == self.chosen,
                "query_string": changelist.get_query_string({parameter: task}),
                "display": task or _("(no task)"),
                "count": changelist.facets.label(count),
            }


class DateRangeFilter(FieldListFilter):
    """A range of days or moments, or a window that moves with the clock.

    In an address: `FIELD__since`, `FIELD__until` (a day counts whole) and `FIELD__within` (1h, 3h, 24h, 3d, 7d, 30d).
    """

    template = "admin/issue_tracker/filter_dates.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Read the three parameters; `invalid` names those that are no date."""
        super().__init__(*args, **kwargs)
        self.invalid: list[str] = []
        self.since = self._moment("since")
        self.until = self._moment("until")

    def expected_parameters(self) -> list[str | None]:
        """Return the three parameters."""
        return [f"{self.field_path}__{suffix}" for suffix in ("since", "until", "within")]

    def text(self, suffix: str) -> str:
        """Return what the address says for one of the parameters."""
        return _last(self.used_parameters.get(f"{self.field_path}__{suffix}"))

    @property
    def within(self) -> str:
        """The chosen preset, or empty."""
        return self.text("within") if self.text("within") in PRESETS else ""

    def earliest(self, now: datetime) -> datetime | None:
        """Return where the range begins, None where it has no beginning."""
        return now - PRESETS[self.within][0] if self.within else self.since

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what lies in the range."""
        if since := self.earliest(timezone.now()):
            queryset = queryset.filter(**{f"{self.field_path}__gte": since})
        if self.until:
            queryset = queryset.filter(**{f"{self.field_path}__lt": self.until})
        return queryset

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield "Any date" with what the two boxes need, then the presets."""
        is_free = not (self.within or self.since or self.until)
        yield {
            "selected": is_free,
            "query_string": changelist.get_query_string(remove=self.expected_parameters()),
            "display": _("Any date"),
            "is_open": not is_free or self.field_path == "last_seen_at",
            "since": f"{self.field_path}__since",
            "until": f"{self.field_path}__until",
            "since_day": self.text("since")[:10] if self.since else "",
            "until_day": self.text("until")[:10] if self.until else "",
            "exact": [self.text(s) for s in ("since", "until")] if _has_time(self) else [],
            "hidden": changelist.hidden_parameters(self.expected_parameters()),
            "invalid": self.invalid,
        }
        for value, (_window, label) in PRESETS.items():
            yield {
                "selected": value == self.within,
                "query_string": changelist.get_query_string(
                    {f"{self.field_path}__within": value}, remove=self.expected_parameters()
                ),
                "display": label,
            }

    def _moment(self, suffix: str) -> datetime | None:
        text = self.text(suffix)
        if not text:
            return None
        moment = moment_of(text, is_end=suffix == "until")
        if moment is None:
            self.invalid.append(text[:40])
        return moment


def moment_of(text: str, *, is_end: bool = False) -> datetime | None:
    """Return the moment that an ISO day or date-time means, None where it means none; a day as an end counts whole.

    Years outside 1970-9000 are refused: they overflow in time zones and databases.
    """
    try:
        day = parse_date(text)
        moment = datetime(day.year, day.month, day.day) if day else parse_datetime(text)
        if moment is None or not 1970 <= moment.year <= 9000:
            return None
        if day and is_end:
            moment += timedelta(days=1)
        return (timezone.make_aware(moment) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _last(value: object) -> str:
    """Return the last of the values that a parameter has, empty where it has none."""
    return str((value[-1] if isinstance(value, list) and value else value) or "")


def _has_time(spec: DateRangeFilter) -> bool:
    return any("T" in spec.text(suffix) or " " in spec.text(suffix) for suffix in ("since", "until"))
