"""Verdicts: what an exception that Celery hands over stands for."""

from __future__ import annotations

import pytest
from celery.exceptions import Reject, TimeLimitExceeded, WorkerLostError
from celery.utils.serialization import UnpickleableExceptionWrapper

from issue_tracker.capture.verdicts import original_of
from issue_tracker.inflight import Request


class EndedError(Exception):
    """What a green pool throws into a greenlet."""


def a_request(**options: str) -> Request:
    """A run of which this process sends a signal."""
    return Request(
        task="t", task_id="id", attempt=0, run="", args=[], kwargs={}, worker="", queue="", options=dict(options)
    )


def told_while_handling(error: BaseException, told: BaseException, **options: str) -> object:
    """What is made of an exception that is told while another one is being handled."""
    try:
        raise error
    except type(error):
        return original_of(a_request(**options), told)


def test_a_wrapper_stands_for_what_is_being_handled() -> None:
    """The original is at hand in the process that ran the task, and in no other."""
    error, wrapper = EndedError("broke"), UnpickleableExceptionWrapper("m", "EndedError", [], "EndedError()")

    assert told_while_handling(error, wrapper) is error
    assert told_while_handling(error, wrapper, told_by="main process") is wrapper


@pytest.mark.parametrize("told", [TimeLimitExceeded(5), WorkerLostError("gone")])
def test_a_limit_is_what_celery_says(told: BaseException) -> None:
    """On gevent the greenlet is being ended by an exception of another kind meanwhile."""
    assert told_while_handling(EndedError(), told) is told


def test_a_rejection_stands_for_its_reason() -> None:
    """As when a retry can't be published."""
    reason = ConnectionError("down")

    assert original_of(a_request(), Reject(reason)) is reason
    assert isinstance(original_of(a_request(), Reject("because")), Reject)
