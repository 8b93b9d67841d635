"""The Celery receivers: every way in which Celery tells that a task died, turned into a `Failure`. Left of the seam.

Celery tells it in the child or in the main process, with a traceback object or a text, with or without a request: a
receiver uses what it is given, and asks the slots for what is missing. Each receiver is harmless (see `guard`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from celery import signals
from celery.exceptions import (
    MaxRetriesExceededError,
    Retry,
    WorkerLostError,
)

from issue_tracker.event import Kind, Severity
from issue_tracker.guard import harmless
from issue_tracker.inflight import request_of
from issue_tracker.recording import mark_told, record
from issue_tracker.tracebacks import Described, culprit_of, culprit_of_text, describe, format_exception, frame_locals

from .endings import on_task_postrun, on_task_prerun
from .failures import failure_of_run, interrupted, records_attempt
from .messages import failure_of_message
from .verdicts import (
    kind_of_failure,
    kind_of_internal,
    original_of,
    own_error,
)

if TYPE_CHECKING:
    from celery.utils.dispatch import Signal

GIVEN_UP: Final = "celery.exceptions.MaxRetriesExceededError"
"""Groups the attempts of a `retry()` without exception with the error that Celery raises once they are exhausted."""


_LIMIT_MESSAGES: Final[dict[str, Callable[[Any], str]]] = {
    Kind.TIME_LIMIT: lambda error: (
        f"Hard time limit of {error.args[0] if error.args else '?'} s exceeded; the process was killed."
    ),
    Kind.SOFT_TIME_LIMIT: lambda _error: "Soft time limit exceeded.",
}


@harmless
def on_task_failure(
    *,
    sender: Any,
    task_id: Any = None,
    exception: Any = None,
    args: Any = None,
    kwargs: Any = None,
    einfo: Any = None,
    **rest: Any,
) -> None:
    """Record a failed run. Sent by the child, or by the main process for a run that its child can't tell of."""
    mark_told(exception)
    request = request_of(sender, task_id, args, kwargs)
    original = original_of(request, exception)
    text = _traceback_text(einfo, rest.get("traceback"), exception)
    kind = kind_of_failure(exception)
    message = _LIMIT_MESSAGES.get(kind)
    record(
        failure_of_run(
            request,
            describe(original),
            kind=kind,
            traceback=text,
            culprit=culprit_of(original) or culprit_of_text(text),
            severity=Severity.INFO if _is_expected(sender, original) else "",
            context=frame_locals.context_of(original),
            **({"message": message(original)} if message else {}),
            grouping_message="" if isinstance(exception, MaxRetriesExceededError | WorkerLostError) else None,
        )
    )


@harmless
def on_task_retry(*, sender: Any, request: Any = None, reason: Any = None, einfo: Any = None, **_rest: Any) -> None:
    """Record an attempt that will be tried again;
    without a reason it is a run that a shutdown or lost connection cut short.
    """
    described = describe(reason)
    found = request_of(
        sender, getattr(request, "id", None), getattr(request, "args", None), getattr(request, "kwargs", None), request
    )
    if einfo is None:
        record(interrupted(found, is_sent_again=bool(getattr(sender, "acks_late", False))))
        return
    text = _traceback_text(einfo, None, reason)
    if not records_attempt(sender, found.attempt):
        return
    cause = getattr(reason, "exc", None)
    has_cause = isinstance(cause, BaseException)
    record(
        failure_of_run(
            found,
            described,
            kind=Kind.RETRY,
            traceback=text,
            # An error that was made for `retry(exc=…)` has no traceback; the Retry has. By its text a method would lose
            # its class, and the exhausted attempt would be another issue.
            culprit=culprit_of(reason) or culprit_of(getattr(reason, "__traceback__", None)) or culprit_of_text(text),
            context=frame_locals.context_of(cause if has_cause else reason),
            grouping_type="" if has_cause else GIVEN_UP,
            grouping_message=None if has_cause else "",
        )
    )


@harmless
def on_task_internal_error(
    *,
    sender: Any,
    task_id: Any = None,
    args: Any = None,
    kwargs: Any = None,
    exception: Any = None,
    einfo: Any = None,
    **rest: Any,
) -> None:
    """Record an error round a task: of a hook, or of Celery's own.

    Where the task itself had failed before, that is what is told.
    """
    mark_told(exception)
    request = request_of(sender, task_id, args, kwargs)
    own = own_error(exception)
    described = describe(own or exception)
    text = _traceback_text(einfo, rest.get("traceback"), exception)
    also = {} if own is None or own is exception else {"also": _one_line(describe(exception))}
    record(
        failure_of_run(
            request,
            described,
            kind=kind_of_internal(request, own, exception),
            traceback=text,
            culprit=culprit_of(own or exception) or culprit_of_text(text),
            context=also or None,
        )
    )


