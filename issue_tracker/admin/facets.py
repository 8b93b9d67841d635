"""The counts beside views, severities, kinds and tasks, over the most recently seen issues: a bounded cost.

Up to MAX_FACETED issues the counts are exact; beyond, each is a lower bound and says so with a "+".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import Case, Count, Value, When

from issue_tracker.admin.paginator import shown
from issue_tracker.lifecycle import recurring_condition

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from issue_tracker.models import OperationalIssue

MAX_FACETED: Final = 20_000
"""Most recently seen issues that are counted. Ours: 100,000 took 170 ms on PostgreSQL, the list has 200 in all."""

MAX_FACETED_BY_TEXT: Final = 5_000
"""The same for a search of a common word, where each one counted is a message read: 20,000 took 170 ms, these 60."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How many issues have which status, severity and kind, before the filters of these three are applied."""

    cells: tuple[tuple[str, str, str, bool, int], ...]
    """(status, severity, kind, is recurring, count)."""
    view: str
    chosen: dict[str, list[str]]
    """The values chosen by column, for severity and kind."""
    is_bounded: bool
    """Whether there are more issues than were counted."""

    def counts(self, column: str) -> Counter[str]:
        """Count by the values of severity or kind, in the chosen view and under the other filters."""
        found: Counter[str] = Counter()
        others = {name: values for name, values in self.chosen.items() if name != column}
        for status, severity, kind, is_recurring, count in self.cells:
            values = {"severity": severity, "kind": kind}
            if in_view(self.view, status, is_recurring=is_recurring) and _fits(values, others):
                found[values[column]] += count
        return found

    def total(self, view: str) -> int:
        """Count a view under all other filters."""
        return sum(
            count
            for status, severity, kind, is_recurring, count in self.cells
            if in_view(view, status, is_recurring=is_recurring)
            and _fits({"severity": severity, "kind": kind}, self.chosen)
        )

    def label(self, count: int) -> str:
        """Return a count as shown: "37"; "37+" where not all were counted."""
        text = shown(count)
        return f"{text}+" if self.is_bounded and not text.endswith("+") else text


def in_view(view: str, status: str, *, is_recurring: bool) -> bool:
    """Say whether a view shows such an issue; the same rule as `filters.of_view`, for counts."""
    if view == "recurring":
        return is_recurring and status != "resolved"
    return view in {"all", status}


def count_cells(rows: QuerySet[OperationalIssue]) -> tuple[tuple[str, str, str, bool, int], ...]:
    """Count issues by status, severity, kind and whether they recur, in one query."""
    counted = (
        rows.annotate(recurs=Case(When(recurring_condition(), then=Value(1)), default=Value(0)))
        .order_by()
        .values_list("status", "severity", "kind", "recurs")
        .annotate(n=Count("pk"))
    )
    return tuple((status, severity, kind, bool(recurs), n) for status, severity, kind, recurs, n in counted)


def edge_of(rows: QuerySet[OperationalIssue], limit: int = MAX_FACETED) -> datetime | None:
    """Return when the limit-th latest issue was last seen; None where there are no more than that."""
    last = rows.order_by("-last_seen_at", "-pk").values_list("last_seen_at", flat=True)
    return next(iter(last[limit : limit + 1]), None)


def _fits(values: dict[str, str], chosen: dict[str, list[str]]) -> bool:
    return all(values[name] in wanted for name, wanted in chosen.items())
