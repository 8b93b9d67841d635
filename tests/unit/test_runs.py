"""Runs of tasks in this process: one that is cut short ends all the same; and which ones make good an earlier one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from issue_tracker.capture import endings
from issue_tracker.inflight import REQUEUED_HEADER, end, is_any_on, is_second_try
from issue_tracker.inflight.runs import slots_directory


@pytest.mark.parametrize(
    ("request_", "is_second"),
    [
        ({"retries": 0, "delivery_info": None}, False),
        ({"retries": None, "delivery_info": {"redelivered": False}}, False),
        ({"retries": 2, "delivery_info": {}}, True),
        ({"retries": 0, "delivery_info": {"redelivered": True}}, True),
        ({"retries": 0, "delivery_info": {}, REQUEUED_HEADER: "event"}, True),
    ],
)
def test_a_retry_a_redelivery_and_a_requeue_are_second_tries(request_: dict[str, Any], *, is_second: bool) -> None:
    """The success of any other run costs nothing and records nothing."""
    assert is_second_try(SimpleNamespace(**request_)) is is_second


@pytest.fixture
def task() -> Any:
    """A task in a run of a worker."""

    def scrape() -> None:
        """A task."""

    app = Celery("test", set_as_current=False)
    app.task(name="scrape", shared=False)(scrape)
    task = app.tasks["scrape"]
    task.push_request(
        id="an id",
        retries=0,
        is_eager=False,
        delivery_info={},
        hostname="w@host",
        args=[5],
        kwargs={"password": "canary"},
    )
    return task


def test_a_run_is_on_until_it_ends(task: Any) -> None:
    """Tests of the host wait for that; its token is remembered longer."""
    endings.on_task_prerun(sender=task, task_id="an id", task=task)
    assert is_any_on()

    endings.on_task_postrun(sender=task, task_id="an id", task=task, retval=1, state="SUCCESS")

    assert not is_any_on()


def test_a_run_ends_though_its_process_is_told_to_end_in_that_moment(
    task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has succeeded: whoever looks later must not take it for lost."""

    def told_to_end() -> str:
        raise SystemExit

    monkeypatch.setattr(endings, "end_checks", [told_to_end])
    endings.on_task_prerun(sender=task, task_id="an id", task=task)

    with pytest.raises(SystemExit):
        endings.on_task_postrun(sender=task, task_id="an id", task=task, retval=1, state="SUCCESS")

    assert not is_any_on()


def test_the_slot_stays_where_a_process_that_is_told_to_end_is_told_again(
    task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever cuts the receiver short, a run that did not end is found by whoever looks later."""

    def told_again(*_arguments: object) -> bool:
        raise SystemExit

    monkeypatch.setattr(endings, "_tell_the_end", told_again)
    endings.on_task_prerun(sender=task, task_id="an id", task=task)
    with pytest.raises(SystemExit):
        endings.on_task_postrun(sender=task, task_id="an id", task=task, state=None)

    assert is_any_on()
    end(task.request, "an id")


def test_a_message_without_texts_of_its_arguments_has_a_slot_all_the_same(task: Any) -> None:
    """Clients in other languages send none; Celery's request has no such attribute then."""
    endings.on_task_prerun(sender=task, task_id="an id", task=task)

    pages = b"".join(path.read_bytes() for path in slots_directory().glob("*.slots"))

    assert b"an id\0[5]\0" in pages
    assert b"password" in pages
    assert b"canary" not in pages
    endings.on_task_postrun(sender=task, task_id="an id", task=task, retval=1, state="SUCCESS")
