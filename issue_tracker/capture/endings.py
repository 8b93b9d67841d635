"""The beginning and the end of a run, and the endings that no signal but task_postrun tells. Left of the seam.

Every task passes here, also one that succeeds: that path is kept short.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final

from celery.exceptions import Reject

from issue_tracker.event import Kind
from issue_tracker.guard import bear, harmless
from issue_tracker.inflight import Request, begin, end, is_second_try, request_now, request_of
from issue_tracker.recording import Failure, mark_told, record, record_recovered
from issue_tracker.tracebacks import culprit_of, culprit_of_text, describe, format_exception

from .failures import failure_of_run, interrupted, records_attempt
from .verdicts import ENDED_FROM_OUTSIDE, is_told_to_end, really

end_checks: list[Callable[[], str]] = []
"""Asked when a run ends: each names what the task left behind that it should not have, or says nothing."""

_NEVER_RUN: Final = (GeneratorType, CoroutineType, AsyncGeneratorType)


def on_task_prerun(*, sender: Any, task_id: Any = None, task: Any = None, **_rest: Any) -> None:
    """Note that a run begins: its token, its slot, and an empty context."""
    try:
        begin(task or sender, task_id)
    except Exception as error:  # noqa: BLE001  of our own making, or passed on
        bear("on_task_prerun", error)


def on_task_postrun(
    *, sender: Any, task_id: Any = None, task: Any = None, retval: Any = None, state: Any = None, **rest: Any
) -> None:
    """Note that a run ended, and record the endings that no other signal tells.

    `state` is None while something is leaving that is no task's outcome; `sys.exc_info()` holds it then.
    """
    try:
        task = task or sender
        request = request_now(task, task_id)
        is_leaving = state is None  # until it is told apart: where a signal cuts that short, too, the slot stays
        try:
            if state != "SUCCESS" or isinstance(retval, _NEVER_RUN) or is_second_try(request):
                known = partial(request_of, task, task_id, rest.get("args"), rest.get("kwargs"), request)
                is_leaving = bool(_tell_the_end(known, task, request, state, retval))
            if not (is_leaving or request.is_eager):  # which runs in whatever transaction its caller has open
                for check in end_checks:
                    if found := check():
                        known = partial(request_of, task, task_id, rest.get("args"), rest.get("kwargs"), request)
                        _tell_what_is_left(known, found)
        finally:
            if not is_leaving:
                end(request, task_id)
    except Exception as error:  # noqa: BLE001  of our own making, or passed on
        bear("on_task_postrun", error)


@harmless
def _tell_the_end(known: Callable[[], Request], task: Any, request: Any, state: Any, result: Any) -> bool:
    """Record an ending that only task_postrun shows; returns whether the process is about to end instead.

    Its slot stays then, so that the run is found in any case.
    """
    leaving = sys.exc_info()[1] if state is None else None
    if leaving is not None and is_told_to_end(leaving.__traceback__):
        return True
    if state == "SUCCESS" and is_second_try(request):
        record_recovered(known(), recorded_attempts=_recorded_attempts(task, request))
    failure = _ending(known, state, result, leaving, task)
    if failure is not None:
        record(failure)
    return False


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
        return interrupted(request, is_sent_again=bool(getattr(task, "acks_late", False)))
    if request.options.get("is_eager") and isinstance(leaving, KeyboardInterrupt):
        return None  # somebody at a terminal
    return _of_exception(request, leaving, kind=Kind.EXITED)


def _recorded_attempts(task: Any, request: Any) -> int:
    """Count the records of this task id that a recovery must wait for. What it was sent again for is there already."""
    was_handed_back = bool((request.delivery_info or {}).get("redelivered"))
    return was_handed_back + sum(records_attempt(task, attempt) for attempt in range(request.retries or 0))


def _never_ran(request: Request, result: object) -> Failure:
    what = "async def" if isinstance(result, CoroutineType) else "generator"
    return failure_of_run(
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
    return failure_of_run(request, told, kind=kind, traceback=text, culprit=culprit_of(error) or culprit_of_text(text))


@harmless
def _tell_what_is_left(known: Callable[[], Request], found: str) -> None:
    """Record that the task left something behind, which `found` names."""
    record(
        failure_of_run(
            known(),
            None,
            kind=Kind.OPEN_TRANSACTION,
            name="Transaction left open",
            message=f"The task ended with {found}; what it wrote there is lost.",
            context={"left_behind": found},
        )
    )
