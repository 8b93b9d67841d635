"""Upgrades: rows of the first release are there after every migration since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

import issue_tracker
from issue_tracker.models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = "0001_initial"


def migrate(target: str = "") -> None:
    """Go to a migration of the app, forwards or backwards; without a name, to the latest."""
    call_command("migrate", "issue_tracker", *([target] if target else []), verbosity=0)


def models_of(migration: str) -> Any:
    """The models as they were then."""
    return MigrationLoader(connection).project_state(("issue_tracker", migration)).apps


@pytest.fixture(autouse=True)
def latest_afterwards() -> Iterator[None]:
    """Leave the database to the other tests as they expect it."""
    yield
    migrate()


def test_rows_of_the_first_release_survive_every_migration() -> None:
    """An issue and its occurrence, and the issue still takes repeats."""
    issue_tracker.report("No showtimes found", task="save_showtimes", error_message="none")
    told = OperationalIssue.objects.get()
    key, fingerprint, version = told.open_key, told.fingerprint, told.fingerprint_version
    migrate(FIRST)
    then = models_of(FIRST)
    issues = then.get_model("issue_tracker", "OperationalIssue").objects
    issues.all().delete()
    old = issues.create(
        name="No showtimes found",
        task="save_showtimes",
        error_message="none",
        context={"theater_id": 5},
        severity="warning",
        fingerprint=fingerprint,
        fingerprint_version=version,
        open_key=key,
    )
    then.get_model("issue_tracker", "Occurrence").objects.create(
        issue=old, event_id="a" * 32, occurred_at=timezone.now(), kind="report", severity="warning", context={}
    )

    migrate()

    issue_tracker.report("No showtimes found", task="save_showtimes", error_message="none")
    issue = OperationalIssue.objects.get()
    assert (issue.pk, issue.context, issue.occurrence_count) == (old.pk, {"theater_id": 5}, 2)
    assert Occurrence.objects.filter(issue=issue, event_id="a" * 32).count() == 1
