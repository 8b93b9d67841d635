"""Run it again: a failed task sent anew with its original arguments, once. Right of the seam.

Guarantees: only a task of this project's own Celery registry is sent, with nothing but the stored payload; an
occurrence is claimed in the database before anything is sent, so two people, or two tries, send it once; what scrubbing
or cutting has changed is refused with the reason.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from celery import current_app

from issue_tracker import conf
from issue_tracker.inflight import REQUEUED_HEADER
from issue_tracker.lifecycle import remember
from issue_tracker.models import Occurrence

from .sending import NotSentError, Sender, UnconfirmedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Celery

MAX_AT_ONCE: Final = 100
"""Occurrences that one request sends; a larger group runs as a RequeueJob, so that no request waits for it."""

POLICIES: Final = ("safe", "confirm", "never")

REASONS: Final = {
    "scrubbed": "a secret among its arguments was masked before it was stored",
    "cut": "its arguments were too large to be kept whole (64 KiB)",
    "not plain JSON": "its arguments can't be rebuilt from JSON",
    "arguments unknown": "its process died without telling its arguments",
    "not a task": "it is no run of a task",
}
"""Why a record has no payload, by the note that capture left."""


class RequeueRefused(Exception):  # noqa: N818  reads as what happened, at the call sites that show it to a person
    """This occurrence can't be sent again; the text says why."""


@dataclass(slots=True)
class Requeued:
    """What became of a group."""

    sent: dict[int, str] = field(default_factory=dict)
    """The new task id by the occurrence's primary key."""
    refused: Counter[str] = field(default_factory=Counter)
    """How many were refused, by reason."""
    stopped_by: str = ""
    """Why the rest was not tried: the broker is away."""


def policy_of(name: str) -> str:
    """Return "safe" (send at once), "confirm" (ask first) or "never",
    from `REQUEUE` or the task's `issue_tracker_requeue`.
    """
    chosen = conf.current().requeue.get(name) or getattr(registered(_app()).get(name), "issue_tracker_requeue", None)
    return chosen if chosen in POLICIES else "confirm"


def asking_first(names: Iterable[str]) -> list[str]:
    """Return the tasks among these whose policy asks for a confirmation, sorted."""
    return sorted(name for name in set(names) if policy_of(name) == "confirm")


def _app() -> Celery:
    """Return the app that the proxy stands for: `_imported` tells apps apart by identity."""
    proxy: Any = current_app
    app: Celery = proxy._get_current_object()
    return app


def registered(app: Celery) -> Any:
    """Return the app's registry, with the modules of tasks imported, as a worker has it."""
    if app not in _imported:
        app.loader.import_default_modules()
        _imported.add(app)
    return app.tasks


_imported: WeakSet[Celery] = WeakSet()


def why_not(occurrence: Occurrence) -> str:
    """Say why an occurrence can't be sent again; empty when it can."""
    name = occurrence.issue.task
    if occurrence.payload_note or not occurrence.task_id:
        note = occurrence.payload_note or "not a task"
        return REASONS.get(note, note)
    if occurrence.requeued_as:
        return f"it was sent again already, as {occurrence.requeued_as}"
    if occurrence.outcome in {Occurrence.Outcome.RECOVERED, Occurrence.Outcome.SUCCEEDED}:
        return "it succeeded in the end"
    if name not in registered(_app()):
        cause = "does the project's __init__.py import its Celery app?"
        return f"no task named {name} is registered in this process ({cause})"
    if policy_of(name) == "never":
        return f"the task {name} is set to be never sent again"
    return ""


def warnings_of(occurrence: Occurrence) -> list[str]:
    """Say what a person should know before sending it again: it was part of something that won't be run with it."""
    options = occurrence.options
    found = []
    if options.get("is_chord"):
        found.append("It belonged to a chord: its body has failed already and will not run.")
    if options.get("is_chain"):
        found.append("It belonged to a chain: the steps after it will not run.")
    if options.get("group"):
        found.append("It belonged to a group: the others are not sent again.")
    if occurrence.kind == "worker_lost" and not occurrence.payload_note:
        found.append("Its worker vanished while it ran: it may have done part of its work.")
    return found


