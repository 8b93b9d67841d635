"""The public names as a host's code uses them: mypy reads this file, nobody runs it.

`assert_type` fails the check when a signature loses its types; a misuse that must be refused carries an ignore, and
mypy tells of one that is no longer needed.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, assert_type

from django.contrib import admin
from django.contrib.auth.models import User
from django.dispatch import Signal
from django.test import TestCase

import issue_tracker
from issue_tracker.admin import OpenIssuesMixin, OperationalIssueAdmin
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.signals import issue_opened, issue_recovered, issue_resolved, issue_returned
from issue_tracker.testing import CapturedIssues, IssuesMixin

if TYPE_CHECKING:
    from django.http import HttpRequest


def reports() -> None:
    """All keywords, and none but the name."""
    issue_tracker.report("No showtimes found")
    issue_tracker.report(
        "No showtimes found",
        task="save_showtimes",
        error_message=ValueError("anything with a text"),
        traceback="",
        context={"theater_id": 5},
        severity="warning",
        fingerprint="a key of my own",
    )
    issue_tracker.clear("No showtimes found", task="save_showtimes", context={"theater_id": 5})
    issue_tracker.report("No showtimes found", theater_id=5)  # type: ignore[call-arg]
    issue_tracker.report("No showtimes found", "save_showtimes")  # type: ignore[call-arg]


def blocks() -> None:
    """Context managers."""
    with issue_tracker.bind(theater_id=5):
        pass
    with issue_tracker.watch("TMDB API Error", context={"movie": "Avatar"}, reraise=False):
        pass
    with issue_tracker.expect("No showtimes found", context={"theater_id": 5}) as it:
        it.ok = False
        it.ok = "no"  # type: ignore[assignment]


@issue_tracker.watch("Import failed")
def import_prices(day: dt.date) -> int:
    """A watched function keeps its signature."""
    return day.year


@issue_tracker.watch("Import failed", severity="warning")
async def import_later(day: dt.date) -> int:
    """So does a coroutine."""
    return day.year


async def decorated() -> None:
    """What the decorator leaves as it was."""
    assert_type(import_prices(dt.date(2026, 11, 23)), int)
    assert_type(await import_later(dt.date(2026, 11, 23)), int)
    import_prices("2026-11-23")  # type: ignore[arg-type]


def rows(issue: OperationalIssue, user: User) -> None:
    """Columns and verbs of one issue."""
    assert_type(issue.name, str)
    assert_type(issue.occurrence_count, int)
    assert_type(issue.resolved_at, dt.datetime | None)
    assert_type(issue.resolve(by=user, note="fixed"), bool)
    assert_type(issue.mute(until=dt.datetime.now(dt.UTC), by=user), bool)
    assert_type(issue.mute(more=100), bool)
    assert_type(issue.reopen(), bool)
    issue.mute(until="tomorrow")  # type: ignore[arg-type]
    for occurrence in issue.occurrences.all():
        assert_type(occurrence, Occurrence)
    OperationalIssue(name="n", task="t", error_message="m", severity=OperationalIssue.Severity.WARNING)


def signals() -> None:
    """Django's own type."""
    for signal in (issue_opened, issue_returned, issue_resolved, issue_recovered):
        assert_type(signal, Signal)


class TeamIssueAdmin(OperationalIssueAdmin):
    """As docs/admin.md has it."""

    list_per_page = 50

    def get_issue_context(
        self, request: HttpRequest, issue: OperationalIssue, occurrence: Occurrence | None
    ) -> dict[str, Any]:
        """Add the runbook."""
        return {**super().get_issue_context(request, issue, occurrence), "runbook": f"/runbooks/{issue.task}"}


class UserAdmin(OpenIssuesMixin, admin.ModelAdmin[User]):
    """Any object's page."""

    issues_context_key = "user_id"


class CheckoutTests(IssuesMixin, TestCase):
    """As docs/testing.md has it."""

    def test_one(self) -> None:
        """The assertion gives the issue."""
        assert_type(self.assertIssue("ValueError", task="charge"), OperationalIssue)
        self.assertNoIssues(severity="error")


def test_with_pytest(issues: CapturedIssues) -> None:
    """The fixture's type."""
    assert_type(issues.assert_one("ValueError", within_seconds=5, context={"args": [17]}), OperationalIssue)
    assert_type(issues.new(kind="time_limit"), list[OperationalIssue])
    issues.assert_none(severity="error")
