"""Reasons into rows: what happened to issues, as Notifications that wait. Right of the seam; talks to no channel.

Called inside the drain's transaction, so that an issue and the word of it are stored together or not at all. Costs the
batch one statement, and none at all where `NOTIFY` is empty.
"""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.crypto import salted_hmac

from issue_tracker import conf
from issue_tracker.models import Notification, OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

_state = {"is_noted": False}


@lru_cache(maxsize=64)
def channel_key(to: str) -> str:
    """Return what stands for a channel's address in the database: 32 hex characters, keyed by SECRET_KEY.

    A plain hash would let whoever reads the table try out short passwords.
    """
    return salted_hmac("issue_tracker.notify", to, algorithm="sha256").hexdigest()[:32]


def note(*, opened: Iterable[OperationalIssue], unmuted: Iterable[OperationalIssue], using: str, now: datetime) -> None:
    """Store why these issues are to be told, for every channel whose rule wants it; each reason once.

    An issue that got worse comes among the opened ones again: a rule for errors is told of one that began as a warning.
    """
    if not conf.current().notify:
        return
    # Of a batch an issue may come twice; it is a new object each time that it was read.
    found = {issue.pk: issue for issue in opened if issue.status == OperationalIssue.Status.OPEN}
    rows = [row for issue in found.values() for row in rows_of(issue, _opening(issue), now=now)]
    rows += [
        row for issue in unmuted for row in rows_of(issue, Notification.Reason.UNMUTED, now=now, turn=now.isoformat())
    ]
    store(rows, using=using)


def rows_of(
    issue: OperationalIssue, reason: Notification.Reason, *, now: datetime, turn: str = "", count: int = 0
) -> Iterator[Notification]:
    """Yield a row for each channel that wants this; `turn` tells one from the next where a reason can come again."""
    about = {"severity": issue.severity, "task": issue.task, "kind": issue.kind}
    wanting = {channel_key(rule.to) for rule in conf.current().notify if rule.wants(reason=reason.value, **about)}
    for channel in sorted(wanting):
        yield Notification(
            key=_key(channel, reason.value, str(issue.pk), turn),
            channel=channel,
            issue=issue,
            fingerprint=issue.fingerprint,
            reason=reason,
            count=count,
            created_at=now,
        )


def daily_row(channel: str, *, day: str, now: datetime) -> Notification:
    """Return the row of a channel's digest of a day."""
    reason = Notification.Reason.DAILY
    return Notification(key=_key(channel, reason.value, day, ""), channel=channel, reason=reason, created_at=now)


def store(rows: list[Notification], *, using: str) -> None:
    """Insert rows whose reason is not there yet; once that is committed, `is_noted` says so."""
    if rows:
        Notification.objects.using(using).bulk_create(rows, batch_size=500, ignore_conflicts=True)
        transaction.on_commit(partial(_state.update, is_noted=True), using=using)


def is_noted() -> bool:
    """Tell whether this process has stored something to be sent since it was last asked, and forget it."""
    was, _state["is_noted"] = _state["is_noted"], False
    return was


def _opening(issue: OperationalIssue) -> Notification.Reason:
    return Notification.Reason.RETURNED if issue.is_returned else Notification.Reason.NEW


def _key(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()
