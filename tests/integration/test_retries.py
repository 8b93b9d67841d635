"""Retries as one story, from runs to issues: which attempts are recorded, and what a success makes of them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from issue_tracker.models import Occurrence, OperationalIssue
from tests.project.celery import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


def a_task(*, fails: int, retries: int = 3, **options: Any) -> Any:
    """A task that fails so often before it succeeds; run eagerly, its retries run within it."""

    @app.task(bind=True, name=f"cinema.flaky_{uuid.uuid4().hex}", shared=False, max_retries=retries, **options)
    def flaky(self: Any) -> str:
        if self.request.retries < fails:
            raise self.retry(exc=TimeoutError(f"no answer, attempt {self.request.retries}"), countdown=0)
        return "done"

    return flaky


def kinds() -> list[tuple[str, int, str, str]]:
    """The stored attempts, oldest first: kind, attempt, severity, what became of it."""
    rows = Occurrence.objects.order_by("attempt")
    OperationalIssue.objects.exists()  # drains what this process has recorded
    return list(rows.values_list("kind", "attempt", "severity", "outcome"))


def test_a_success_after_retries_closes_the_story() -> None:
    """TimeoutError, TimeoutError, done: two attempts that recovered, and a closed issue counted as flaky."""
    a_task(fails=2).apply()

    assert kinds() == [("retry", 0, "warning", "recovered"), ("retry", 1, "warning", "recovered")]
    issue = OperationalIssue.objects.get()
    assert (issue.status, issue.recovered_count, issue.occurrence_count) == ("resolved", 2, 2)
    assert issue.occurrences.values("task_id").distinct().count() == 1


def test_only_exhaustion_is_an_error() -> None:
    """The attempts before it are warnings; all are one issue, which takes the worst."""
    a_task(fails=9, retries=2).apply()

    assert kinds() == [("retry", 0, "warning", ""), ("retry", 1, "warning", ""), ("failure", 2, "error", "")]
    issue = OperationalIssue.objects.get()
    assert (issue.status, issue.severity, issue.kind, issue.occurrence_count) == ("open", "error", "failure", 3)


def test_attempts_that_failed_differently_are_closed_together() -> None:
    """Each has its issue; the success closes both."""

    @app.task(bind=True, name=f"cinema.moody_{uuid.uuid4().hex}", shared=False)
    def moody(self: Any) -> None:
        if self.request.retries < 2:
            error = [TimeoutError("no answer"), KeyError("seats")][self.request.retries]
            raise self.retry(exc=error, countdown=0)

    moody.apply()
    kinds()

    assert set(OperationalIssue.objects.values_list("name", "status", "recovered_count")) == {
        ("TimeoutError", "resolved", 1),
        ("KeyError", "resolved", 1),
    }


def by_settings(value: object) -> Callable[[SettingsWrapper], dict[str, Any]]:
    """Say it in the settings."""

    def choose(settings: SettingsWrapper) -> dict[str, Any]:
        settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RECORD_RETRIES": value}
        return {}

    return choose


def by_the_task(value: object) -> Callable[[SettingsWrapper], dict[str, Any]]:
    """Say it on the task, against the settings."""

    def choose(settings: SettingsWrapper) -> dict[str, Any]:
        settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RECORD_RETRIES": "last" if value != "last" else "all"}
        return {"issue_tracker_retries": value}

    return choose


@pytest.mark.parametrize("choose", [by_settings, by_the_task])
@pytest.mark.parametrize(
    ("value", "attempts"),
    [("all", [0, 1, 2]), ("last", [2]), (1, [0, 1, 2]), (2, [1, 2]), (3, [2]), (9, [2])],
)
def test_which_attempts_are_recorded(
    value: object, attempts: list[int], choose: Callable[..., Any], settings: SettingsWrapper
) -> None:
    """All, only the last, or from the n-th on; a task's own word goes first. The exhausted one is recorded always."""
    a_task(fails=9, retries=2, **choose(value)(settings)).apply()

    assert [attempt for _kind, attempt, _severity, _outcome in kinds()] == attempts


@pytest.mark.parametrize(("value", "recorded"), [("all", 3), (2, 2), (3, 1), (4, 0), ("last", 0)])
def test_a_recovery_waits_for_the_attempts_that_are_recorded(
    value: object, recorded: int, settings: SettingsWrapper
) -> None:
    """Not for the others, and not a minute: here each success is told before the attempts that led to it."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RECORD_RETRIES": value}

    a_task(fails=3).apply()

    assert [outcome for *_rest, outcome in kinds()] == ["recovered"] * recorded
    assert not OperationalIssue.objects.open().exists()


def test_retries_may_be_left_out_by_their_severity(settings: SettingsWrapper) -> None:
    """What is not recorded is not waited for."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "SEVERITIES": {"retry": None}}

    a_task(fails=2).apply()
    a_task(fails=9, retries=1).apply()

    assert [kind for kind, *_rest in kinds()] == ["failure"]
