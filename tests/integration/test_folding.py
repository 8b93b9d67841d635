"""Folding: idempotent by event id, exact counts, one taker for each fingerprint, windows, and mutes."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from issue_tracker.drain.folding import Folded, fold
from issue_tracker.drain.merging import as_event
from issue_tracker.event import Event
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.signals import issue_opened, issue_returned
from tests.events import an_event, stored

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def at(moment: datetime, **values: Any) -> Event:
    """A failure that happened at a moment."""
    return an_event(occurred_at=moment.timestamp(), **values)


def fold_at(now: datetime, *events: Event) -> Folded:
    """Fold events in a transaction, as a drain at that moment does."""
    with transaction.atomic():
        return fold(list(events), using="default", now=now)


def counts() -> dict[str, int]:
    """The count of each issue by its fingerprint's first letter; each must be that of its occurrences."""
    issues = OperationalIssue.objects.all()
    assert all(issue.occurrence_count == issue.occurrences.count() for issue in issues)
    found: dict[str, int] = {}
    for issue in issues:
        found[issue.fingerprint[:1]] = found.get(issue.fingerprint[:1], 0) + issue.occurrence_count
    return found


def statements_of(*events: Event) -> int:
    """How many statements a batch costs."""
    with CaptureQueriesContext(connection) as queries:
        stored(*events)
    return len(queries)


def test_a_failure_becomes_an_issue_with_an_occurrence() -> None:
    """The issue tells all; the occurrence keeps what is its own."""
    moment = NOW - timedelta(minutes=5)
    event = at(
        moment, context={"theater_id": 5}, payload={"args": [], "kwargs": {}}, options={"priority": 3}, attempt=1
    )

    folded = fold_at(NOW, event)

    issue, occurrence = OperationalIssue.objects.get(), Occurrence.objects.get()
    assert (folded.stored, folded.merged, folded.opened) == (1, 0, [issue])
    for name in (
        "name",
        "task",
        "error_message",
        "traceback",
        "severity",
        "kind",
        "exception_type",
        "culprit",
        "fingerprint",
    ):
        assert getattr(issue, name) == getattr(event, name)
    assert (issue.first_seen_at, issue.last_seen_at) == (moment, moment)
    assert issue.context == {
        "kind": "failure", "task_id": event.task_id, "attempt": 1, "args": [5], "kwargs": {},
        "queue": "celery", "worker": "worker@test", "theater_id": 5,
    }  # fmt: skip
    for name in (
        "event_id",
        "kind",
        "severity",
        "task_id",
        "attempt",
        "worker",
        "queue",
        "args",
        "kwargs",
        "payload",
        "options",
    ):
        assert getattr(occurrence, name) == getattr(event, name)
    assert (occurrence.occurred_at, occurrence.context) == (moment, {"theater_id": 5})
    assert (occurrence.error_message, occurrence.traceback) == ("", "")


def test_a_report_shows_what_was_given_with_it() -> None:
    """Not the facts of a run."""
    stored(an_event(kind="report", severity="warning", task_id="", context={"theater_id": 5}, args=None, kwargs=None))

    assert OperationalIssue.objects.get().context == {"theater_id": 5}


def test_like_failures_fold_and_keep_what_is_their_own() -> None:
    """A message that differs is kept with its occurrence."""
    stored(an_event(error_message="no theater 5"), an_event(error_message="no theater 6", traceback="other"))

    issue = OperationalIssue.objects.get()
    assert (issue.occurrence_count, issue.error_message) == (2, "no theater 5")
    own = set(issue.occurrences.values_list("error_message", "traceback"))
    assert own == {("", ""), ("no theater 6", "other")}


def test_a_traceback_that_differs_by_its_message_is_kept_once() -> None:
    """And is read back whole, so that a further report finds nothing new in it."""
    events = [
        at(NOW, error_message=f"no theater {n}", traceback=f"Traceback:\n  f(5)\nKeyError: no theater {n}\n")
        for n in (5, 6)
    ]
    fold_at(NOW, *events)

    kept = {row.event_id: row for row in Occurrence.objects.select_related("issue")}
    for event in events:
        row = kept[event.event_id]
        assert (row.traceback, as_event(row).traceback) == ("", event.traceback)
    assert fold_at(NOW, *events).merged == 0


def test_a_replay_changes_nothing() -> None:
    """A drain killed between commit and acknowledgement stores the batch again."""
    events = [an_event(fingerprint=letter * 64, occurred_at=NOW.timestamp() + 0.123456789) for letter in "aaabbc"]
    fold_at(NOW + DAY, *events)
    before = list(OperationalIssue.objects.order_by("pk").values()), list(Occurrence.objects.order_by("pk").values())

    for _replay in range(2):
        folded = fold_at(NOW + 2 * DAY, *events)

        assert (folded.stored, folded.merged, folded.opened) == (0, 0, [])
    after = list(OperationalIssue.objects.order_by("pk").values()), list(Occurrence.objects.order_by("pk").values())
    assert after == before
    assert counts() == {"a": 3, "b": 2, "c": 1}


