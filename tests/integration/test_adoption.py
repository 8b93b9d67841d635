"""Adoption: a host's own table becomes ours, once, whole, and told to nobody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import issue_tracker
from issue_tracker.adoption import BATCH, Adopted, adopt, source_of
from issue_tracker.drain.folding import MAX_NEW_ISSUES_AN_HOUR
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.signals import issue_opened, issue_resolved, issue_returned
from tests.integration.test_issues_command import issues
from tests.project.models import OldIssue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def a_row(*, days: float = 0, **values: Any) -> OldIssue:
    """Store a row of the old table, so many days old."""
    usual = {
        "name": "No showtimes found",
        "task": "save_showtimes_for_theater",
        "error_message": "Theater 5 has none",
        "severity": "warning",
    }
    return OldIssue.objects.create(**{**usual, "created_at": NOW - timedelta(days=days), **values})


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """What the signals told."""
    told: list[Any] = []

    def hear(sender: Any, issue: Any, **_rest: Any) -> None:
        told.append(issue)

    signals = (issue_opened, issue_returned, issue_resolved)
    for signal in signals:
        signal.connect(hear)
    yield told
    for signal in signals:
        signal.disconnect(hear)


def test_like_rows_become_one_issue_with_its_times() -> None:
    """Each an occurrence, at its own time; the seed's fields as they were."""
    a_row(days=3, error_message="Theater 5 has none", context={"theater_id": 5}, traceback="Traceback: …")
    a_row(days=2, error_message="Theater 9 has none", context={"theater_id": 9})
    a_row(days=1, error_message="Theater 7 has none", severity="error")

    assert adopt(OldIssue, now=NOW) == Adopted(rows=3, stored=3, issues=1)

    issue = OperationalIssue.objects.get()
    assert (issue.name, issue.task, issue.severity) == ("No showtimes found", "save_showtimes_for_theater", "error")
    assert (issue.occurrence_count, issue.status, issue.kind) == (3, "open", "report")
    assert issue.created_at == issue.first_seen_at == NOW - timedelta(days=3)
    assert issue.last_seen_at == NOW - timedelta(days=1)
    assert [row.context for row in issue.occurrences.order_by("occurred_at")] == [
        {"theater_id": 5},
        {"theater_id": 9},
        {},
    ]


def test_it_may_be_run_again_and_copies_what_is_new() -> None:
    """Also after it was broken off."""
    for day in range(3):
        a_row(days=3 - day)

    def end(_done: Adopted) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        adopt(OldIssue, now=NOW, progress=end)
    a_row(days=0)

    assert adopt(OldIssue, now=NOW) == Adopted(rows=4, stored=1)
    assert adopt(OldIssue, now=NOW) == Adopted(rows=4)
    assert OperationalIssue.objects.get().occurrence_count == Occurrence.objects.count() == 4


def test_what_was_long_quiet_comes_in_as_resolved() -> None:
    """Old trouble does not stand in the list of what is broken; it is kept as long as any resolved issue."""
    a_row(days=400, name="Long gone")
    a_row(days=1)

    assert adopt(OldIssue, now=NOW) == Adopted(rows=2, stored=2, issues=2, resolved=1)

    old = OperationalIssue.objects.get(name="Long gone")
    assert (old.status, old.resolved_at, old.open_key) == ("resolved", NOW, None)


def test_what_was_long_quiet_may_stay_open() -> None:
    """Where somebody wants to go through it all."""
    a_row(days=400)

    assert adopt(OldIssue, now=NOW, keep_open=True).resolved == 0
    assert OperationalIssue.objects.get().status == "open"


def test_a_silence_parts_issues_as_it_does_in_life() -> None:
    """The window of quiet; the later one is a return."""
    a_row(days=60)
    a_row(days=1)

    adopt(OldIssue, now=NOW)

    newer, older = OperationalIssue.objects.order_by("-last_seen_at")
    assert (newer.is_returned, newer.previous, older.is_returned) == (True, older, False)


