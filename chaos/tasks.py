"""Tasks of the chaos run. With CHAOS_STOPWATCH set to a path, the times inside `task_failure` are written there."""

from __future__ import annotations

import os
import time
from typing import Any

import time_machine
from celery import shared_task
from celery.signals import task_failure

from tests.project.tasks import UpstreamError, note, wait


def _time_failures(path: str) -> None:
    """Append the nanoseconds of each `task_failure.send`, by the clock and of CPU, as two numbers on a line."""
    send = task_failure.send

    def timed(*args: Any, **kwargs: Any) -> Any:
        began, cpu = time.perf_counter_ns(), time.thread_time_ns()
        try:
            return send(*args, **kwargs)
        finally:
            note(path, f"{time.perf_counter_ns() - began} {time.thread_time_ns() - cpu}")

    task_failure.send = timed


if path := os.environ.get("CHAOS_STOPWATCH"):
    _time_failures(path)


@shared_task(bind=True)
def fail_noted_as(self: Any, path: str, message: str) -> None:
    """Write the task's id down, then fail with a message of its own."""
    note(path, self.request.id)
    raise UpstreamError(message)


@shared_task(bind=True)
def fail_at_another_time(self: Any, path: str, seconds: float) -> None:
    """Write the task's id down, then fail with this process's clock at another time."""
    note(path, self.request.id)
    time_machine.travel(seconds, tick=True).start()
    raise UpstreamError("what time is it")


@shared_task(bind=True)
def wait_noted(self: Any, path: str, seconds: float) -> None:
    """Write the task's id down, then run for so long."""
    note(path, self.request.id)
    wait(seconds)