def test_a_replay_costs_no_more_statements_for_more_events() -> None:
    """Nothing is written for what is known."""
    few, many = [an_event() for _number in range(5)], [an_event() for _number in range(60)]
    stored(*few, *many)

    assert statements_of(*many) == statements_of(*few)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=strategies.lists(
        strategies.lists(strategies.tuples(strategies.integers(0, 11), strategies.sampled_from("abc")), max_size=8),
        max_size=5,
    )
)
def test_counts_are_those_of_distinct_ids(batches: list[list[tuple[int, str]]]) -> None:
    """Whatever is drained in whatever batches, however often."""
    with transaction.atomic():
        owner: dict[int, str] = {}
        for batch in batches:
            stored(
                *(
                    an_event(task_id=f"id {number}", fingerprint=owner.setdefault(number, letter) * 64)
                    for number, letter in batch
                )
            )

        assert counts() == {letter: list(owner.values()).count(letter) for letter in set(owner.values())}
        transaction.set_rollback(True)


def test_an_issue_takes_the_most_severe_of_its_occurrences() -> None:
    """And the kind that goes with it; it is never made better by a milder one."""
    stored(an_event(severity="info", kind="revoked"), an_event(severity="warning", kind="retry"))
    assert list(OperationalIssue.objects.values_list("severity", "kind")) == [("warning", "retry")]

    stored(an_event(severity="error", kind="failure"), an_event(severity="info", kind="revoked"))

    assert list(OperationalIssue.objects.values_list("severity", "kind")) == [("error", "failure")]


def test_first_and_last_seen_are_those_of_the_failures() -> None:
    """In whatever order they come."""
    fold_at(NOW, at(NOW - DAY))
    fold_at(NOW, at(NOW - 3 * DAY), at(NOW - 2 * DAY))

    issue = OperationalIssue.objects.get()
    assert (issue.first_seen_at, issue.last_seen_at) == (NOW - 3 * DAY, NOW - DAY)


@pytest.mark.parametrize("moment", [0.0, -1.0, 1e18, float("nan"), 4e9])
def test_a_clock_that_is_wrong_does_no_harm(moment: float) -> None:
    """One that runs ahead is held at now, a senseless time becomes now: no issue is kept open by the future."""
    fold_at(NOW, an_event(occurred_at=moment))

    assert OperationalIssue.objects.get().last_seen_at == Occurrence.objects.get().occurred_at == NOW


def test_within_the_window_an_issue_takes_repeats(settings: SettingsWrapper) -> None:
    """However long ago it was first seen, as long as it was never quiet for that long."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDOW": DAY}

    for number in range(5):
        fold_at(NOW + number * DAY, at(NOW + number * DAY))

    assert list(OperationalIssue.objects.values_list("occurrence_count", "is_returned")) == [(5, False)]


def test_after_a_quiet_window_the_next_failure_is_a_return(settings: SettingsWrapper) -> None:
    """A new issue, linked to the one before; that one stays as it is and takes no more."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDOW": DAY}
    fold_at(NOW, at(NOW))
    old = OperationalIssue.objects.get()

    later = NOW + DAY + timedelta(seconds=1)
    fold_at(later, at(later), at(later))

    new = OperationalIssue.objects.exclude(pk=old.pk).get()
    assert (new.is_returned, new.previous_id, new.occurrence_count, new.open_key) == (True, old.pk, 2, "f" * 64)
    old.refresh_from_db()
    assert (old.status, old.open_key, old.occurrence_count) == ("open", None, 1)


def test_windows_that_passed_while_nobody_drained_are_seen(settings: SettingsWrapper) -> None:
    """A batch after an outage holds several: each quiet one ends an issue, in one go."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDOW": 60}
    moments = [NOW + timedelta(minutes=minutes) for minutes in (0, 0.5, 5, 5.5, 20)]

    folded = fold_at(NOW + DAY, *(at(moment) for moment in moments))

    first, second, third = OperationalIssue.objects.order_by("first_seen_at")
    assert [issue.occurrence_count for issue in (first, second, third)] == [2, 2, 1]
    assert [issue.previous_id for issue in (first, second, third)] == [None, first.pk, second.pk]
    assert [issue.open_key for issue in (first, second, third)] == [None, None, "f" * 64]
    assert folded.stored == 5


def test_a_resolved_issue_is_returned_from_at_once() -> None:
    """The window doesn't matter once somebody has said that it is over."""
    fold_at(NOW, at(NOW))
    old = OperationalIssue.objects.get()
    old.resolve(now=NOW)

    fold_at(NOW + SECOND, at(NOW + SECOND))

    assert OperationalIssue.objects.open().get().previous_id == old.pk


