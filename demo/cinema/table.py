"""The demo's table: the captured issues, one a line, as wide as the terminal. Pure: texts in, text out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from issue_tracker.models import OperationalIssue

GOOD_ENDS = {"report": "cleared", "retry": "recovered", "worker_lost": "recovered", "interrupted": "recovered"}
"""How an issue closed itself, by its kind: Celery ran it again by itself. Any other was sent again, with success."""
TITLES = ("NAME", "TASK", "SEVERITY", "KIND", "COUNT", "STATE", "MESSAGE")
SEVERITIES = ("error", "warning", "info")
MIN_MESSAGE_WIDTH = 24


def worst_first(issues: Iterable[OperationalIssue]) -> list[OperationalIssue]:
    """Sort for reading: errors, then warnings; captured ones before those that code reported; by task."""
    return sorted(issues, key=lambda one: (SEVERITIES.index(one.severity), one.kind == "report", one.task, one.kind))


def table(issues: Sequence[OperationalIssue], *, width: int) -> str:
    """Write the issues as lines of at most `width` characters, the message cut to what is left."""
    rows = [TITLES, *(_row(issue) for issue in issues)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) - 1)]
    left = max(width - sum(widths) - 2 * len(widths), MIN_MESSAGE_WIDTH)
    return "\n".join(_line(row, widths, left) for row in rows)


def totals(issues: Sequence[OperationalIssue]) -> str:
    """Write how many issues and occurrences there are, and of which severity."""
    by_severity = Counter(issue.severity for issue in issues)
    parts = ", ".join(f"{by_severity[severity]} {severity}" for severity in SEVERITIES)
    return f"{len(issues)} issues ({parts}), {sum(issue.occurrence_count for issue in issues)} occurrences"


def state(issue: OperationalIssue) -> str:
    """Say in a word what became of an issue."""
    if issue.is_returned:
        return f"{issue.status}, returned"
    if issue.status == "resolved" and issue.recovered_count >= issue.occurrence_count:
        return GOOD_ENDS.get(issue.kind, "requeued")
    return issue.status


def _row(issue: OperationalIssue) -> tuple[str, ...]:
    task = issue.task.rpartition(".")[2]
    message = " ".join(issue.error_message.split())
    return (issue.name, task, issue.severity, issue.kind, str(issue.occurrence_count), state(issue), message)


def _line(row: Sequence[str], widths: Sequence[int], left: int) -> str:
    cells = [
        cell.rjust(width) if title == "COUNT" else cell.ljust(width)
        for title, cell, width in zip(TITLES, row, widths, strict=False)
    ]
    message = row[-1] if len(row[-1]) <= left else f"{row[-1][: left - 1]}…"
    return "  ".join([*cells, message]).rstrip()
