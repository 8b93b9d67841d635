"""Which successes make good an earlier run: of their own task id, or of what they were sent again for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from issue_tracker.inflight import REQUEUED_HEADER, is_second_try


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
