"""What became of a failure: recoveries, requeues that came to an end, conditions that cleared."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from issue_tracker.drain.folding import fold
from issue_tracker.event import Event
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.signals import issue_recovered, issue_resolved
from issue_tracker.turns import until_it_wins, wait_for_turn
from tests.events import an_event, stored

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def a_retry(task_id: str, attempt: int, **values: Any) -> Event:
    return an_event(kind="retry", severity="warning", task_id=task_id, attempt=attempt, **values)


def a_recovery(task_id: str, attempt: int, **values: Any) -> Event:
    usual = {"kind": "recovered", "severity": "info", "name": "Recovered", "context": {"recorded_attempts": attempt}}
    return an_event(task_id=task_id, attempt=attempt, run="recovery", **{**usual, **values})


def a_clear(name: str, *, task: str = "", **context: Any) -> Event:
    event_id = uuid.uuid4().hex
    return an_event(
        event_id=event_id, kind="cleared", severity="info", name=name, task=task, task_id="", context=context
    )


def a_report(name: str = "No showtimes found", **context: Any) -> Event:
    event_id = uuid.uuid4().hex
    return an_event(
        event_id=event_id, kind="report", severity="warning", name=name, task="save", task_id="", context=context
    )


def test_a_success_after_retries_marks_them_recovered_and_closes_the_issue() -> None:
    """Attempts that came to a good end are no problem, and are counted as flaky."""
    stored(a_retry("t", 0), a_retry("t", 1), a_recovery("t", 2))

    issue = OperationalIssue.objects.get()
    assert (issue.status, issue.recovered_count, issue.occurrence_count) == ("resolved", 2, 2)
    assert set(issue.occurrences.values_list("outcome", flat=True)) == {"recovered"}


def test_a_recovery_leaves_an_issue_open_that_has_other_failures() -> None:
    """Nothing else may be left."""
    stored(a_retry("t", 0), an_event(), a_recovery("t", 1))

    assert OperationalIssue.objects.get().status == "open"


def test_an_issue_that_recovered_takes_repeats_and_opens_by_them() -> None:
    """A task that fails and recovers every day stays one issue."""
    stored(a_retry("t", 0), a_recovery("t", 1))

    stored(a_retry("u", 0))

    issue = OperationalIssue.objects.get()
    assert (issue.status, issue.resolved_at, issue.occurrence_count, issue.is_returned) == ("open", None, 2, False)


def test_a_recovery_that_comes_first_waits_for_its_attempts() -> None:
    """With countdown 0 the success may be told before the retry that led to it."""
    recovery = a_recovery("t", 1)

    early = stored(recovery)
    stored(a_retry("t", 0))
    late = stored(recovery)

    assert early.deferred == [recovery]
    assert late.deferred == []
    assert OperationalIssue.objects.get().status == "resolved"


def test_a_recovery_does_not_wait_for_ever() -> None:
    """After a minute it applies to what there is."""
    old = a_recovery("t", 3, occurred_at=1_000_000_000.0)

    assert stored(a_retry("t", 0), old).deferred == []
    assert Occurrence.objects.get().outcome == "recovered"


def test_telling_a_recovery_twice_counts_it_once() -> None:
    """A replay after a kill must not count again."""
    recovery = a_recovery("t", 1)
    stored(a_retry("t", 0), recovery)

    stored(recovery)

    assert OperationalIssue.objects.get().recovered_count == 1


def test_the_success_of_what_was_sent_again_resolves_its_occurrence_and_the_issue() -> None:
    """Requeued, then succeeded: its message's header says what it was sent again for."""
    first = an_event(task_id="first")
    stored(first)
    Occurrence.objects.update(requeued_as="second", outcome="requeued")

    stored(a_recovery("second", 0, options={"requeue_of": first.event_id}))

    assert Occurrence.objects.get().outcome == "succeeded"
    assert OperationalIssue.objects.get().status == "resolved"


def test_a_retry_of_what_was_sent_again_tells_too() -> None:
    """Its attempts keep what the message was for, whether or not the last run still says so."""
    first = an_event(task_id="first")
    stored(first)
    Occurrence.objects.update(requeued_as="second", outcome="requeued")
    stored(a_retry("second", 0, options={"requeue_of": first.event_id}))

    stored(a_recovery("second", 1))

    assert Occurrence.objects.get(task_id="first").outcome == "succeeded"


def test_a_second_failure_joins_the_story_and_its_success_ends_the_whole() -> None:
    """Sent again, failed again, sent again, succeeded: nothing is left of either."""
    first = an_event(task_id="first")
    stored(first)
    Occurrence.objects.update(requeued_as="second", outcome="requeued")
    second = an_event(task_id="second", options={"requeue_of": first.event_id})
    stored(second)

    assert Occurrence.objects.get(task_id="first").outcome == "failed_again"

    Occurrence.objects.filter(task_id="second").update(requeued_as="third", outcome="requeued")
    stored(a_recovery("third", 0, options={"requeue_of": second.event_id}))

    assert set(Occurrence.objects.values_list("outcome", flat=True)) == {"succeeded"}
    issue = OperationalIssue.objects.get()
    assert (issue.status, issue.recovered_count, issue.occurrence_count) == ("resolved", 2, 2)


def test_a_clear_resolves_what_was_reported_with_these_values() -> None:
    """The condition of one theater is gone."""
    stored(a_report(theater_id=5))

    stored(a_clear("No showtimes found", theater_id=5))

    issue = OperationalIssue.objects.get()
    assert (issue.status, issue.open_key) == ("resolved", None)
    assert issue.occurrences.get().outcome == "cleared"


