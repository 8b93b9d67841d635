"""What the host's code says by itself: `report`, `watch`, `clear`. Left of the seam.

Guarantee: none of them raises, none touches a database, and what they record survives a rollback of the host's
transaction.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import ContextDecorator
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from celery import current_task

from . import context as bindings
from .event import Event, Kind, Severity, event_id_of
from .guard import harmless
from .inflight import Request, request_of
from .recording import MAX_MESSAGE_CHARACTERS, Failure, append, notify_listeners, record
from .serializer import name_of, scrubbed_text_of, serialize, text_of
from .tracebacks import culprit_of, describe, format_exception

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

Watched = TypeVar("Watched", bound="Callable[..., Any]")

logger = logging.getLogger("issue_tracker")

MAX_TRACEBACK_CHARACTERS: Final = 131_072
MAX_SHOWN_KEY_CHARACTERS: Final = 200
"""Of a `fingerprint=` that are kept to be read; the key is made of the whole."""
MAX_NAME_CHARACTERS: Final = 4_096
"""Of a name or task as given; what is longer than the column keeps a hash of that much."""


def report(
    name: str,
    *,
    task: str = "",
    error_message: object = "",
    traceback: str = "",
    context: dict[str, Any] | None = None,
    severity: str = "warning",
    fingerprint: str | None = None,
) -> None:
    """Record a problem, such as missing or malformed data. Never raises; survives a rollback.

    The keywords are those of `OperationalIssue.objects.create`. Inside a task, `task` defaults to its name; inside an
    `except` block, message and traceback default to the exception's. `fingerprint` groups by your own key (any text).
    A wrong severity or a name that isn't text is recorded all the same, with a note in the context and a log warning.
    """
    _report(name, task, error_message, traceback, context, severity, fingerprint, sys.exc_info()[1])


def clear(name: str, *, task: str = "", context: dict[str, Any] | None = None) -> None:
    """Say that a reported condition is gone: what was reported under this name (and task, and these context values) is
    cleared.

    An open issue with nothing else left is resolved. Never raises.
    """
    _clear(name, task, context)


class expect:  # noqa: N801  reads as a verb at the call site: `with expect("…") as it:`
    """Report a condition unless it holds, clear it when it does.

    `with expect("No showtimes found", context={"theater_id": 5}) as it: it.ok = bool(rows)`. Left alone, `ok` is True;
    an exception leaves the block as it came and neither reports nor clears.
    """

    def __init__(self, name: str, **report_options: Any) -> None:
        """Take the arguments of `report`."""
        self.ok = True
        self._name = name
        self._options = report_options

    def __enter__(self) -> Self:
        """Give the object whose `ok` says whether the condition holds."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Report or clear."""
        if kind is not None:
            return
        if self.ok:
            clear(self._name, task=self._options.get("task", ""), context=self._options.get("context"))
        else:
            report(self._name, **self._options)


