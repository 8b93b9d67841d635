"""The Celery receivers: every way in which Celery tells that a task died, turned into a `Failure`. Left of the seam.

Celery tells it in the child or in the main process, with a traceback object or a text, with or without a request: a receiver
uses what it is given, and asks the slots for what is missing. Each receiver is harmless (see `guard`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from celery import signals
from celery.exceptions import (
    MaxRetriesExceededError,
    Reject,
    Retry,
    SoftTimeLimitExceeded,
    TimeLimitExceeded,
    WorkerLostError,
)

from .event import Kind, Severity
from .guard import harmless
from .recording import Failure, record
from .runs import Request, begin, end, request_of
from .tracebacks import Described, culprit_of, culprit_of_text, describe, format_exception

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery.utils.dispatch import Signal

_KINDS: Final[tuple[tuple[type[BaseException], Kind], ...]] = (
    (SoftTimeLimitExceeded, Kind.SOFT_TIME_LIMIT),
    (TimeLimitExceeded, Kind.TIME_LIMIT),
    (WorkerLostError, Kind.WORKER_LOST),
    (Reject, Kind.REJECTED),
)

GIVEN_UP: Final = "celery.exceptions.MaxRetriesExceededError"
"""Groups the attempts of a `retry()` without exception with the error that Celery raises once they are exhausted."""


@harmless
def on_task_failure(
    *, sender: Any, task_id: Any = None, exception: Any = None, args: Any = None, kwargs: Any = None, einfo: Any = None, **rest: Any
) -> None:
    """Record a failed run. Sent by the child, or by the main process for a run that its child can't tell of."""
    request = request_of(sender, task_id, args, kwargs)
    described = describe(exception)
    text = _traceback_text(einfo, rest.get("traceback"), exception)
    record(
        _failure(
            request,
            described,
            kind=_kind_of(exception),
            traceback=text,
            culprit=culprit_of(exception) or culprit_of_text(text),
            severity=Severity.INFO if _is_expected(sender, exception) else "",
            grouping_message="" if isinstance(exception, MaxRetriesExceededError | WorkerLostError) else None,
        )
    )


@harmless
def on_task_retry(*, sender: Any, request: Any = None, reason: Any = None, einfo: Any = None, **_rest: Any) -> None:
    """Record an attempt that will be tried again; without a reason it is a run that a shutdown or lost connection cut short."""
    described = describe(reason)
    found = request_of(sender, getattr(request, "id", None), getattr(request, "args", None), getattr(request, "kwargs", None), request)
    if einfo is None:
        record(_failure(found, None, kind=Kind.INTERRUPTED, name="Interrupted", message=_INTERRUPTED))
        return
    text = _traceback_text(einfo, None, reason)
    cause = getattr(reason, "exc", None)
    has_cause = isinstance(cause, BaseException)
    record(
        _failure(
            found,
            described,
            kind=Kind.RETRY,
            traceback=text,
            culprit=(culprit_of(cause) if has_cause else "") or culprit_of(reason) or culprit_of_text(text),
            grouping_type="" if has_cause else GIVEN_UP,
            grouping_message=None if has_cause else "",
        )
    )


_INTERRUPTED: Final = (
    "The run was cut short by a shutdown or a lost connection. Celery says RETRY, but a message that was acknowledged early "
    "is not sent again."
)


@harmless
def on_task_internal_error(
    *, sender: Any, task_id: Any = None, args: Any = None, kwargs: Any = None, exception: Any = None, einfo: Any = None, **rest: Any
) -> None:
    """Record an error of Celery's own round a task; the task's own error, if any, is its context."""
    described = describe(exception)
    text = _traceback_text(einfo, rest.get("traceback"), exception)
    record(
        _failure(
            request_of(sender, task_id, args, kwargs),
            described,
            kind=Kind.INTERNAL_ERROR,
            traceback=text,
            culprit=culprit_of(exception) or culprit_of_text(text),
        )
    )


@harmless
def on_task_prerun(*, sender: Any, task_id: Any = None, task: Any = None, **_rest: Any) -> None:
    """Note that a run begins: its token, its slot, and an empty context."""
    begin(task or sender, task_id)


@harmless
def on_task_postrun(*, sender: Any, task_id: Any = None, task: Any = None, **_rest: Any) -> None:
    """Note that a run ended."""
    end(task or sender, task_id)


RECEIVERS: Final[tuple[tuple[Signal, Callable[..., None]], ...]] = (
    (signals.task_prerun, on_task_prerun),
    (signals.task_postrun, on_task_postrun),
    (signals.task_failure, on_task_failure),
    (signals.task_retry, on_task_retry),
    (signals.task_internal_error, on_task_internal_error),
)


def connect() -> None:
    """Connect all receivers, once however often it is called."""
    for sent, receiver in RECEIVERS:
        sent.connect(receiver, weak=False, dispatch_uid=f"issue_tracker.{receiver.__name__}")


def disconnect() -> None:
    """Take all receivers off again."""
    for sent, receiver in RECEIVERS:
        sent.disconnect(dispatch_uid=f"issue_tracker.{receiver.__name__}")


def _failure(request: Request, described: Described | None, *, kind: Kind, **more: Any) -> Failure:
    if described is not None:
        more = {"name": described.short_name, "message": described.message, "exception_type": described.type_name, **more}
    return Failure(
        kind=kind,
        task=request.task,
        task_id=request.task_id,
        attempt=request.attempt,
        run=request.run,
        args=request.args,
        kwargs=request.kwargs,
        worker=request.worker,
        queue=request.queue,
        options=request.options,
        **more,
    )


def _kind_of(exception: object) -> Kind:
    return next((kind for types, kind in _KINDS if isinstance(exception, types)), Kind.FAILURE)


def _is_expected(sender: Any, exception: object) -> bool:
    throws = getattr(sender, "throws", None)
    return bool(throws) and isinstance(exception, tuple(throws) if isinstance(throws, list) else throws)


def _traceback_text(einfo: Any, traceback: Any, exception: Any) -> str:
    """Take the text that Celery has formatted already; format it ourselves only where there is none."""
    for text in (getattr(einfo, "traceback", None), traceback):
        if isinstance(text, str) and text:
            return text
    return format_exception(exception) if isinstance(exception, BaseException) and not isinstance(exception, Retry) else ""
