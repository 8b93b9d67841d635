"""Events as capture makes them, for tests of what becomes of them."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.drain.folding import Folded, fold
from issue_tracker.event import Event, event_id_of

TRACEBACK = """Traceback (most recent call last):
  File "tasks.py", line 5, in download
ValueError: it broke
"""


def an_event(**values: Any) -> Event:
    """Return a failure; whatever is not given is ordinary, and its own."""
    task_id = values.pop("task_id", str(uuid.uuid4()))
    attempt = values.pop("attempt", 0)
    usual = {
        "event_id": event_id_of(task_id, attempt, values.pop("run", "run")),
        "kind": "failure",
        "severity": "error",
        "name": "ValueError",
        "task": "cinema.tasks.download",
        "error_message": "it broke",
        "traceback": TRACEBACK,
        "exception_type": "ValueError",
        "culprit": "cinema.tasks:download",
        "fingerprint": "f" * 64,
        "fingerprint_version": 1,
        "occurred_at": timezone.now().timestamp(),
        "task_id": task_id,
        "attempt": attempt,
        "worker": "worker@test",
        "queue": "celery",
        "args": [5],
        "kwargs": {},
    }
    return Event(**{**usual, **values})


def stored(*events: Event) -> Folded:
    """Fold events in one transaction, as the drain does."""
    using = conf.current().database
    with transaction.atomic(using=using):
        return fold(list(events), using=using, now=timezone.now())