def test_a_clear_of_one_theater_leaves_the_other() -> None:
    """Reports of like conditions fold into one issue; it is resolved when the last of them is gone."""
    stored(a_report(theater_id=5), a_report(theater_id=6), a_clear("No showtimes found", theater_id=5))

    assert OperationalIssue.objects.get().status == "open"

    stored(a_clear("No showtimes found", theater_id=6))

    assert OperationalIssue.objects.get().status == "resolved"


def test_a_clear_tells_of_what_came_before_it_only() -> None:
    """Report, clear, report in one batch: the last one stands."""
    stored(a_report(theater_id=5), a_clear("No showtimes found", theater_id=5), a_report(theater_id=5))

    statuses = dict(OperationalIssue.objects.values_list("status", "is_returned"))
    assert statuses == {"resolved": False, "open": True}


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("Another name", {"theater_id": 5}),
        ("No showtimes found", {"task": "other", "theater_id": 5}),
        ("No showtimes found", {"theater_id": 6}),
        ("No showtimes found", {"theater_id": "5"}),
        ("No showtimes found", {"theater_id": 5, "day": "monday"}),
        ("No showtimes found", {"theater_id": 5, "formats": ["2D"]}),
        ("No showtimes found", {"theater_id": 5, "city": None}),
    ],
)
def test_a_clear_of_something_else_changes_nothing(name: str, about: dict[str, Any]) -> None:
    """Name, task and each value must match where they are given."""
    stored(a_report(theater_id=5, formats=["2D", "3D"], city="Tunja"), a_clear(name, **about))

    assert OperationalIssue.objects.get().status == "open"


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"theater_id": 5},
        {"title": 'The "Burbs", 100 % 🎬'},
        {"formats": ["2D", "3D"]},
        {"price": 12.5, "is_3d": True, "city": None},
        {"odd key": "x"},
        {"a": 1, "b": 2, "c": 3, "d": "four", "theater_id": 5},
        {"place": {"row": 1}},
        {"large": 2**53 + 1, "negative": -5},
    ],
    ids=repr,
)
def test_a_clear_names_some_of_the_values(about: dict[str, Any]) -> None:
    """Of whatever sort, on every database; what it doesn't name may be anything."""
    context: dict[str, Any] = {
        "theater_id": 5, "title": 'The "Burbs", 100 % 🎬', "formats": ["2D", "3D"], "price": 12.5, "is_3d": True,
        "city": None, "odd key": "x", "a": 1, "b": 2, "c": 3, "d": "four", "place": {"row": 1}, "large": 2**53 + 1,
        "negative": -5,
    }  # fmt: skip
    stored(a_report(**context), a_clear("No showtimes found", **about))

    assert OperationalIssue.objects.get().status == "resolved"


def test_a_clear_leaves_what_was_reported_after_it() -> None:
    """Though it is drained first, or drained again: two nodes, or a replay after a kill."""
    clear = a_clear("No showtimes found", theater_id=5)
    stored(a_report(theater_id=5, occurred_at=clear.occurred_at + 0.001))

    stored(clear)

    assert OperationalIssue.objects.get().status == "open"


@pytest.mark.django_db(transaction=True)
def test_a_condition_that_two_nodes_clear_at_once_is_counted_once() -> None:
    """The count of good endings is exact: else the issue would close over what is left."""
    for _round in range(5):
        stored(a_report(theater_id=5), a_report(theater_id=6))
        clears = [a_clear("No showtimes found", theater_id=5) for _node in range(4)]

        at_once(*(partial(drained, clear) for clear in clears))

        issue = OperationalIssue.objects.open().get()
        assert issue.recovered_count == issue.occurrences.filter(outcome="cleared").count() == 1
        issue.resolve()


def drained(event: Event) -> None:
    """Fold an event as a drain does that waits for its turn."""
    with transaction.atomic():
        wait_for_turn(OperationalIssue, using="default")
        fold([event], using="default", now=timezone.now())


def at_once(*functions: Callable[[], Any]) -> None:
    """Call functions in threads of their own, each with a connection of its own; raise what one raises."""
    barrier = threading.Barrier(len(functions))

    def call(function: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            until_it_wins(function, using="default")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        list(pool.map(call, functions))


@pytest.mark.django_db(transaction=True)
def test_endings_are_announced_after_the_commit() -> None:
    """A recovery and a cleared condition each have their signal."""
    heard: list[tuple[str, str]] = []

    def on_recovered(issue: OperationalIssue, **_rest: object) -> None:
        heard.append(("recovered", issue.name))

    def on_resolved(issue: OperationalIssue, **_rest: object) -> None:
        heard.append(("resolved", issue.name))

    issue_recovered.connect(on_recovered)
    issue_resolved.connect(on_resolved)
    try:
        stored(a_retry("t", 0), a_recovery("t", 1))
        report = a_report(theater_id=5)
        stored(
            an_event(
                event_id=report.event_id, kind="report", severity="warning", name=report.name, fingerprint="e" * 64,
                task_id="", context=report.context,
            ),
            a_clear(report.name, theater_id=5),
        )  # fmt: skip
    finally:
        issue_recovered.disconnect(on_recovered)
        issue_resolved.disconnect(on_resolved)

    assert heard == [("recovered", "ValueError"), ("resolved", "No showtimes found")]


def test_an_issue_that_a_better_report_empties_in_the_same_batch_is_not_announced() -> None:
    """What is opened is what is there when the batch has been folded."""
    lost = an_event(kind="worker_lost", name="WorkerLostError", task_id="t", fingerprint="a" * 64)
    failed = an_event(task_id="t", fingerprint="b" * 64)

    folded = stored(lost, a_clear("something else"), failed)

    assert folded.opened == [OperationalIssue.objects.get(fingerprint="b" * 64)]
    assert not OperationalIssue.objects.filter(fingerprint="a" * 64).exists()
