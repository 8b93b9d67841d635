"""Inserts a row where the task runs, in the task's own process and on its own connection."""

from __future__ import annotations

from typing import Any

from celery.signals import task_failure, task_retry

from .models import Failure


@task_failure.connect
def on_failure(
    sender: Any, task_id: str, exception: BaseException, args: Any, kwargs: Any, einfo: Any, **_rest: object
) -> None:
    """Keep a failure."""
    _insert(sender.name, exception, str(einfo), {"task_id": task_id, "args": args, "kwargs": kwargs}, "error")


@task_retry.connect
def on_retry(sender: Any, request: Any, einfo: Any, reason: BaseException | None = None, **_rest: object) -> None:
    """Keep a retry; Celery names no reason when a shutdown cut the run short."""
    context = {"task_id": request.id, "args": request.args, "kwargs": request.kwargs}
    _insert(sender.name, reason, str(einfo), context, "warning")


def _insert(task: str, exception: BaseException | None, traceback: str, context: dict[str, Any], severity: str) -> None:
    Failure.objects.create(
        name=type(exception).__name__,
        task=task,
        error_message=str(exception),
        traceback=traceback,
        context=context,
        severity=severity,
    )
