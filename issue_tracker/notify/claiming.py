"""Which message goes next, and what became of it. Right of the seam.

All senders decide one after the other, under the lock of the channels' rows, and a channel is leased to one of them for
one message. So the bounds hold across hosts: one message for a failure, a channel and an hour, 60 an hour in all, then
one digest an hour for each channel.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from issue_tracker import conf
from issue_tracker.models import Channel, Notification, OperationalIssue
from issue_tracker.notifications import FIRST_PAUSE_SECONDS, MAX_ASKED_SECONDS, MAX_ATTEMPTS, MAX_PAUSE_SECONDS
from issue_tracker.turns import until_it_wins, wait_for_turn

from . import periods, wording
from .noting import channel_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from issue_tracker.notifications import NotificationQuerySet

    from .delivery import Outcome

COOL_DOWN: Final = timedelta(hours=1)
"""Between two messages about one failure to one channel."""
MAX_MESSAGES_AN_HOUR: Final = 60
"""Messages about single issues, to all channels together, in any 60 minutes."""
DIGEST_EVERY: Final = timedelta(hours=1)
GATHER: Final = timedelta(minutes=5)
"""How long a digest waits for the rest of a storm; the 60 messages before it have woken everybody."""
MAX_DIGEST_ROWS: Final = 5_000
"""Reasons that one digest takes up. New issues are at most 1,000 an hour, see `folding`."""
HEAVY: Final = ("issue__traceback", "issue__context")
"""Columns of an issue that no message shows."""
CHUNK: Final = 500
"""Rows by key in one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message for one channel, as it is sent."""

    channel: Channel
    to: str = field(repr=False)
    subject: str
    body: str
    row_ids: tuple[int, ...]
    way: str = "one"
    """`one`, `digest` or `daily`: how it counts."""


def routes() -> dict[str, str]:
    """Return the address of each configured channel by its key."""
    return {channel_key(rule.to): rule.to for rule in conf.current().notify}


def claim(*, using: str, now: datetime) -> Message | None:
    """Take the next message that may be sent now, and its channel until `settle`; None when there is none."""
    return until_it_wins(partial(_claim, using, now), using=using)


def settle(message: Message, outcome: Outcome, *, using: str, now: datetime) -> None:
    """Note what became of a message: sent, or to be tried again when the channel's pause is over."""
    until_it_wins(partial(_settle, message, outcome, using, now), using=using)


def _claim(using: str, now: datetime) -> Message | None:
    addresses = routes()
    with transaction.atomic(using=using):
        wait_for_turn(Channel, using=using)
        # All of them, also those of other hosts' settings: the budget is one, and so the turn to spend it.
        channels = list(Channel.objects.using(using).select_for_update().order_by("pk"))
        budget = _budget(channels, using=using, now=now)
        for channel in channels:
            to = addresses.get(channel.key)
            if to and channel.is_ready(now) and (message := _next(channel, to, budget, using, now)):
                channel.lease(using=using, now=now)
                return message
    return None


def _budget(channels: Sequence[Channel], *, using: str, now: datetime) -> int:
    """Return how many messages may go now; one under way may get through, so it counts."""
    lately = Notification.objects.using(using).sent_since(now - timedelta(hours=1))
    sent = lately.filter(message_id__startswith="one-").order_by().values("message_id").distinct().count()
    return MAX_MESSAGES_AN_HOUR - sent - sum(channel.is_leased(now) for channel in channels)


