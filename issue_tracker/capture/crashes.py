"""Exceptions that nobody catches: in a thread that a task started, and in a worker or beat that never got going.

Left of the seam. Both hooks call the hook that was there before, so that the host's own output and exit code stay what
they were.
"""

from __future__ import annotations

import sys
import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from celery import current_task

from issue_tracker.event import Kind
from issue_tracker.guard import harmless
from issue_tracker.inflight import Request, request_of
from issue_tracker.recording import Failure, record
from issue_tracker.tracebacks import culprit_of, describe, format_exception

if TYPE_CHECKING:
    from types import TracebackType

_COMMANDS: Final = {"celery.bin.worker": "celery worker", "celery.bin.beat": "celery beat"}


def install() -> None:
    """Chain the hooks, once."""
    if not hasattr(threading.excepthook, "issue_tracker_chained"):
        threading.excepthook = _chained(threading.excepthook, on_thread_death)
    if not hasattr(sys.excepthook, "issue_tracker_chained"):
        sys.excepthook = _chained(sys.excepthook, on_process_death)
    _note_tasks_of_threads()


def _chained(before: Any, ours: Any) -> Any:
    @wraps(before)
    def hook(*args: Any) -> None:
        ours(*args)
        before(*args)

    hook.issue_tracker_chained = before  # type: ignore[attr-defined]  # the mark by which a second install knows the first
    return hook


def _note_tasks_of_threads() -> None:
    """Let a thread that a task starts know its task: nothing else links the two."""
    original = threading.Thread.start
    if hasattr(original, "issue_tracker_wraps"):
        return

    @wraps(original)
    def start(self: threading.Thread) -> None:
        _note_task(self)
        original(self)

    start.issue_tracker_wraps = original  # type: ignore[attr-defined]
    threading.Thread.start = start  # type: ignore[method-assign]


@harmless
def _note_task(thread: threading.Thread) -> None:
    task: Any = current_task  # a proxy, false outside of tasks
    if task and task.request.id:
        thread.issue_tracker_request = request_of(task, task.request.id, task.request.args, task.request.kwargs)  # type: ignore[attr-defined]


@harmless
def on_thread_death(args: threading.ExceptHookArgs) -> None:
    """Record an exception that ended a thread which a task had started."""
    request: Request | None = getattr(args.thread, "issue_tracker_request", None)
    if request is None or args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    _record(
        args.exc_value,
        kind=Kind.THREAD_DIED,
        task=request.task,
        task_id=request.task_id,
        attempt=request.attempt,
        args=request.args,
        kwargs=request.kwargs,
        worker=request.worker,
        queue=request.queue,
        context={"thread": args.thread.name if args.thread else ""},
    )


@harmless
def on_process_death(_type: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Record an exception that ended `celery worker` or `celery beat`, such as an import error in a module of tasks."""
    command = _command_of(traceback)
    if command and isinstance(error, Exception):
        _record(error, kind=Kind.WORKER_FAILED, task=command)


def _command_of(traceback: TracebackType | None) -> str:
    while traceback is not None:
        command = _COMMANDS.get(traceback.tb_frame.f_globals.get("__name__", ""))
        if command:
            return command
        traceback = traceback.tb_next
    return ""


def _record(error: BaseException, *, kind: Kind, **more: Any) -> None:
    described = describe(error)
    record(
        Failure(
            kind=kind,
            name=described.short_name,
            message=described.message,
            exception_type=described.type_name,
            traceback=format_exception(error),
            culprit=culprit_of(error),
            is_death=False,
            **more,
        )
    )