@harmless
def on_task_revoked(
    *,
    sender: Any,
    request: Any = None,
    terminated: bool = False,
    signum: Any = None,
    expired: bool = False,
    **_rest: Any,
) -> None:
    """Record a task that was revoked, terminated while it ran, or that expired before it could start."""
    found = request_of(
        sender, getattr(request, "id", None), getattr(request, "args", None), getattr(request, "kwargs", None), request
    )
    if expired:
        limit = getattr(request, "expires", "") or "then"
        message = f"The task expired before it could start: it was to start before {limit}."
        record(
            failure_of_run(found, None, kind=Kind.EXPIRED, name="Task expired", message=message, grouping_message="")
        )
        return
    how = f"terminated while it ran ({signum})" if terminated else "revoked before it started"
    record(
        failure_of_run(
            found, None, kind=Kind.REVOKED, name="Task revoked", message=f"The task was {how}.", grouping_message=""
        )
    )


@harmless
def on_task_unknown(
    *,
    sender: Any,
    message: Any = None,
    name: Any = None,
    id: Any = None,  # noqa: A002  Celery's name
    exc: Any = None,
    **_rest: Any,
) -> None:
    """Record a message for a task that this worker doesn't know; Celery deletes it."""
    failure = failure_of_message(
        message, kind=Kind.UNKNOWN_TASK, error=None, name="Unknown task", task=str(name), task_id=str(id)
    )
    record(
        replace(
            failure,
            message=f"Received a message for {name}, which this worker doesn't know. The message was deleted.",
            worker=_worker_of(sender),
            exception_type="celery.exceptions.NotRegistered",
            traceback=format_exception(exc) if isinstance(exc, BaseException) else "",
        )
    )


@harmless
def on_task_rejected(*, sender: Any, message: Any = None, exc: Any = None, **_rest: Any) -> None:
    """Record a message that Celery refused: a content type that is not accepted, bad headers, no task headers."""
    kind = Kind.UNDECODABLE if exc is not None and "Content" in type(exc).__name__ else Kind.REJECTED
    failure = failure_of_message(message, kind=kind, error=exc)
    record(
        replace(
            failure,
            severity=Severity.ERROR,
            worker=_worker_of(sender),
            traceback=format_exception(exc) if isinstance(exc, BaseException) else "",
        )
    )


RECEIVERS: Final[tuple[tuple[Signal, Callable[..., None]], ...]] = (
    (signals.task_prerun, on_task_prerun),
    (signals.task_postrun, on_task_postrun),
    (signals.task_failure, on_task_failure),
    (signals.task_retry, on_task_retry),
    (signals.task_internal_error, on_task_internal_error),
    (signals.task_revoked, on_task_revoked),
    (signals.task_unknown, on_task_unknown),
    (signals.task_rejected, on_task_rejected),
)


def connect() -> None:
    """Connect all receivers, once however often it is called."""
    for sent, receiver in RECEIVERS:
        sent.connect(receiver, weak=False, dispatch_uid=f"issue_tracker.{receiver.__name__}")


def disconnect() -> None:
    """Take all receivers off again."""
    for sent, receiver in RECEIVERS:
        sent.disconnect(dispatch_uid=f"issue_tracker.{receiver.__name__}")


def _worker_of(consumer: Any) -> str:
    """Return the name of the worker whose consumer sent a signal of a message: such a message never had a request."""
    return str(getattr(consumer, "hostname", None) or "")


def _one_line(described: Described) -> str:
    return f"{described.type_name}: {described.message}".partition("\n")[0][:1_024]


def _is_expected(sender: Any, exception: object) -> bool:
    throws: Any = getattr(sender, "throws", None)
    return bool(throws) and isinstance(exception, tuple(throws) if isinstance(throws, list) else throws)


def _traceback_text(einfo: Any, traceback: Any, exception: Any) -> str:
    """Take the text that Celery has formatted already; format it ourselves only where there is none."""
    for text in (getattr(einfo, "traceback", None), traceback):
        if isinstance(text, str) and text:
            return text
    return (
        format_exception(exception) if isinstance(exception, BaseException) and not isinstance(exception, Retry) else ""
    )
