"""Time limits. They do nothing outside prefork, but for hard limits on the green pools."""

from __future__ import annotations

import contextlib
import signal

from celery.exceptions import SoftTimeLimitExceeded

from matrix.expectations import NOTHING, failed, stopped
from matrix.mode import ONE_PROCESS, PREFORK, SOLO, THREADS, mode

from .exits import wait

LONG_SECONDS = 4.0
"""Longer than the limits, and short where there are none."""
UNLIMITED = (*THREADS, *SOLO)


@mode(
    "09",
    "hard time limit",
    stopped("TimeLimitExceeded"),
    on={UNLIMITED: NOTHING},
    task_options={"time_limit": 1},
    max_seconds=15,
    is_listed=True,
)
def hard(token: str) -> None:
    wait(LONG_SECONDS)


@mode(
    "09b",
    "hard limit of a task that ignores SIGTERM",
    stopped("TimeLimitExceeded"),
    pools=PREFORK,
    task_options={"time_limit": 1},
    max_seconds=20,
)
def hard_and_deaf(token: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait(60)


@mode(
    "09c",
    "hard time limit, acks_late",
    stopped("TimeLimitExceeded"),
    on={UNLIMITED: NOTHING},
    task_options={"time_limit": 1, "acks_late": True},
    max_seconds=15,
)
def hard_late(token: str) -> None:
    wait(LONG_SECONDS)


@mode(
    "09d",
    "hard limit in the task's cleanup",
    stopped("TimeLimitExceeded"),
    pools=PREFORK,
    task_options={"soft_time_limit": 0.5, "time_limit": 1},
    max_seconds=15,
)
def hard_in_cleanup(token: str) -> None:
    with contextlib.suppress(SoftTimeLimitExceeded):
        wait(60)
    wait(60)


@mode(
    "10",
    "soft time limit, uncaught",
    failed("SoftTimeLimitExceeded"),
    on={ONE_PROCESS: NOTHING},
    task_options={"soft_time_limit": 0.5},
    is_listed=True,
)
def soft(token: str) -> None:
    wait(LONG_SECONDS)


@mode(
    "10b", "soft time limit, caught by the task", pools=PREFORK, task_options={"soft_time_limit": 0.5}, is_listed=True
)
def soft_caught(token: str) -> str:
    with contextlib.suppress(SoftTimeLimitExceeded):
        wait(LONG_SECONDS)
    return "done"


@mode(
    "10c",
    "soft time limit, another exception raised from it",
    failed("ValueError", shows="SoftTimeLimitExceeded"),
    pools=PREFORK,
    task_options={"soft_time_limit": 0.5},
)
def soft_translated(token: str) -> None:
    try:
        wait(LONG_SECONDS)
    except SoftTimeLimitExceeded as error:
        raise ValueError(f"too slow {token}") from error


@mode(
    "10d",
    "soft time limit, then retried until exhausted",
    failed("SoftTimeLimitExceeded", attempts=2),
    pools=PREFORK,
    task_options={"soft_time_limit": 0.3, "bind": True, "max_retries": 1},
)
def soft_retried(self: object, token: str) -> None:
    try:
        wait(LONG_SECONDS)
    except SoftTimeLimitExceeded as error:
        raise self.retry(exc=error, countdown=0.05) from error  # type: ignore[attr-defined]
