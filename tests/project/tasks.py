"""Tasks that end in every way a Celery task can. Each takes what it needs as plain arguments."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from celery import shared_task
from celery.exceptions import Ignore, Reject
from django.contrib.auth.models import Group
from django.db import transaction

import issue_tracker


class UpstreamError(Exception):
    """An error of the host's own."""


class ExpectedError(Exception):
    """An error that a task declares in `throws`."""


class UnpicklableError(Exception):
    """An error that no pickle takes: it holds a function made on the spot."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.callback = lambda: message


def note(path: str, text: str) -> None:
    """Append a line to a file in one write, so that a kill leaves whole lines only."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{text}\n".encode())
    finally:
        os.close(descriptor)


@shared_task
def succeed(*args: Any, **kwargs: Any) -> str:
    return "done"


@shared_task
def fail(message: str = "it broke", **kwargs: Any) -> None:
    raise UpstreamError(message)


@shared_task
def fail_chained(theater_id: int) -> None:
    try:
        {}["showtimes"]
    except KeyError as error:
        raise UpstreamError(f"no showtimes for theater {theater_id}") from error


@shared_task(bind=True)
def fail_noted(self: Any, path: str) -> None:
    """Write the task's id down, then fail: what was written must be found."""
    note(path, self.request.id)
    raise UpstreamError("noted, then failed")


@shared_task
def need(upstream: str, done: str, number: int) -> None:
    """Fail as long as the file `upstream` is missing; then write the number down."""
    if not Path(upstream).exists():
        raise UpstreamError(f"upstream is down, number {number} has to wait")
    note(done, str(number))


@shared_task(throws=(ExpectedError,))
def fail_as_declared() -> None:
    raise ExpectedError("nothing to see")


@shared_task
def fail_unpicklable(message: str = "holds a function") -> None:
    raise UnpicklableError(message)


@shared_task(bind=True, max_retries=3, default_retry_delay=0.05)
def retry_then_succeed(self: Any, attempts: int = 2) -> str:
    """Fail and retry so many times, then succeed."""
    if self.request.retries < attempts:
        raise self.retry(exc=UpstreamError("not yet"), countdown=0.05)
    return "done"


@shared_task(bind=True, max_retries=2)
def retry_until_exhausted(self: Any) -> None:
    try:
        raise UpstreamError("always")
    except UpstreamError as error:
        raise self.retry(exc=error, countdown=0.05) from error


@shared_task(bind=True, max_retries=1)
def retry_without_reason(self: Any) -> None:
    raise self.retry(countdown=0.05)


@shared_task
def wait(seconds: float, path: str = "") -> str:
    """Run for so long; write this process's id down first."""
    if path:
        note(path, str(os.getpid()))
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)
    return "done"


@shared_task(soft_time_limit=0.5, time_limit=20)
def outlive_soft_limit() -> None:
    wait(60)


@shared_task(time_limit=1)
def outlive_hard_limit() -> None:
    wait(60)


@shared_task
def kill_own_process(number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), number)
    wait(60)


@shared_task(acks_late=True, reject_on_worker_lost=True)
def kill_own_process_once(path: str) -> str:
    """Die by SIGKILL in the first run; succeed in the redelivered one."""
    if Path(path).exists():
        return "done"
    note(path, str(os.getpid()))
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@shared_task
def leave(code: int = 3) -> None:
    sys.exit(code)


@shared_task(acks_late=True)
def reject(requeue: bool = False) -> None:  # noqa: FBT001, FBT002  arguments of a task are data
    raise Reject("not for me", requeue=requeue)


@shared_task
def ignore() -> None:
    raise Ignore


@shared_task
def report(name: str = "No showtimes found", **context: Any) -> None:
    issue_tracker.report(name, task="report", error_message="none", context=context)


@shared_task
def report_then_roll_back(name: str = "No showtimes found") -> None:
    """Write a row of the host's own and a report in one transaction, then fail: the row goes, the report stays."""
    with transaction.atomic():
        Group.objects.create(name="rolled back")
        issue_tracker.report(name, task="report_then_roll_back", error_message="none")
        raise UpstreamError("rolled back")
