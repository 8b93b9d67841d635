"""Retries: exhausted, without a reason, and such as can't be sent."""

from __future__ import annotations

import os
import signal
from typing import Any

from celery.exceptions import Retry

from matrix.expectations import failed, vanished
from matrix.mode import ONE_PROCESS, mode

from .exits import be_accepted

SOON_SECONDS = 0.05
BOUND = {"bind": True}
RETRIED = ("retry", "failure")
"""Sentry and django-celery-logs know no retries."""


@mode(
    "11a",
    "autoretry_for, exhausted (max 2)",
    failed("ValueError", shows="in autoretry", attempts=3),
    task_options={"autoretry_for": (ValueError,), "max_retries": 2, "default_retry_delay": SOON_SECONDS},
    is_listed=True,
)
def autoretry(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "11b",
    "self.retry(exc), exhausted (max 1)",
    failed("KeyError", shows="in retry_exc", attempts=2),
    task_options={**BOUND, "max_retries": 1},
    is_listed=True,
)
def retry_exc(self: Any, token: str) -> None:
    try:
        raise KeyError(token)
    except KeyError as error:
        raise self.retry(exc=error, countdown=SOON_SECONDS) from error


@mode(
    "11c",
    "self.retry() without exc, exhausted",
    failed("MaxRetriesExceededError", attempts=2),
    task_options={**BOUND, "max_retries": 1},
    is_listed=True,
)
def retry_bare(self: Any, token: str) -> None:
    raise self.retry(countdown=SOON_SECONDS)


@mode(
    "11d",
    "retried once, then success",
    failed("ValueError", shows="in retry_once", outcomes=RETRIED),
    task_options=BOUND,
)
def retry_once(self: Any, token: str) -> str:
    if self.request.retries:
        return "done"
    try:
        raise ValueError(f"broke {token}")
    except ValueError as error:
        raise self.retry(exc=error, countdown=SOON_SECONDS) from error


@mode("11e", "self.retry() can't publish", failed("SerializerNotInstalled"), task_options=BOUND, is_listed=True)
def retry_unsent(self: Any, token: str) -> None:
    raise self.retry(exc=ValueError(f"broke {token}"), countdown=SOON_SECONDS, serializer="nothing")


@mode("11f", "Retry raised by hand", failed("ValueError", outcomes=RETRIED))
def retry_by_hand(token: str) -> None:
    raise Retry("by hand", ValueError(f"broke {token}"))


@mode(
    "11g",
    "retry with countdown 0, exhausted (max 3)",
    failed("ValueError", shows="in retry_at_once", attempts=4),
    varies=("states",),
    task_options={**BOUND, "max_retries": 3},
)
def retry_at_once(self: Any, token: str) -> None:
    raise self.retry(exc=ValueError(f"broke {token}"), countdown=0) from None


@mode("11h", "retry(throw=False), then another exception", failed("KeyError"), task_options={**BOUND, "max_retries": 1})
def retry_and_raise(self: Any, token: str) -> None:
    if not self.request.retries:
        self.retry(exc=ValueError("first"), countdown=SOON_SECONDS, throw=False)
        raise KeyError(token)


@mode(
    "11i",
    "autoretry with a new argument each time, exhausted",
    failed("ValueError", attempts=2),
    task_options={**BOUND, "max_retries": 1},
)
def retry_changed(self: Any, token: str, number: int = 0) -> None:
    raise self.retry(exc=ValueError(f"broke {token}"), args=(token, number + 1), countdown=SOON_SECONDS) from None


@mode(
    "11j",
    "retried, and killed in the second attempt",
    vanished(attempts=2),
    alone=ONE_PROCESS,
    task_options={**BOUND, "max_retries": 3},
)
def retry_then_killed(self: Any, token: str) -> None:
    if self.request.retries:
        be_accepted()
        os.kill(os.getpid(), signal.SIGKILL)
    raise self.retry(exc=ValueError(f"broke {token}"), countdown=SOON_SECONDS) from None