def _next(channel: Channel, to: str, budget: int, using: str, now: datetime) -> Message | None:
    rows = Notification.objects.using(using).filter(channel=channel.key)
    stale = rows.waiting().filter(issue__isnull=False).exclude(issue__status=OperationalIssue.Status.OPEN)
    # By their keys: an update over a join reads the table within itself, which took PostgreSQL seconds for 1,000 rows
    # whose statistics were not there yet.
    if keys := list(stale.values_list("pk", flat=True)[:MAX_DIGEST_ROWS]):
        rows.filter(pk__in=keys).drop(_("The issue was resolved or muted before."), now=now)
    day = rows.waiting().filter(reason=Notification.Reason.DAILY).order_by("pk").first()
    if day is not None:
        head, text = periods.daily_text(to, using=using, now=now)
        return Message(channel=channel, to=to, subject=head, body=text, row_ids=(day.pk,), way="daily")
    told = rows.sent_since(now - COOL_DOWN).exclude(fingerprint="")
    free = rows.waiting().exclude(fingerprint__in=told.order_by().values("fingerprint"))
    if budget > 0:
        return _single(channel, to, free)
    return _digest(channel, to, free, now)


def _single(channel: Channel, to: str, free: NotificationQuerySet) -> Message | None:
    """Make one message of all that waits about one failure. The least tried goes first: one that a channel refuses
    must not keep the others.
    """
    first = free.order_by("attempt_count", "pk").first()
    if first is None:
        return None
    like = free.filter(fingerprint=first.fingerprint).order_by("-issue_id", "pk")
    rows = list(like.select_related("issue").defer(*HEAVY)[:CHUNK])
    latest = rows[0].issue
    if latest is None:
        return None
    return Message(
        channel=channel,
        to=to,
        subject=wording.subject(rows, latest),
        body=wording.body(rows, latest),
        row_ids=tuple(like.values_list("pk", flat=True)[:MAX_DIGEST_ROWS]),
    )


def _digest(channel: Channel, to: str, free: NotificationQuerySet, now: datetime) -> Message | None:
    if channel.last_digest_at is not None and channel.last_digest_at > now - DIGEST_EVERY:
        return None
    brief = free.select_related("issue").defer(*HEAVY, "issue__error_message").order_by("pk")
    rows = list(brief[:MAX_DIGEST_ROWS])
    if not rows or min(row.created_at for row in rows) > now - GATHER:
        return None
    groups: dict[str, list[Notification]] = {}
    for row in rows:
        groups.setdefault(row.fingerprint, []).append(row)
    head, text = wording.digest(list(groups.values()))
    ids = tuple(row.pk for row in rows)
    return Message(channel=channel, to=to, subject=head, body=text, row_ids=ids, way="digest")


def _settle(message: Message, outcome: Outcome, using: str, now: datetime) -> None:
    channels = Channel.objects.using(using)
    message_id = f"{message.way}-{uuid.uuid4().hex}"
    with transaction.atomic(using=using):
        wait_for_turn(Channel, using=using)
        channel = channels.select_for_update().get(pk=message.channel.pk)
        for start in range(0, len(message.row_ids), CHUNK):
            rows = Notification.objects.using(using).filter(pk__in=message.row_ids[start : start + CHUNK])
            if outcome.is_sent:
                rows.send(message_id=message_id, now=now)
            else:
                _try_again(rows, channel, outcome, now)
        if outcome.is_sent:
            channel.delivered(using=using, now=now, is_digest=message.way == "digest")
        else:
            channel.failed(outcome.error, using=using, now=now, pause_seconds=_pause_seconds(channel, outcome))


def _try_again(rows: NotificationQuerySet, channel: Channel, outcome: Outcome, now: datetime) -> None:
    rows.waiting().update(attempt_count=F("attempt_count") + 1)
    if channel.last_sent_at is not None:  # took others meanwhile: the fault is this message's
        refused = rows.filter(attempt_count__gte=MAX_ATTEMPTS, created_at__lt=channel.last_sent_at)
        refused.drop(_("Refused %(n)s times: %(error)s") % {"n": MAX_ATTEMPTS, "error": outcome.error[:200]}, now=now)


def _pause_seconds(channel: Channel, outcome: Outcome) -> float:
    """Return how long to leave a channel alone: as long as it asked for, else twice as long as after the last failure.

    Without jitter: one sender has a channel at a time, so there is no herd.
    """
    if outcome.retry_after_seconds is not None:
        return min(MAX_ASKED_SECONDS, max(1.0, outcome.retry_after_seconds))
    return float(min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(channel.failure_count, 16)))
