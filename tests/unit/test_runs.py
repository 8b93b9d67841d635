"""Which earlier runs a success makes good: those of its own task id, and what it was sent again for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from issue_tracker.inflight import REQUEUED_HEADER, earlier_attempts, is_sent_again


@pytest.mark.parametrize(
    ("request_", "attempts", "sent_again"),
    [
        ({"retries": 0, "delivery_info": None}, 0, False),
        ({"retries": 2, "delivery_info": {}}, 2, False),
        ({"retries": 1, "delivery_info": {"redelivered": True}}, 2, False),
        ({"retries": 0, "delivery_info": {}, REQUEUED_HEADER: "event"}, 0, True),
    ],
)
def test_a_requeue_is_no_attempt_of_its_task_id(request_: dict[str, Any], attempts: int, *, sent_again: bool) -> None:
    """Counted as one, its success would wait a minute for a record that never comes."""
    request = SimpleNamespace(**request_)

    assert (earlier_attempts(request), is_sent_again(request)) == (attempts, sent_again)