def test_a_failure_that_is_told_after_the_resolution_but_happened_before_is_no_return() -> None:
    """Its node had no way to the database: it is counted, and nobody is told of a return that is none."""
    fold_at(NOW, at(NOW))
    old = OperationalIssue.objects.get()
    old.resolve(now=NOW + 2 * SECOND)

    folded = fold_at(NOW + 5 * SECOND, at(NOW + SECOND), at(NOW + 3 * SECOND), at(NOW + 2 * SECOND))

    new = OperationalIssue.objects.open().get()
    old.refresh_from_db()
    assert (old.status, old.occurrence_count, old.last_seen_at) == ("resolved", 3, NOW + 2 * SECOND)
    assert (new.previous_id, new.occurrence_count, new.is_returned) == (old.pk, 1, True)
    assert folded.opened == [new]


def test_one_that_is_told_late_alone_opens_nothing() -> None:
    """Nor does it open again what was resolved."""
    fold_at(NOW, at(NOW))
    old = OperationalIssue.objects.get()
    old.resolve(now=NOW + 2 * SECOND)

    folded = fold_at(NOW + 5 * SECOND, at(NOW + SECOND, severity="error"))

    old.refresh_from_db()
    assert (old.status, old.resolved_at, old.occurrence_count) == ("resolved", NOW + 2 * SECOND, 2)
    assert (folded.opened, folded.unmuted, folded.stored) == ([], [], 1)


def test_muted_issues_take_all_whatever_the_window(settings: SettingsWrapper) -> None:
    """Muted says: I know."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDOW": DAY}
    fold_at(NOW, at(NOW))
    OperationalIssue.objects.get().mute()

    fold_at(NOW + 30 * DAY, at(NOW + 30 * DAY))

    assert list(OperationalIssue.objects.values_list("status", "occurrence_count")) == [("muted", 2)]


def test_a_window_of_nothing_gives_each_failure_its_issue(settings: SettingsWrapper) -> None:
    """Idempotent all the same; on every database each occurrence has its own."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDOW": 0}
    events = [an_event(error_message=str(number)) for number in range(4)]

    stored(*events)
    stored(*events)

    assert OperationalIssue.objects.count() == 4
    assert {issue.occurrences.get().event_id: issue.error_message for issue in OperationalIssue.objects.all()} == {
        event.event_id: event.error_message for event in events
    }


def test_openings_and_returns_are_announced_once() -> None:
    """By their signals, for new issues only."""
    told: list[str] = []
    receivers = {issue_opened: lambda **_: told.append("opened"), issue_returned: lambda **_: told.append("returned")}
    for signal, receiver in receivers.items():
        signal.connect(receiver, weak=False)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transaction, "on_commit", lambda function, **_: function())
            stored(an_event(), an_event())
            stored(an_event())
            OperationalIssue.objects.get().resolve()
            stored(an_event())
    finally:
        for signal, receiver in receivers.items():
            signal.disconnect(receiver)

    assert told == ["opened", "returned"]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_batch_costs_a_constant_number_of_statements(is_new: object) -> None:
    """Ten or five hundred, of one fingerprint or of many, new or known."""
    if not is_new:
        stored(*(an_event(fingerprint=f"{number:064}") for number in range(50)))

    ten = statements_of(*(an_event(fingerprint=f"{number % 5:064}") for number in range(10)))
    many = statements_of(*(an_event(fingerprint=f"{number % 50 + 5 * bool(is_new):064}") for number in range(500)))

    assert many <= ten + 1
    assert ten <= 12


def test_columns_take_what_the_recorder_lets_through() -> None:
    """The longest names, the widest letters, the largest numbers: on every database."""
    wide = "🎬" * 255
    event = an_event(
        name=wide, task=wide, task_id=wide, worker=wide, queue=wide, exception_type=wide, culprit=wide,
        attempt=2**31 - 1, args=["🎬\n\t\\", 2**53, None], kwargs={"": {"a": [0.5, True]}},
        error_message="\\N \\. \t" * 1_000,
    )  # fmt: skip

    stored(event)

    issue, occurrence = OperationalIssue.objects.get(), Occurrence.objects.get()
    assert (issue.name, issue.culprit, issue.error_message) == (wide, wide, event.error_message)
    assert (occurrence.task_id, occurrence.args, occurrence.kwargs) == (wide, event.args, event.kwargs)
    assert Occurrence.objects.filter(args__isnull=True).count() == 0


def test_an_event_is_a_value() -> None:
    """Folding changes none."""
    event = an_event()
    before = dataclasses.asdict(event)

    stored(event)

    assert dataclasses.asdict(event) == before
