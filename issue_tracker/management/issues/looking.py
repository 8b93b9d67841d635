"""`issues list`, `show`, `explain`, `stats`: what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Count, Sum

from issue_tracker import conf, selection
from issue_tracker.account import account, account_text, explanation
from issue_tracker.models import OperationalIssue
from issue_tracker.spool import current

from .verb import Console, Verb, issue_of

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


def list_issues(options: dict[str, Any], console: Console) -> int:
    """Print issues."""
    issues = list(selection.chosen(options)[: max(1, options["limit"])])
    rows = [
        {
            "id": issue.pk,
            "severity": issue.severity,
            "status": issue.status,
            "count": issue.occurrence_count,
            "last_seen": issue.last_seen_at,
            "name": issue.name,
            "task": issue.task,
            "message": issue.error_message,
        }
        for issue in issues
    ]
    console.show_rows(rows)
    return 0 if rows else 1


def show(options: dict[str, Any], console: Console) -> int:
    """Print one issue."""
    issue = issue_of(options["id"])
    console.show(_whole(issue) | account(issue) if console.is_json else None, lambda: account_text(issue))
    return 0


def explain(options: dict[str, Any], console: Console) -> int:
    """Print what made an issue's key."""
    issue = issue_of(options["id"])
    found = explanation(issue)
    console.show(found, lambda: "\n".join(f"{key:>16}  {value}" for key, value in found.items()))
    return 0


def stats(_options: dict[str, Any], console: Console) -> int:
    """Print counts and the state of collection."""
    found = _counts()
    console.show(found, lambda: "\n".join(f"{key:>16}  {_line(value)}" for key, value in found.items()))
    return 0


def _counts() -> dict[str, Any]:
    issues = OperationalIssue.objects.using(conf.current().database)
    spool = current()
    return {
        "issues": {row["status"]: row["n"] for row in issues.order_by().values("status").annotate(n=Count("pk"))},
        "open by severity": {
            row["severity"]: row["n"] for row in issues.open().order_by().values("severity").annotate(n=Count("pk"))
        },
        "occurrences": issues.aggregate(total=Sum("occurrence_count"))["total"] or 0,
        "spool": {
            "directory": str(spool.directory),
            "waiting": spool.depth(),
            "quarantined": spool.quarantine_count(),
        },
        "discards": spool.reserve.counts(),
    }


def _line(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {number}" for name, number in value.items())
    return str(value or "–")


def _whole(issue: OperationalIssue) -> dict[str, Any]:
    fields = {field.name: getattr(issue, field.attname) for field in issue._meta.concrete_fields}
    latest = issue.occurrences.all()[:20].values(
        "occurred_at", "kind", "task_id", "attempt", "worker", "queue", "args", "kwargs", "outcome"
    )
    return {**fields, "latest_occurrences": list(latest)}


def _add_limit(parser: CommandParser) -> None:
    parser.add_argument("--limit", type=int, default=50)


def _add_id(parser: CommandParser) -> None:
    parser.add_argument("id", type=int)


VERBS = (
    Verb(name="list", help="issues, those seen last first", run=list_issues, declare=_add_limit, has_filters=True),
    Verb(name="show", help="one issue, whole", run=show, declare=_add_id),
    Verb(name="explain", help="why its failures are one issue: the parts of its key", run=explain, declare=_add_id),
    Verb(name="stats", help="how many, of what, since when; and the state of the spool", run=stats),
)
