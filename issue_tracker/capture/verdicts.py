"""What an exception that Celery hands over stands for: the task's own error, and the kind of its death.

Left of the seam. Nothing here is recorded or changed; `capture` asks, and records what it is told.
"""

from __future__ import annotations

import sys
from types import FrameType, TracebackType
from typing import Any, Final

from celery.exceptions import Reject, SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError

from issue_tracker.event import Kind
from issue_tracker.inflight import Request
from issue_tracker.tracebacks import causes_of, culprit_of

_KINDS: Final[tuple[tuple[type[BaseException], Kind], ...]] = (
    (SoftTimeLimitExceeded, Kind.SOFT_TIME_LIMIT),
    (TimeLimitExceeded, Kind.TIME_LIMIT),
    (WorkerLostError, Kind.WORKER_LOST),
    (Reject, Kind.REJECTED),
)
_NOT_STORED: Final = (OSError, ConnectionError)
ENDED_FROM_OUTSIDE: Final = ("gevent", "greenlet", "eventlet")
"""Packages whose exceptions end a greenlet: a shutdown or a terminate, not the task's own doing."""


def original_of(request: Request, exception: Any) -> Any:
    """Return the exception as the task raised it.

    What the signal carries may be a wrapper, or even a parent class, made to be pickled. While the process that ran the
    task sends the signal, the original is the one being handled. A limit or a loss is Celery's own word: what is being
    handled then is how the green pools end the greenlet.
    """
    handled = sys.exc_info()[1]
    if isinstance(exception, TimeLimitExceeded | WorkerLostError):
        return exception
    if handled is not None and "told_by" not in request.options and not isinstance(exception, type(handled)):
        return handled
    return really(exception)


def really(exception: Any) -> Any:
    """Look into a Reject that Celery made of an error, as when a retry can't be published."""
    reason = getattr(exception, "reason", None)
    return reason if isinstance(exception, Reject) and isinstance(reason, BaseException) else exception


def own_error(error: object) -> BaseException | None:
    """Find the task's own error below an error that came while it was being dealt with:
    the deepest that passed own code.
    """
    return next((one for one in reversed(list(causes_of(error))) if culprit_of(one.__traceback__)), None)


def kind_of_internal(request: Request, own: BaseException | None, error: object) -> Kind:
    """Return the kind of an error round a task: the task's own, the result's back end, or else Celery's."""
    if own is not None and (own is not error or request.options.get("is_eager")):
        return _kind_of(own)
    is_backend = isinstance(error, _NOT_STORED) or type(error).__name__ in {
        "ConnectionError",
        "OperationalError",
        "BackendStoreError",
    }
    return Kind.RESULT_NOT_STORED if is_backend else Kind.INTERNAL_ERROR


def kind_of_failure(exception: BaseException | None) -> Kind:
    """Like `_kind_of`, but for what a solo worker raises inside the task that a cold shutdown ends."""
    if isinstance(exception, NotImplementedError):
        frame = _last_frame(exception.__traceback__)
        if frame is not None and frame.f_globals.get("__name__", "").startswith("celery.concurrency"):
            return Kind.INTERRUPTED
    return _kind_of(exception)


def _kind_of(exception: object) -> Kind:
    return next((kind for types, kind in _KINDS if isinstance(exception, types)), Kind.FAILURE)


def is_told_to_end(traceback: TracebackType | None) -> bool:
    """Tell whether an exception was raised by billiard's handler of a terminating signal, not by the task.

    Not every frame of billiard's tells so: a pool process has a `sys.exit` of its own, through which a task's own call
    goes.
    """
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == "_shutdown_cleanup":
            return True
        traceback = traceback.tb_next
    return False


def _last_frame(traceback: TracebackType | None) -> FrameType | None:
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame if traceback is not None else None
