"""From raw values to a record in the spool: the one way in, for captures and reports alike. Left of the seam.

Guarantee: nothing here touches a database. Callers enter through `guard.harmless`, which keeps errors of ours to
ourselves.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from . import conf, context, spool, tracing
from .event import Event, Kind, Severity, encode, encode_stub, event_id_of
from .scrubber import scrub
from .serializer import EXACT, Serialized, name_of, scrubbed_text_of, serialize
from .tracebacks import bounded_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .inflight import Request

MAX_MESSAGE_CHARACTERS: Final = 8_192
"""Of a message, as Sentry's Relay keeps."""
MAX_ATTEMPT: Final = 2**31 - 1
"""What the column takes; the number comes from the message's headers, which anybody may have written."""

SEVERITIES: Final[dict[str, Severity]] = {
    Kind.RETRY: Severity.WARNING,
    Kind.EXPIRED: Severity.WARNING,
    Kind.REJECTED: Severity.WARNING,
    Kind.INTERRUPTED: Severity.WARNING,
    Kind.REPORT: Severity.WARNING,
    Kind.REVOKED: Severity.INFO,
}
"""Severity by kind where it is not `error`; `ISSUE_TRACKER["SEVERITIES"]` overrides."""

listeners: list[Callable[[], None]] = []
"""Called after each record, without arguments: how the right side learns, in processes that drain by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a failure before it is bounded and scrubbed: anything may be missing,
    anything may be hostile.
    """

    kind: str
    name: str
    task: str
    message: str = ""
    traceback: str = ""
    exception_type: str = ""
    culprit: str = ""
    severity: str = ""
    """Empty: the kind's own."""
    task_id: str = ""
    attempt: int = 0
    run: str = ""
    """Token of the run, so that a redelivered run that dies again is another death."""
    args: Any = None
    kwargs: Any = None
    worker: str = ""
    queue: str = ""
    context: dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    is_death: bool = True
    """False for what was said during a run rather than of its end: each saying is an occurrence of its own."""
    occurred_at: float = 0.0
    fingerprint: str = ""
    """Given by the host; empty: derived."""
    given_key: str = ""
    """The head of what the host gave, for a person to read."""
    grouping_type: str = ""
    """Takes the place of `exception_type` in the fingerprint, where several types tell one story."""
    grouping_message: str | None = None
    """Takes the place of the message in the fingerprint."""


def record(failure: Failure) -> str:
    """Store a failure in the spool; returns its event_id, or "" when the settings leave that kind out."""
    severity = severity_of(failure)
    if severity is None:
        return ""
    try:
        event = event_of(failure, severity, bound={**tracing.span_ids(), **context.bound()})
    except BaseException as error:  # noqa: BLE001  a fault of ours must cost the details, never the record; `guard` holds signals back
        event = _bare(failure, severity, error)
    append(event)
    notify_listeners()
    return event.event_id


def mark_told(error: object) -> None:
    """Mark an exception as recorded, so that what Celery's log says of it later is no news."""
    with suppress(Exception):
        error.issue_tracker_told = True  # type: ignore[attr-defined]  # exceptions take attributes, unless their class forbids it


def is_told(error: object) -> bool:
    """Tell whether an exception was recorded already."""
    return getattr(error, "issue_tracker_told", False) is True


def notify_listeners() -> None:
    """Tell the right side, where it drains by itself, that something waits."""
    for listener in listeners:
        with suppress(Exception):
            listener()


def record_recovered(request: Request, *, recorded_attempts: int) -> None:
    """Tell that a run succeeded which failed attempts, or a requeue, came before."""
    append(
        Event(
            event_id=event_id_of("recovered", request.task_id, request.attempt, request.run),
            kind=Kind.RECOVERED,
            severity=Severity.INFO,
            name="Recovered",
            task=name_of(request.task),
            task_id=name_of(request.task_id),
            attempt=request.attempt,
            occurred_at=time.time(),
            context={"recorded_attempts": recorded_attempts},
            options={key: value for key, value in request.options.items() if key == "requeue_of"},
        )
    )
    notify_listeners()


def append(event: Event) -> None:
    """Put an event into the spool of this project's database."""
    spool.current().append(
        encode(event), key=event.keyed, stub=lambda: encode_stub(event, reason="did not fit into the spool")
    )


