"""An issue told whole, for the command line: facts, recurrence, what it returned from, its latest runs, its key.

Right of the seam. A bounded number of queries, whatever the number of occurrences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import recurrence
from .models import Occurrence, OperationalIssue
from .plain import issue_text, printable, time_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_RUNS: Final = 10
"""Latest runs that are told, each with all its attempts."""
MAX_ATTEMPTS: Final = 200
MAX_EARLIER: Final = 10
"""Issues that are followed back from a return."""


def account_text(issue: OperationalIssue) -> str:
    """Write an issue, how it comes back, and the stories of its latest runs: attempt by attempt, and what became."""
    sections = {
        "how it comes back": recurrence.words(recurrence.of_issue(issue)),
        "returned from": [_earlier_text(one) for one in earlier_issues(issue)],
        "latest runs": [_run_text(attempts) for attempts in latest_runs(issue)],
    }
    told = ["\n".join([title, *(f"  {line}" for line in lines)]) for title, lines in sections.items() if lines]
    return "\n\n".join([issue_text(issue), *map(printable, told)])


def account(issue: OperationalIssue) -> dict[str, Any]:
    """Return what `account_text` says as plain values."""
    return {
        "recurrence": recurrence.words(recurrence.of_issue(issue)),
        "returned_from": [one.pk for one in earlier_issues(issue)],
        "latest_runs": [
            [
                {name: getattr(one, name) for name in ("task_id", "attempt", "kind", "occurred_at", "outcome")}
                for one in attempts
            ]
            for attempts in latest_runs(issue)
        ],
    }


def explanation(issue: OperationalIssue) -> dict[str, Any]:
    """Return what the issue's key was made of, part by part, and the key."""
    parts = issue.grouping or {"unknown": "it was stored past `save()`, by bulk_create or SQL"}
    return {**parts, "fingerprint": issue.fingerprint, "takes repeats": "yes" if issue.open_key else "no"}


def earlier_issues(issue: OperationalIssue) -> list[OperationalIssue]:
    """Return the issues that this one is the return of, the latest first."""
    found: list[OperationalIssue] = []
    while issue.previous is not None and len(found) < MAX_EARLIER:
        issue = issue.previous
        found.append(issue)
    return found


def latest_runs(issue: OperationalIssue) -> list[list[Occurrence]]:
    """Return the latest runs that failed in this issue, newest first, each with its attempts in their order.

    An attempt that failed differently belongs to another issue, and to the same story.
    """
    rows = Occurrence.objects.using(issue._state.db or "default").defer("traceback", "payload")
    latest = rows.filter(issue=issue).exclude(task_id="").values_list("task_id", flat=True)[: MAX_RUNS * 5]
    ids = list(dict.fromkeys(latest))[:MAX_RUNS]
    attempts = rows.filter(task_id__in=ids).exclude(kind="report").select_related("issue")
    runs: dict[str, list[Occurrence]] = {task_id: [] for task_id in ids}
    for one in attempts.order_by("occurred_at", "pk")[:MAX_ATTEMPTS]:
        runs[one.task_id].append(one)
    return [run for run in runs.values() if run]


def _earlier_text(issue: OperationalIssue) -> str:
    ended = f"resolved {time_text(issue.resolved_at)}" if issue.resolved_at else f"{issue.status}, then quiet"
    return f"issue {issue.pk}, seen last {time_text(issue.last_seen_at)}, {ended}"


def _run_text(attempts: Sequence[Occurrence]) -> str:
    last = attempts[-1]
    became = f": {last.get_outcome_display()}" if last.outcome else ""
    sent = f" as {last.requeued_as}" if last.requeued_as else ""
    return f"{time_text(last.occurred_at)}  {last.task_id}  {', '.join(_attempts_text(attempts))}{became}{sent}"


def _attempts_text(attempts: Sequence[Occurrence]) -> Iterator[str]:
    for one in attempts:
        yield f"{one.attempt + 1}. {one.issue.name}"
