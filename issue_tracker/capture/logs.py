"""What Celery tells nowhere but in its log: undecodable messages, beat, dead workers, hooks that raised.

Left of the seam. A handler on the logger `celery`, for ERROR and above. What a signal tells as well is left to the
signal.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import local
from typing import TYPE_CHECKING, Any, Final

from celery import current_task, signals

from issue_tracker.event import Kind, Severity
from issue_tracker.guard import harmless
from issue_tracker.inflight import request_of
from issue_tracker.recording import Failure, is_told, record
from issue_tracker.tracebacks import causes_of, culprit_of, describe, format_exception

from .messages import HOW_TO_REMOVE, failure_of_message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SILENT: Final = ("celery.task", "celery.redirected", "celery.worker.request", "celery.worker.strategy", "celery.pool")
"""Loggers of the host's own lines, and those whose news come by signals or slots too."""
_TOLD_BY_SIGNALS: Final = ("Received unregistered task of type", "Received invalid task message")
_UNDECODABLE: Final = "Can't decode message body"
_HOOKS: Final = ("celery.utils.dispatch", "celery.app.trace", "celery.backends")


class LogHandler(logging.Handler):
    """Records errors that Celery logs and signals don't tell. Never logs itself."""

    def __init__(self) -> None:
        """Take ERROR and above."""
        super().__init__(level=logging.ERROR)
        self._busy = local()

    def emit(self, log_record: logging.LogRecord) -> None:
        """Record what the line tells, unless this thread is recording already: what our own work logs is no news."""
        if getattr(self._busy, "is_on", False):
            return
        self._busy.is_on = True
        try:
            on_log_record(log_record)
        finally:
            self._busy.is_on = False


_handler: Final = LogHandler()


def install() -> None:
    """Put the handler on Celery's logger, and again whenever Celery has set its loggers up anew."""
    _attach()
    signals.after_setup_logger.connect(_attach, weak=False, dispatch_uid="issue_tracker.logs")


def _attach(**_kwargs: object) -> None:
    logger = logging.getLogger("celery")
    if _handler not in logger.handlers:
        logger.addHandler(_handler)


@harmless
def on_log_record(line: logging.LogRecord) -> None:
    """Turn an error line of Celery's into a record."""
    text = str(line.msg)
    if line.name.startswith(_SILENT) or text.startswith(_TOLD_BY_SIGNALS):
        return
    if line.name == "celery.app.trace" and hasattr(line, "data"):
        return  # the outcome of a task: told by task_failure and its like
    error = _error_of(line)
    if any(map(is_told, causes_of(error))):
        return
    if text.startswith(_UNDECODABLE):
        _record_undecodable(line, error)
    elif line.name.startswith("celery.beat") or line.name.startswith("celery.apps.beat"):
        _record(line, error, kind=Kind.BEAT_FAILED, task="celery beat")
    elif line.name.startswith(_HOOKS):
        _record_hook(line, error)
    else:
        _record_worker(line, error)


def _record_undecodable(line: logging.LogRecord, error: BaseException | None) -> None:
    message = _message_of(error)
    if message is None:
        _record(line, error, kind=Kind.UNDECODABLE, task="")
    else:
        text = format_exception(error) if error is not None else ""
        record(replace(failure_of_message(message, kind=Kind.UNDECODABLE, error=error), traceback=text))


def _record_worker(line: logging.LogRecord, error: BaseException | None) -> None:
    """Record what ended or hampered a worker; where a message in hand was the reason,
    the message is what is told of.
    """
    message = _message_of(error) if line.name in {"celery.worker", "celery.worker.worker"} else None
    if message is not None:
        failure = failure_of_message(message, kind=Kind.UNDECODABLE, error=error)
        record(
            _with(failure, traceback=format_exception(error) if error else "", context={"how_to_remove": HOW_TO_REMOVE})
        )
        return
    severity = Severity.WARNING if line.levelno < logging.CRITICAL and _is_connection_error(error) else ""
    _record(line, error, kind=Kind.WORKER_FAILED, task="celery worker", severity=severity)


def _record_hook(line: logging.LogRecord, error: BaseException | None) -> None:
    """Record a receiver, hook or callback that raised, with the task during which it did."""
    task: Any = current_task  # a proxy, false outside of tasks
    request = task.request if task else None
    if request is None or not request.id:
        _record(line, error, kind=Kind.HOOK_FAILED, task=_named_task(line))
        return
    found = request_of(task, request.id, request.args, request.kwargs)
    _record(
        line,
        error,
        kind=Kind.HOOK_FAILED,
        task=found.task,
        task_id=found.task_id,
        attempt=found.attempt,
        args=found.args,
        kwargs=found.kwargs,
        worker=found.worker,
        queue=found.queue,
    )


def _record(line: logging.LogRecord, error: BaseException | None, *, kind: Kind, **more: Any) -> None:
    described = describe(error) if error is not None else None
    text = _text_of(line)
    record(
        Failure(
            kind=kind,
            name=described.short_name if described else text.partition("\n")[0][:255],
            message=described.message if described and described.message else text,
            exception_type=described.type_name if described else "",
            traceback=format_exception(error) if error is not None else "",
            culprit=culprit_of(error) if error is not None else "",
            context={"logger": line.name, "log_message": text.partition("\n")[0][:1_024]},
            is_death=False,
            **more,
        )
    )


def _with(failure: Failure, **changes: Any) -> Failure:
    context = {**(failure.context or {}), **changes.pop("context", {})}
    return replace(failure, context=context, **changes)


def _named_task(line: logging.LogRecord) -> str:
    """Find the task's name among the arguments of Celery's own formats, "Task %s[%s] … raised"."""
    is_task_line = str(line.msg).startswith("Task %s[%s]")
    return str(line.args[0]) if is_task_line and isinstance(line.args, tuple) and line.args else ""


def _text_of(line: logging.LogRecord) -> str:
    try:
        return line.getMessage()
    except Exception:  # noqa: BLE001  arguments that don't fit their format: the format still says something
        return str(line.msg)


def _error_of(line: logging.LogRecord) -> BaseException | None:
    if isinstance(line.exc_info, tuple) and isinstance(line.exc_info[1], BaseException):
        return line.exc_info[1]
    candidates = line.args if isinstance(line.args, tuple) else ()
    return next((value for value in candidates if isinstance(value, BaseException)), None)


def _is_connection_error(error: BaseException | None) -> bool:
    return isinstance(error, OSError) or type(error).__name__ in {"OperationalError", "ConnectionError", "TimeoutError"}


def _message_of(error: BaseException | None) -> Any:
    """Find the message that the consumer had in hand, among the locals of the frames that an error went through.

    None where a run's failure had been told: a task's MemoryError ends the worker, in whose hand its message is (solo).
    """
    for frame in _frames(error):
        if frame.f_code.co_name == "on_failure" and frame.f_globals.get("__name__") == "celery.worker.request":
            return None
    for frame in _frames(error):
        found = frame.f_locals.get("message")
        if found is not None and hasattr(found, "delivery_info") and hasattr(found, "body"):
            return found
    return None


def _frames(error: BaseException | None) -> Iterator[FrameType]:
    for one in causes_of(error):
        traceback = one.__traceback__
        while traceback is not None:
            yield traceback.tb_frame
            traceback = traceback.tb_next
