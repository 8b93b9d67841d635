"""The Celery receivers: every way in which Celery tells that a task died, turned into a `Failure`. Left of the seam.

Celery tells it in the child or in the main process, with a traceback object or a text, with or without a request: a
receiver uses what it is given, and asks the slots for what is missing. Each receiver is harmless (see `guard`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from celery import signals
from celery.exceptions import (
    MaxRetriesExceededError,
    Reject,
    Retry,
    WorkerLostError,
)

from issue_tracker import conf
from issue_tracker.event import Kind, Severity
from issue_tracker.guard import brief, harmless
from issue_tracker.inflight import Request, begin, end, is_second_try, request_of
from issue_tracker.recording import Failure, mark_told, record, record_recovered
from issue_tracker.tracebacks import Described, culprit_of, culprit_of_text, describe, format_exception, frame_locals

from .messages import failure_of_message
from .verdicts import (
    ENDED_FROM_OUTSIDE,
    is_told_to_end,
    kind_of_failure,
    kind_of_internal,
    original_of,
    own_error,
    really,
)

if TYPE_CHECKING:
    from celery.utils.dispatch import Signal

end_checks: list[Callable[[], str]] = []
"""Asked when a run ends: each names what the task left behind that it should not have, or says nothing."""

_NEVER_RUN: Final = (GeneratorType, CoroutineType, AsyncGeneratorType)
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
        _failure(
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
        record(_interrupted(found, is_sent_again=bool(getattr(sender, "acks_late", False))))
        return
    text = _traceback_text(einfo, None, reason)
    if not _records_attempt(sender, found.attempt):
        return
    cause = getattr(reason, "exc", None)
    has_cause = isinstance(cause, BaseException)
    record(
        _failure(
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
        _failure(
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
        record(_failure(found, None, kind=Kind.EXPIRED, name="Task expired", message=message, grouping_message=""))
        return
    how = f"terminated while it ran ({signum})" if terminated else "revoked before it started"
    record(
        _failure(
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


@brief
def on_task_prerun(*, sender: Any, task_id: Any = None, task: Any = None, **_rest: Any) -> None:
    """Note that a run begins: its token, its slot, and an empty context."""
    begin(task or sender, task_id)


@brief
def on_task_postrun(
    *, sender: Any, task_id: Any = None, task: Any = None, retval: Any = None, state: Any = None, **rest: Any
) -> None:
    """Note that a run ended, and record the endings that no other signal tells.

    `state` is None while something is leaving that is no task's outcome; `sys.exc_info()` holds it then.
    """
    task = task or sender
    request = task.request  # once: Celery looks it up in a stack of the thread, which takes as long as all the rest
    is_over: bool | None = True
    try:
        if state != "SUCCESS" or isinstance(retval, _NEVER_RUN) or is_second_try(request):
            known = partial(request_of, task, task_id, rest.get("args"), rest.get("kwargs"), request)
            is_over = _tell_the_end(known, task, state, retval)
        if not request.is_eager:  # which runs in whatever transaction its caller has open
            for check in end_checks:
                if found := check():
                    known = partial(request_of, task, task_id, rest.get("args"), rest.get("kwargs"), request)
                    _tell_what_is_left(known, found)
    finally:
        if is_over is not False:
            end(request, task_id)


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


def _failure(request: Request, described: Described | None, *, kind: Kind, **more: Any) -> Failure:
    if described is not None:
        more = {
            "name": described.short_name,
            "message": described.message,
            "exception_type": described.type_name,
            **more,
        }
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


def _worker_of(consumer: Any) -> str:
    """Return the name of the worker whose consumer sent a signal of a message: such a message never had a request."""
    return str(getattr(consumer, "hostname", None) or "")


def _records_attempt(task: Any, attempt: int) -> bool:
    """Apply `RECORD_RETRIES`, or the task's own `issue_tracker_retries`: "all", "last", or from the n-th attempt on."""
    settings = conf.current()
    if settings.severities.get(Kind.RETRY, "") is None:
        return False
    policy = getattr(task, "issue_tracker_retries", None) or settings.record_retries
    return policy == "all" or (isinstance(policy, int) and attempt + 1 >= policy)


def _recorded_attempts(task: Any, request: Any) -> int:
    """Count the records of this task id that a recovery must wait for. What it was sent again for is there already."""
    was_handed_back = bool((request.delivery_info or {}).get("redelivered"))
    return was_handed_back + sum(_records_attempt(task, attempt) for attempt in range(request.retries or 0))


def _interrupted(request: Request, *, is_sent_again: bool) -> Failure:
    again = "The message was not acknowledged yet and will be delivered again."
    lost = (
        "Celery says RETRY, but the message was acknowledged when the run began: "
        "it is not sent again, the work is lost."
    )
    return _failure(
        request,
        None,
        kind=Kind.INTERRUPTED,
        name="Interrupted",
        message=f"The run was cut short by a shutdown or a lost connection. {again if is_sent_again else lost}",
        severity=Severity.WARNING if is_sent_again else Severity.ERROR,
    )


@harmless
def _tell_the_end(known: Callable[[], Request], task: Any, state: Any, result: Any) -> bool:
    """Record an ending that only task_postrun shows; returns whether the run is over for this process."""
    leaving = sys.exc_info()[1] if state is None else None
    if leaving is not None and is_told_to_end(leaving.__traceback__):
        return False  # the process is about to end: its slot stays, so that the run is found in any case
    if state == "SUCCESS" and is_second_try(task.request):
        record_recovered(known(), recorded_attempts=_recorded_attempts(task, task.request))
    failure = _ending(known, state, result, leaving, task)
    if failure is not None:
        record(failure)
    return True


def _ending(
    known: Callable[[], Request], state: Any, result: Any, leaving: BaseException | None, task: Any
) -> Failure | None:
    """Describe an ending that only task_postrun shows, or None where another signal tells or nothing is wrong."""
    if state == "SUCCESS":
        return _never_ran(known(), result) if isinstance(result, _NEVER_RUN) else None
    if state == "REJECTED" and isinstance(result, Reject) and not getattr(result, "requeue", False):
        return _of_exception(known(), result, kind=Kind.REJECTED)
    if state is not None or leaving is None or isinstance(leaving, Exception):
        return None
    request = known()
    if type(leaving).__module__.startswith(ENDED_FROM_OUTSIDE):
        return _interrupted(request, is_sent_again=bool(getattr(task, "acks_late", False)))
    if request.options.get("is_eager") and isinstance(leaving, KeyboardInterrupt):
        return None  # somebody at a terminal
    return _of_exception(request, leaving, kind=Kind.EXITED)


def _never_ran(request: Request, result: object) -> Failure:
    what = "async def" if isinstance(result, CoroutineType) else "generator"
    return _failure(
        request,
        None,
        kind=Kind.NEVER_RAN,
        name="Task never ran",
        message=(
            f"The task is an {what} function: calling it only made a {type(result).__name__}. "
            "Celery says SUCCESS, its body never ran."
        ),
    )


def _of_exception(request: Request, error: BaseException, *, kind: Kind) -> Failure:
    mark_told(error)
    text = format_exception(error)
    told = describe(really(error))
    return _failure(request, told, kind=kind, traceback=text, culprit=culprit_of(error) or culprit_of_text(text))


@harmless
def _tell_what_is_left(known: Callable[[], Request], found: str) -> None:
    """Record that the task left something behind, which `found` names."""
    record(
        _failure(
            known(),
            None,
            kind=Kind.OPEN_TRANSACTION,
            name="Transaction left open",
            message=f"The task ended with {found}; what it wrote there is lost.",
            context={"left_behind": found},
        )
    )


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