def test_a_report_goes_on_where_the_table_stopped() -> None:
    """The fingerprint is that of the same words said through `report()`, in or out of an `except` block."""
    a_row(error_message="Theater 5 has none")

    adopt(OldIssue, now=NOW)
    issue_tracker.report("No showtimes found", task="save_showtimes_for_theater", error_message="Theater 12 has none")

    assert OperationalIssue.objects.get().occurrence_count == 2


def test_secrets_of_the_old_table_stay_there() -> None:
    """Masked as in everything that comes in."""
    a_row(error_message="401 for https://api.test/?api_key=SESAMESESAME", context={"password": "SESAME"})

    adopt(OldIssue, now=NOW)

    assert "SESAME" not in str(list(OperationalIssue.objects.values())) + str(list(Occurrence.objects.values()))


def test_odd_values_are_taken() -> None:
    """A severity of another scale, a context that is no mapping, text that no database of ours takes."""
    a_row(name="A", severity="critical", context=["Avatar"])
    a_row(name="B", severity="INFO", context=None)
    a_row(name=" ", severity="warning", error_message="x" * 100_000)

    assert adopt(OldIssue, now=NOW).stored == 3

    found = {issue.name: (issue.severity, issue.context) for issue in OperationalIssue.objects.all()}
    assert found == {
        "A": ("error", {"context": ["Avatar"]}),
        "B": ("info", {}),
        "Unnamed report": ("warning", {}),
    }


def test_nobody_hears_of_what_is_long_past(heard: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    """No signal, and so no mail."""
    a_row(days=400)
    a_row(days=1)

    with django_capture_on_commit_callbacks(execute=True):
        adopt(OldIssue, now=NOW)

    assert heard == []


def test_the_release_of_today_is_not_that_of_then(settings: SettingsWrapper) -> None:
    """No release is blamed for an old failure."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RELEASE": "2.0"}
    a_row(days=1)

    adopt(OldIssue, now=NOW)

    assert Occurrence.objects.get().release == ""


def test_many_kinds_are_no_flood() -> None:
    """The bound on new issues an hour is for failures that come in, and it is not used up by those of long ago."""
    OldIssue.objects.bulk_create(
        OldIssue(name=f"Kind {chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}", task="t", created_at=NOW)
        for n in range(MAX_NEW_ISSUES_AN_HOUR + BATCH)
    )

    done = adopt(OldIssue, now=NOW)

    assert done.issues == OperationalIssue.objects.count() == MAX_NEW_ISSUES_AN_HOUR + BATCH
    assert not OperationalIssue.objects.filter(fingerprint="overflow").exists()


def test_a_dry_run_says_what_there_is_to_do() -> None:
    """And does nothing."""
    a_row(days=1)
    adopt(OldIssue, now=NOW)
    a_row(days=0)
    a_row(name="Another")

    assert adopt(OldIssue, now=NOW, dry_run=True) == Adopted(rows=3, stored=2, issues=2)
    assert Occurrence.objects.count() == 1


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("nothing", "app_label.ModelName"),
        ("project.Missing", "app_label.ModelName"),
        ("project.NoIssue", "it lacks task, error_message, traceback, context, severity, created_at"),
        ("issue_tracker.OperationalIssue", "our own"),
    ],
)
def test_another_shape_is_refused(label: str, words: str) -> None:
    """With what is missing."""
    with pytest.raises(ValueError, match=words):
        source_of(label)
    assert issues("adopt", label)[0] == 2


def test_the_command_says_what_it_did() -> None:
    """And, on a dry run, what it would do."""
    a_row(days=0)

    assert issues("adopt", "project.OldIssue", "--dry-run")[1].startswith("would be adopted: 1 of 1 rows, as 1 issues")
    assert issues("adopt", "project.OldIssue")[1].startswith("adopted: 1 of 1 rows, as 1 issues")
    assert issues("adopt", "project.OldIssue")[1].startswith("adopted: 0 of 1 rows, as 0 issues")
