"""What is noted to be told: which reasons, for which channel, each once, in the transaction of the issue itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.drain.folding import fold
from issue_tracker.models import Notification, OperationalIssue
from issue_tracker.notify import note
from issue_tracker.notify.periods import note_volumes
from tests.events import an_event, stored

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


def tell(settings: SettingsWrapper, *rules: dict[str, Any]) -> None:
    """Say who is told."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "NOTIFY": list(rules)}


def reasons() -> list[str]:
    """The reasons noted so far, oldest first; a volume with its count."""
    return [
        f"{row.reason}{f' {row.count}' if row.count else ''}" for row in Notification.objects.order_by("pk").iterator()
    ]


def failing(count: int, **values: Any) -> None:
    """Store so many like failures."""
    stored(*[an_event(**values) for _number in range(count)])


def test_nothing_is_noted_by_default() -> None:
    """Without NOTIFY nothing leaves the machine, nor waits to."""
    failing(1)

    assert reasons() == []


def test_a_new_issue_is_noted_once_not_each_failure(settings: SettingsWrapper) -> None:
    """However often it fails."""
    tell(settings, {"to": "mail"})

    failing(5)
    failing(5)

    assert reasons() == ["new"]
    assert Notification.objects.get().issue == OperationalIssue.objects.get()


def test_a_return_is_noted(settings: SettingsWrapper) -> None:
    """A failure that had been resolved."""
    tell(settings, {"to": "mail"})
    failing(1)
    OperationalIssue.objects.get().resolve()

    failing(1)

    assert reasons() == ["new", "returned"]


def test_the_end_of_a_mute_is_noted_each_time(settings: SettingsWrapper) -> None:
    """And nothing while it lasts."""
    tell(settings, {"to": "mail"})
    failing(1)
    for _time in range(2):
        OperationalIssue.objects.get().mute(more=2)
        failing(1)
        assert reasons()[-1] != "unmuted" or reasons().count("unmuted") == _time
        failing(1)

    assert reasons() == ["new", "unmuted", "unmuted"]


def test_an_issue_that_gets_worse_is_told_to_those_who_hear_of_errors_only(settings: SettingsWrapper) -> None:
    """It began as a warning, which they did not hear of; who did is not told again."""
    tell(
        settings, {"to": "mail", "severities": ["error"]}, {"to": ["a@example.com"], "severities": ["error", "warning"]}
    )
    failing(1, severity="warning")
    assert Notification.objects.count() == 1

    failing(1, severity="error")
    failing(1, severity="error")

    assert reasons() == ["new", "new"]
    assert Notification.objects.values("channel").distinct().count() == 2


def test_attempts_are_told_when_the_last_one_fails(settings: SettingsWrapper) -> None:
    """A retry is a story that has not ended."""
    tell(settings, {"to": "mail"})
    task_id = "the task"
    for attempt in range(3):
        failing(1, task_id=task_id, attempt=attempt, kind="retry", severity="warning")
    assert reasons() == []

    failing(1, task_id=task_id, attempt=3)

    assert reasons() == ["new"]


def test_two_rules_of_one_channel_make_one_message(settings: SettingsWrapper) -> None:
    """Both want it."""
    tell(settings, {"to": "mail", "tasks": ["cinema.*"]}, {"to": "mail", "severities": ["error"]})

    failing(1)

    assert reasons() == ["new"]


def test_each_channel_gets_what_its_rules_say(settings: SettingsWrapper) -> None:
    """By task, here."""
    tell(settings, {"to": "mail", "tasks": ["billing.*"]}, {"to": ["a@example.com"], "tasks": ["cinema.*"]})

    failing(1)

    assert Notification.objects.count() == 1


def test_an_issue_and_its_reason_are_stored_together(settings: SettingsWrapper) -> None:
    """A batch that is rolled back leaves neither; so a kill loses no message."""
    tell(settings, {"to": "mail"})

    with transaction.atomic(using=conf.current().database):
        fold([an_event()], using=conf.current().database, now=timezone.now())
        noted = reasons()
        transaction.set_rollback(True, using=conf.current().database)

    assert noted == ["new"]
    assert reasons() == []


