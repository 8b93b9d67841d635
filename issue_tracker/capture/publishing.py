"""Tasks that never left: publishing that fails, with the broker down or arguments that can't be serialized.

Left of the seam. No signal tells of these, so `Task.apply_async` and `Celery.send_task` are wrapped; whatever they
raise goes on as it is.
"""

from __future__ import annotations

from functools import wraps
from threading import local
from typing import TYPE_CHECKING, Any

from celery import Celery, Task, current_task
from celery.exceptions import TaskPredicate

from issue_tracker.event import Kind
from issue_tracker.guard import harmless
from issue_tracker.recording import Failure, record
from issue_tracker.tracebacks import culprit_of, describe, format_exception

if TYPE_CHECKING:
    from collections.abc import Callable

_depth = local()


def install() -> None:
    """Wrap the two methods, once."""
    _wrap(Task, "apply_async", _of_apply_async)
    _wrap(Celery, "send_task", _of_send_task)


def _wrap(owner: type, name: str, read: Callable[..., dict[str, Any]]) -> None:
    original = getattr(owner, name)
    if hasattr(original, "issue_tracker_wraps"):
        return

    @wraps(original)
    def publish(self: Any, *args: Any, **kwargs: Any) -> Any:
        is_inner = getattr(_depth, "is_on", False)
        _depth.is_on = True
        try:
            return original(self, *args, **kwargs)
        except Exception as error:
            if not is_inner:
                on_not_published(self, error, read, args, kwargs)
            raise
        finally:
            _depth.is_on = is_inner

    publish.issue_tracker_wraps = original  # type: ignore[attr-defined]  # the mark by which a second install knows the first
    setattr(owner, name, publish)


@harmless
def on_not_published(
    owner: Any, error: BaseException, read: Callable[..., dict[str, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Record a task that could not be sent; an eager run's own error, and a retry's, are told elsewhere."""
    app = owner if isinstance(owner, Celery) else owner.app
    found = read(owner, *args, **kwargs)
    if app.conf.task_always_eager or _is_of_this_run(found["task_id"]) or isinstance(error, TaskPredicate):
        return
    described = describe(error)
    record(
        Failure(
            kind=Kind.NOT_PUBLISHED,
            name=described.short_name,
            message=described.message,
            exception_type=described.type_name,
            traceback=format_exception(error),
            culprit=culprit_of(error),
            is_death=bool(found["task_id"]),
            **found,
        )
    )


def _of_apply_async(
    task: Any, args: Any = None, kwargs: Any = None, task_id: Any = None, *_rest: Any, **options: Any
) -> dict[str, Any]:
    return _facts(task.name, args, kwargs, task_id, options)


def _of_send_task(
    _app: Any, name: Any, args: Any = None, kwargs: Any = None, *_rest: Any, **options: Any
) -> dict[str, Any]:
    return _facts(name, args, kwargs, options.get("task_id"), options)


def _facts(name: Any, args: Any, kwargs: Any, task_id: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": str(name),
        "task_id": str(task_id or ""),
        "args": list(args) if isinstance(args, tuple | list) else [],
        "kwargs": kwargs if isinstance(kwargs, dict) else {},
        "queue": str(options.get("queue") or options.get("routing_key") or ""),
    }


def _is_of_this_run(task_id: str) -> bool:
    """Tell whether it is the running task that is sent again: a retry,
    whose failure Celery reports as the run's own.
    """
    task = current_task
    return bool(task_id) and bool(task) and task.request.id == task_id
