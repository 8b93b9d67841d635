"""Celery's log: what is told nowhere else becomes a record, with the message that was in hand."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from issue_tracker import recording
from issue_tracker.capture.logs import on_log_record
from issue_tracker.event import Event, decode
from issue_tracker.spool import current

REQUEST = """
def on_failure(error):
    raise error
"""


@dataclass
class Message:
    """A message as the consumer holds it."""

    headers: dict[str, Any] = field(default_factory=lambda: {"task": "scrape", "id": "an id", "argsrepr": "(5,)"})
    delivery_info: dict[str, Any] = field(default_factory=dict)
    body: bytes = b"[]"


@pytest.fixture(autouse=True)
def nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records stay in the spool: nobody drains in these tests."""
    monkeypatch.setattr(recording, "listeners", [])


def logged(error: BaseException, *, through: str) -> Event:
    """What is recorded of a worker that ends by an error, which went through a function with a message in hand."""
    code: dict[str, Any] = {"__name__": through}
    exec(REQUEST, code)  # noqa: S102  a function of another module's name

    def consume(message: Message) -> Message:
        code["on_failure"](error)
        return message

    try:
        consume(Message())
    except type(error) as raised:
        info = (type(raised), raised, raised.__traceback__)
        on_log_record(logging.LogRecord("celery.worker", logging.CRITICAL, "", 0, "Unrecoverable error: %r", (), info))
    [found] = current().claim(max_records=10, max_bytes=10**6)
    return decode(found.body)


def test_the_message_in_hand_is_told() -> None:
    """It ended the worker, and will end the next one."""
    event = logged(ValueError("not enough values to unpack"), through="celery.worker.consumer.consumer")

    assert (event.kind, event.task, event.task_id) == ("undecodable", "scrape", "an id")


def test_a_failure_that_was_told_is_no_fault_of_its_message() -> None:
    """A task's MemoryError ends the worker too, and is told by a signal of its own."""
    event = logged(MemoryError("Process got: "), through="celery.worker.request")

    assert (event.kind, event.task, event.task_id) == ("worker_failed", "celery worker", "")
