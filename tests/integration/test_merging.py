"""One row for one death: reports of it meet in whatever order, the richer completing the poorer."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from issue_tracker.models import Occurrence, OperationalIssue
from tests.events import an_event, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from issue_tracker.event import Event

pytestmark = pytest.mark.django_db


def a_failure(**values: Any) -> Event:
    """What the child tells: everything."""
    return an_event(**({"task_id": "id", "name": "UpstreamError", "fingerprint": "a" * 64, "worker": ""} | values))


def a_loss(**values: Any) -> Event:
    """What the slot of a vanished process tells: that it was running, and Celery's text of the arguments."""
    usual = {
        "task_id": "id", "kind": "worker_lost", "name": "WorkerLostError", "exception_type": "WorkerLostError",
        "fingerprint": "b" * 64, "traceback": "", "culprit": "", "args": "(5,)", "kwargs": "{}", "worker": "w@host",
        "context": {"pid": 42}, "payload_note": "arguments unknown",
    }  # fmt: skip
    return an_event(**(usual | values))


def together(*events: Event) -> None:
    """Drain them in one batch."""
    stored(*events)


def one_by_one(*events: Event) -> None:
    """Drain each in a batch of its own."""
    for event in events:
        stored(event)


batches = pytest.mark.parametrize("store", [together, one_by_one])
orders = pytest.mark.parametrize("order", [1, -1], ids=["poorer first", "richer first"])


@batches
@orders
def test_the_higher_rank_names_the_death(store: Callable[..., None], order: int) -> None:
    """And takes from the other what it lacks; nothing of the poorer one's issue is left."""
    store(*[a_loss(), a_failure()][::order])

    issue, occurrence = OperationalIssue.objects.get(), Occurrence.objects.get()
    assert (issue.name, issue.kind, issue.fingerprint, issue.occurrence_count) == (
        "UpstreamError",
        "failure",
        "a" * 64,
        1,
    )
    assert (occurrence.kind, occurrence.issue_id, occurrence.worker) == ("failure", issue.pk, "w@host")
    assert (occurrence.args, occurrence.kwargs, occurrence.payload_note) == ([5], {}, "")
    assert occurrence.context == {"pid": 42}


@batches
def test_three_reports_in_any_order_make_the_same_row(store: Callable[..., None]) -> None:
    """A slot, a retry that was told, and the failure that followed it within the same run."""
    rows = []
    for number, events in enumerate(
        permutations([a_loss(), a_failure(), a_failure(kind="internal_error", name="OSError", fingerprint="c" * 64)])
    ):
        store(
            *(
                an_event(**{name: getattr(event, name) for name in _FIELDS} | {"task_id": f"id {number}"})
                for event in events
            )
        )
        occurrence = Occurrence.objects.get(task_id=f"id {number}")
        rows.append((occurrence.kind, occurrence.args, occurrence.worker, occurrence.context, occurrence.issue.name))

    assert len(set(map(str, rows))) == 1
    assert list(OperationalIssue.objects.values_list("name", "occurrence_count")) == [("UpstreamError", 6)]


_FIELDS = (
    "kind", "name", "exception_type", "fingerprint", "traceback", "culprit", "args", "kwargs", "worker", "context",
    "payload_note",
)  # fmt: skip


@orders
def test_moving_leaves_the_others_where_they_are(order: int) -> None:
    """An issue that has more occurrences only loses one of them from its count."""
    stored(a_loss(task_id="other 1"), a_loss(task_id="other 2"), a_failure(task_id="other 3"))

    one_by_one(*[a_loss(), a_failure()][::order])

    assert dict(OperationalIssue.objects.values_list("name", "occurrence_count")) == {
        "WorkerLostError": 2,
        "UpstreamError": 2,
    }
    assert all(issue.occurrences.count() == issue.occurrence_count for issue in OperationalIssue.objects.all())


def test_moving_within_a_batch_that_also_brings_others() -> None:
    """The issue it leaves and the issue it joins may both change in the same transaction."""
    stored(a_loss(), a_loss(task_id="x"))

    stored(a_failure(), a_loss(task_id="y"), a_failure(task_id="z"), a_loss(task_id="v"))

    assert dict(OperationalIssue.objects.values_list("name", "occurrence_count")) == {
        "WorkerLostError": 3,
        "UpstreamError": 2,
    }
    assert all(issue.occurrences.count() == issue.occurrence_count for issue in OperationalIssue.objects.all())


@batches
@orders
def test_double_signals_of_a_hard_limit_are_one_death(store: Callable[..., None], order: int) -> None:
    """Celery tells it twice: with the real arguments, and with none."""
    rich = a_failure(kind="time_limit", name="TimeLimitExceeded", traceback="")
    poor = a_loss(kind="time_limit", name="TimeLimitExceeded", fingerprint="a" * 64, traceback="of the main process")

    store(*[rich, poor][::order])

    issue, occurrence = OperationalIssue.objects.get(), Occurrence.objects.get()
    assert (issue.occurrence_count, occurrence.args) == (1, [5])
    assert occurrence.traceback or issue.traceback == "of the main process"


@batches
@orders
def test_a_stub_gives_way_to_the_whole(store: Callable[..., None], order: int) -> None:
    """The reserve's stub and the record are of one death."""
    stub = a_failure(is_stub=True, args=None, kwargs=None, payload_note="cut", context={"reduced": "…"})

    store(*[stub, a_failure()][::order])

    occurrence = Occurrence.objects.get()
    assert (occurrence.args, occurrence.kwargs, occurrence.payload_note) == ([5], {}, "")


def test_a_further_report_may_make_an_issue_worse_and_never_better() -> None:
    """Read as it is now: other events of the batch may have made it worse already."""
    stored(a_failure(kind="retry", severity="info"), a_failure(task_id="x", severity="info"))

    stored(a_failure(kind="failure", severity="warning"), a_failure(task_id="y", severity="error"))

    assert OperationalIssue.objects.get().severity == "error"


@batches
@orders
def test_the_earlier_moment_is_when_it_happened(store: Callable[..., None], order: int) -> None:
    """The slot of a dead process is looked at later."""
    store(*[a_loss(occurred_at=1_700_000_300.0), a_failure(occurred_at=1_700_000_000.0)][::order])

    assert Occurrence.objects.get().occurred_at.timestamp() == 1_700_000_000.0


def test_a_run_that_is_redelivered_and_dies_again_is_another_death() -> None:
    """Only reports of one run meet."""
    stored(a_loss(), a_loss(run="second"), a_loss(run="second"))

    assert list(OperationalIssue.objects.values_list("occurrence_count", flat=True)) == [2]


@pytest.mark.parametrize("later", [a_loss(context={"more": 1}), a_failure()], ids=["completed", "moved"])
def test_merging_keeps_what_became_of_it(later: Event) -> None:
    """A late report doesn't take back that it was sent again: it would be sent twice."""
    stored(a_loss())
    Occurrence.objects.update(outcome="requeued", requeued_as="new id")

    stored(later)

    occurrence = Occurrence.objects.get()
    assert (occurrence.outcome, occurrence.requeued_as) == ("requeued", "new id")
    assert occurrence.context == {"pid": 42, **later.context}