def requeue(
    occurrence: Occurrence, *, by: Any = None, note: str = "", confirmed: bool = False, sender: Sender | None = None
) -> str:
    """Send one occurrence's task again; returns the new task id.

    Raises RequeueRefused with the reason. Where the broker fell silent in mid-send the occurrence stays claimed, for it
    may have arrived: sending it again could run it twice.
    """
    reason = why_not(occurrence)
    if reason:
        raise RequeueRefused(f"Not sent: {reason}.")
    name = occurrence.issue.task
    if policy_of(name) == "confirm" and not confirmed:
        raise RequeueRefused(f'Not sent: {name} asks for a confirmation first (its policy is "confirm").')
    task_id = _claim(occurrence)
    message = {"headers": {REQUEUED_HEADER: occurrence.event_id}, "options": occurrence.options, **_payload(occurrence)}
    try:
        if sender is not None:
            sender.send(name=name, task_id=task_id, **message)
        else:
            with Sender(_app()) as own:
                own.send(name=name, task_id=task_id, **message)
    except UnconfirmedError as error:
        raise RequeueRefused(
            f"Not confirmed: {error}. It may have been sent as {task_id}, so it will not be sent twice."
        ) from error
    except Exception as error:
        _release(occurrence, task_id)
        if isinstance(error, NotSentError):
            raise
        raise RequeueRefused(f"Not sent: {type(error).__name__}: {error}.") from error
    remember(
        type(occurrence.issue),
        [occurrence.issue_id],
        by=by,
        text=_text(occurrence, task_id, note),
        using=occurrence._state.db or "default",
    )
    return task_id


def requeue_all(
    occurrences: Iterable[Occurrence], *, by: Any = None, note: str = "", confirmed: bool = False
) -> Requeued:
    """Send a group, each once; refusals are counted by reason, a broker that is away ends it."""
    done = Requeued()
    with Sender(_app()) as sender:
        for occurrence in occurrences:
            try:
                done.sent[occurrence.pk] = requeue(occurrence, by=by, note=note, confirmed=confirmed, sender=sender)
            except RequeueRefused as refusal:
                done.refused[str(refusal)] += 1
                if isinstance(refusal.__cause__, UnconfirmedError):
                    done.stopped_by = "the broker fell silent"
                    break
            except NotSentError as error:
                done.stopped_by = str(error)
                break
    return done


def _payload(occurrence: Occurrence) -> dict[str, Any]:
    payload = occurrence.payload or {"args": occurrence.args, "kwargs": occurrence.kwargs}
    return {"args": list(payload["args"] or []), "kwargs": dict(payload["kwargs"] or {})}


def _claim(occurrence: Occurrence) -> str:
    """Take the right to send it, in one statement: whoever comes second finds it taken."""
    task_id = str(uuid.uuid4())
    rows = Occurrence.objects.using(occurrence._state.db or "default").filter(pk=occurrence.pk, requeued_as="")
    if not rows.update(requeued_as=task_id, outcome=Occurrence.Outcome.REQUEUED):
        raise RequeueRefused("Not sent: somebody else has just sent it again.")
    occurrence.requeued_as, occurrence.outcome = task_id, Occurrence.Outcome.REQUEUED
    return task_id


def _release(occurrence: Occurrence, task_id: str) -> None:
    rows = Occurrence.objects.using(occurrence._state.db or "default").filter(pk=occurrence.pk, requeued_as=task_id)
    rows.update(requeued_as="", outcome=Occurrence.Outcome.NONE)
    occurrence.requeued_as, occurrence.outcome = "", Occurrence.Outcome.NONE


def _text(occurrence: Occurrence, task_id: str, note: str) -> str:
    return f"sent {occurrence.task_id} again as {task_id}" + (f": {note}" if note else "")