def test_a_reason_is_noted_once_by_whoever_comes(settings: SettingsWrapper) -> None:
    """Two drainers, or one that drains a record again: the unique key keeps the second out."""
    tell(settings, {"to": "mail"})
    event = an_event()
    stored(event)
    stored(event)
    issue = OperationalIssue.objects.get()

    with transaction.atomic():
        note(opened=[issue, issue], unmuted=[], using="default", now=timezone.now())

    assert reasons() == ["new"]


def test_an_issue_that_is_merged_away_takes_its_reasons_along(settings: SettingsWrapper) -> None:
    """The richer report of a death names another issue: that one is told."""
    tell(settings, {"to": "mail"})
    same = {"task_id": "one", "run": "r"}
    stored(an_event(**same, kind="worker_lost", name="WorkerLostError", fingerprint="a" * 64))

    stored(an_event(**same, kind="failure", fingerprint="b" * 64))

    assert Notification.objects.get().issue == OperationalIssue.objects.get()
    assert OperationalIssue.objects.get().fingerprint == "b" * 64


def test_both_reports_in_one_batch_are_told_as_one(settings: SettingsWrapper) -> None:
    """Of what is no more nothing is told."""
    tell(settings, {"to": "mail"})
    lost = an_event(task_id="one", kind="worker_lost", fingerprint="a" * 64, severity="warning")
    worse = an_event(task_id="two", kind="failure", fingerprint="a" * 64)
    stored(lost)

    stored(worse, an_event(task_id="one", kind="failure", fingerprint="b" * 64))

    assert {row.issue.fingerprint for row in Notification.objects.all() if row.issue} == {"a" * 64, "b" * 64}


def test_the_batch_pays_one_statement(settings: SettingsWrapper) -> None:
    """Whatever number of issues and channels, and its savepoint."""
    with CaptureQueriesContext(connection) as without:
        stored(*[an_event(fingerprint=f"{n:064x}") for n in range(100)])
    tell(settings, {"to": "mail"}, {"to": ["a@example.com"]})

    with CaptureQueriesContext(connection) as having:
        stored(*[an_event(fingerprint=f"{n:064x}") for n in range(100, 200)])

    assert len(having) - len(without) <= 3
    assert Notification.objects.count() == 200


@pytest.mark.parametrize(("count", "expected"), [(9, []), (10, [10]), (99, [10]), (100, [100]), (1000, [1000])])
def test_volume_is_told_at_milestones(settings: SettingsWrapper, count: int, expected: list[int]) -> None:
    """The highest that was reached within the hour."""
    tell(settings, {"to": "mail", "reasons": ["volume"]})
    failing(count)

    for _look in range(2):
        note_volumes(using="default", now=timezone.now())

    assert [row.count for row in Notification.objects.all()] == expected


def test_a_milestone_is_of_one_hour(settings: SettingsWrapper) -> None:
    """What came before does not count, and a higher one is told later."""
    tell(settings, {"to": "mail", "reasons": ["volume"]})
    long_ago = (timezone.now() - timedelta(hours=2)).timestamp()
    failing(95, occurred_at=long_ago)
    failing(8)
    note_volumes(using="default", now=timezone.now())
    assert reasons() == []

    failing(2)
    note_volumes(using="default", now=timezone.now())
    failing(90)
    note_volumes(using="default", now=timezone.now())

    assert reasons() == ["volume 10", "volume 100"]


def test_a_muted_issue_reaches_no_milestone(settings: SettingsWrapper) -> None:
    """Muted, it says nothing."""
    tell(settings, {"to": "mail", "reasons": ["volume"]})
    failing(1)
    OperationalIssue.objects.get().mute()
    failing(20)

    note_volumes(using="default", now=timezone.now())

    assert reasons() == []