def severity_of(failure: Failure) -> str | None:
    """Return the severity in force for a failure; None where the settings leave its kind unrecorded."""
    chosen = conf.current().severities
    if chosen and failure.kind in chosen:
        return chosen[failure.kind]
    return failure.severity or SEVERITIES.get(failure.kind, Severity.ERROR).value


def event_of(failure: Failure, severity: str, *, bound: dict[str, Any] | None = None) -> Event:
    """Bound, mask and fingerprint a failure, whose severity is given; what is `bound` is context beside its own."""
    task, name = name_of(failure.task), name_of(scrub(failure.name))
    message = scrubbed_text_of(failure.message, max_chars=MAX_MESSAGE_CHARACTERS)
    args, kwargs = _shown(failure.args), _shown(failure.kwargs)
    payload, note = _payload(failure, args, kwargs)
    extra = {**(bound or {}), **(failure.context or {})}
    return Event(
        event_id=_event_id(failure),
        kind=failure.kind,
        severity=severity,
        name=name,
        task=task,
        error_message=message,
        traceback=scrub(bounded_text(failure.traceback)),
        exception_type=name_of(failure.exception_type),
        culprit=name_of(failure.culprit),
        fingerprint=failure.fingerprint,
        given_key=failure.given_key,
        grouping_type=failure.grouping_type,
        grouping_message=failure.grouping_message,
        occurred_at=failure.occurred_at or time.time(),
        task_id=name_of(failure.task_id),
        attempt=min(max(failure.attempt, 0), MAX_ATTEMPT),
        worker=name_of(failure.worker),
        queue=name_of(failure.queue),
        args=args.tree if args else None,
        kwargs=kwargs.tree if kwargs else None,
        context=serialize(extra).tree if extra else {},
        payload=payload,
        payload_note=note,
        release=name_of(conf.current().release),
        options=_clean(failure.options) if failure.options else {},
    )


def _bare(failure: Failure, severity: str, error: BaseException) -> Event:
    """Say what can be said without serializing anything."""
    return Event(
        event_id=_event_id(failure),
        kind=str(failure.kind),
        severity=severity,
        name=str(failure.name)[:255],
        task=str(failure.task)[:255],
        error_message="The details of this failure could not be collected.",
        fingerprint=event_id_of("bare", failure.kind, failure.task, failure.name),
        given_key=f"{failure.kind} {failure.task} {failure.name}"[:200],
        occurred_at=time.time(),
        task_id=str(failure.task_id)[:255],
        attempt=failure.attempt,
        context={"collecting_failed_with": type(error).__name__},
        release=str(conf.current().release)[:255],
        payload_note="arguments unknown",
        is_stub=True,
    )


def _event_id(failure: Failure) -> str:
    if failure.task_id and failure.is_death:
        return event_id_of(failure.task_id, failure.attempt, failure.run)
    return event_id_of(os.urandom(16).hex())


def _clean(options: dict[str, Any]) -> dict[str, Any]:
    """Bound the texts, which come from the message's headers."""
    return {key: name_of(value) if isinstance(value, str) else value for key, value in options.items()}


def _shown(value: Any) -> Serialized | None:
    return None if value is None else serialize(value)


def _payload(failure: Failure, args: Serialized | None, kwargs: Serialized | None) -> tuple[Any, str]:
    """Return what a requeue needs beside the shown arguments, and why it can't be done, if so."""
    if not failure.task_id or not failure.is_death:
        return None, "not a task"
    if args is None or kwargs is None:
        return None, "arguments unknown"
    if args.is_scrubbed or kwargs.is_scrubbed:
        return None, "scrubbed"
    if isinstance(failure.args, str) or isinstance(failure.kwargs, str):  # Celery's text of them, which is no value
        return None, "arguments unknown"
    if args.is_exact and kwargs.is_exact:
        return None, ""
    whole = serialize({"args": failure.args, "kwargs": failure.kwargs}, limits=EXACT)
    if whole.is_exact:
        return whole.tree, ""
    return None, "scrubbed" if whole.is_scrubbed else "cut" if whole.is_cut else "not plain JSON"