class watch(ContextDecorator):  # noqa: N801  reads as a verb at the call site: `with watch("…"):`, `@watch("…")`
    """Record whatever exception leaves a block or a function, sync or async. `reraise=False` swallows it then.

    A decorated function returns None for a swallowed exception. SystemExit, KeyboardInterrupt and Celery's Retry,
    Ignore and Reject pass unrecorded: they are decisions, not errors.
    """

    def __init__(
        self,
        name: str,
        *,
        task: str = "",
        context: dict[str, Any] | None = None,
        severity: str = "error",
        fingerprint: str | None = None,
        reraise: bool = True,
    ) -> None:
        """Take the arguments of `report`, and whether the exception goes on."""
        self._arguments = (name, task, context, severity, fingerprint)
        self._reraise = reraise

    def __enter__(self) -> Self:
        """Begin to watch."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Record what leaves the block; returns whether it ends here."""
        if not isinstance(error, Exception) or _is_decision(error):
            return False
        name, task, context, severity, fingerprint = self._arguments
        _report(name, task, "", "", context, severity, fingerprint, error)
        return not self._reraise

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Record what leaves the block; returns whether it ends here."""
        return self.__exit__(kind, error, traceback)

    def __call__(self, function: Watched) -> Watched:
        """Watch every call of a function; a coroutine function is watched while it is awaited."""
        if not iscoroutinefunction(function):
            return super().__call__(function)

        @wraps(function)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            with self:
                return await function(*args, **kwargs)

        return cast("Watched", watched)


def _is_decision(error: BaseException) -> bool:
    return type(error).__module__ == "celery.exceptions" and type(error).__name__ in {"Retry", "Ignore", "Reject"}


@harmless
def _report(
    name: object,
    task: object,
    error_message: object,
    traceback: object,
    context: object,
    severity: object,
    fingerprint: object,
    error: BaseException | None,
) -> None:
    notes: list[str] = []
    title = _title(name, notes)
    level = _level(severity, notes)
    request = _current_request()
    described = describe(error) if error is not None else None
    message = "" if _is_blank(error_message) else scrubbed_text_of(error_message, max_chars=MAX_MESSAGE_CHARACTERS)
    record(
        Failure(
            kind=Kind.REPORT,
            name=title,
            task=_named(task) if not _is_blank(task) else request.task if request else "",
            message=message or (described.message if described else ""),
            traceback=_text_of_traceback(traceback, error),
            exception_type=described.type_name if described else "",
            culprit=culprit_of(error) if error is not None else "",
            severity=level,
            context=_flat(context, notes),
            **_given(fingerprint),
            grouping_type=title,
            is_death=False,
            **_of_request(request),
        )
    )
    for note in notes:
        logger.warning("issue_tracker.report: %s", note)


@harmless
def _clear(name: object, task: object, context: object) -> None:
    flat = context if isinstance(context, dict) else {}
    append(
        Event(
            event_id=event_id_of(os.urandom(16).hex()),
            kind=Kind.CLEARED,
            severity=Severity.INFO,
            name=name_of(_title(name, [])),
            task="" if _is_blank(task) else name_of(_named(task)),
            occurred_at=time.time(),
            context=serialize(flat).tree,
        )
    )
    notify_listeners()


def _given(fingerprint: object) -> dict[str, Any]:
    """Return the key made of what the host gave, and the head of that, its secrets masked, for a person to read."""
    if _is_blank(fingerprint):
        return {}
    key = event_id_of("given", text_of(fingerprint, max_chars=1 << 20))
    return {"fingerprint": key, "given_key": scrubbed_text_of(fingerprint, max_chars=MAX_SHOWN_KEY_CHARACTERS)}


def _is_blank(value: object) -> bool:
    """Tell whether nothing was given; never asks a value for its truth, which an array, say, refuses to tell."""
    return value is None or (isinstance(value, str) and str.__len__(value) == 0)


def _named(value: object) -> str:
    """Return a name or task as it is stored: a text, its secrets masked."""
    return scrubbed_text_of(value, max_chars=MAX_NAME_CHARACTERS)


def _title(name: object, notes: list[str]) -> str:
    title = _named(name).strip()
    if isinstance(name, str) and title:
        return title
    notes.append(f"the name must be a text that is not empty, not {type(name).__name__}")
    return title or "Unnamed report"


def _level(severity: object, notes: list[str]) -> str:
    try:
        return Severity(str(severity).lower() if isinstance(severity, str) else "").value
    except ValueError:
        given = text_of(severity, max_chars=64)
        notes.append(f'the severity must be "error", "warning" or "info", not {given}; "warning" was taken')
        return Severity.WARNING.value


def _flat(context: object, notes: list[str]) -> dict[str, Any]:
    """Return what was bound and given; anything but a mapping goes under the key "context"."""
    given: dict[str, Any] = {}
    if isinstance(context, dict):
        given = context
    elif context is not None:
        given = {"context": context}
        notes.append(f"the context must be a dict, not {type(context).__name__}")
    merged = {**bindings.bound(), **given}
    if notes:
        merged["report_notes"] = list(notes)
    return merged


def _text_of_traceback(traceback: object, error: BaseException | None) -> str:
    if not _is_blank(traceback):
        return text_of(traceback, max_chars=MAX_TRACEBACK_CHARACTERS)
    return format_exception(error) if error is not None else ""


def _current_request() -> Request | None:
    task: Any = current_task  # a proxy, false outside of tasks
    if not task or not task.request.id:
        return None
    return request_of(task, task.request.id, task.request.args, task.request.kwargs)


def _of_request(request: Request | None) -> dict[str, Any]:
    if request is None:
        return {}
    return {
        "task_id": request.task_id,
        "attempt": request.attempt,
        "args": request.args,
        "kwargs": request.kwargs,
        "worker": request.worker,
        "queue": request.queue,
    }
