"""What is to be told to whom, as rows: a Notification for each reason and channel, a Channel's health.

Right of the seam. A Notification is stored in the transaction that made its reason, under a unique key: a kill loses
none, and however many drainers find the same reason, one row is there. Its state changes once, from waiting to sent or
dropped.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from django.db import models
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Self

LEASE_SECONDS: Final = 15
"""How long one sender has a channel for one message: the 5 s that it may take, and time to note how that went.

After a sender was killed the channel is free again when this is over.
"""
PACE_SECONDS: Final = 1
"""Between two messages to one channel: Slack's limit, and nobody reads faster."""
FIRST_PAUSE_SECONDS: Final = 30
MAX_PAUSE_SECONDS: Final = 3_600
"""Back-off of a channel that fails: 30 s, then twice as long each time, an hour at most."""
MAX_ASKED_SECONDS: Final = 86_400
"""How long a pause we grant to a channel that asks for one (Retry-After)."""
MAX_ATTEMPTS: Final = 10
"""A message that a channel refused so often while it took others is the one at fault, and dropped."""

FORGOTTEN_AFTER: Final = timedelta(days=1)
"""How long a channel that no host's settings have any more is remembered, and messages wait for it: a deployment may be
under way.
"""


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Notifications, and what becomes of them."""

    def waiting(self) -> Self:
        """Keep those that are still to be sent."""
        return self.filter(state="waiting")

    def sent_since(self, moment: datetime) -> Self:
        """Keep those sent after a moment."""
        return self.filter(state="sent", settled_at__gt=moment)

    def send(self, *, message_id: str, now: datetime) -> int:
        """Note that these were sent, in one message."""
        return self.waiting().update(state="sent", settled_at=now, message_id=message_id, note="")

    def drop(self, note: str, *, now: datetime) -> int:
        """Give these up, with the reason."""
        return self.waiting().update(state="dropped", settled_at=now, note=note)


class Notification(models.Model):
    """One reason to tell one channel of an issue."""

    class Reason(models.TextChoices):
        """Why; the values are those of `rules.REASONS`."""

        NEW = "new", _("New")
        RETURNED = "returned", _("Returned")
        UNMUTED = "unmuted", _("Mute ended")
        VOLUME = "volume", _("Many in an hour")
        DAILY = "daily", _("Daily digest")

    class State(models.TextChoices):
        """Where it stands."""

        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        DROPPED = "dropped", _("Dropped")

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=64, unique=True, editable=False)
    """A hash of channel, reason, issue and turn: the database keeps a second one out."""
    channel = models.CharField(max_length=32)
    """The key of its Channel."""
    issue = models.ForeignKey(
        "issue_tracker.OperationalIssue", null=True, on_delete=models.CASCADE, related_name="notifications"
    )
    """None for a daily digest. Messages of a deleted issue go with it."""
    fingerprint = models.CharField(max_length=64, blank=True, default="")
    """The issue's: the cool-down is that of a failure, whatever number of issues it opens."""
    reason = models.CharField(max_length=16, choices=Reason)
    count = models.PositiveIntegerField(default=0)
    """The milestone that was reached, of a `volume`."""
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, default=None)
    attempt_count = models.PositiveIntegerField(default=0)
    """How often it was tried in vain."""
    message_id = models.CharField(max_length=64, blank=True, default="")
    """The same for all that went in one message."""
    note = models.CharField(max_length=255, blank=True, default="")
    """Why it was dropped."""

    objects = NotificationQuerySet.as_manager()

    class Meta:
        """Written and read by the notifier only: nobody is granted anything on it."""

        default_permissions = ()
        indexes: ClassVar = [
            models.Index(fields=["channel", "state", "attempt_count", "id"], name="notification_next"),
            models.Index(fields=["state", "settled_at"], name="notification_settled"),
        ]

    def __str__(self) -> str:
        """Reason and issue."""
        return f"{self.reason} {self.issue_id or ''}".rstrip()


class ChannelQuerySet(models.QuerySet["Channel"]):
    """Channels, and who may use them now."""

    def used(self, *, now: datetime) -> Self:
        """Keep those that the settings of some host have."""
        return self.filter(seen_at__gt=now - FORGOTTEN_AFTER)

    def broken(self, *, now: datetime) -> Self:
        """Keep those in use whose last message failed, the longest broken first."""
        return self.used(now=now).filter(failing_since__isnull=False).order_by("failing_since")

    def soon(self, *, now: datetime, within_seconds: float) -> Self:
        """Keep those that have to wait, but not for longer than that."""
        return self.filter(next_try_at__gt=now, next_try_at__lte=now + timedelta(seconds=within_seconds))


class Channel(models.Model):
    """How a channel is doing. Its address is in the settings only; here are a hash and a mask of it."""

    key = models.CharField(max_length=32, unique=True, editable=False)
    seen_at = models.DateTimeField(default=timezone.now)
    """When a sender found it in its settings; those of all hosts need not be the same."""
    label = models.CharField(max_length=255, blank=True, default="")
    leased_until = models.DateTimeField(null=True, default=None)
    """While a sender is at it with a message."""
    next_try_at = models.DateTimeField(null=True, default=None)
    failure_count = models.PositiveIntegerField(default=0)
    """Failures since the last message that got through."""
    failing_since = models.DateTimeField(null=True, default=None)
    last_error = models.CharField(max_length=255, blank=True, default="")
    last_error_at = models.DateTimeField(null=True, default=None)
    last_sent_at = models.DateTimeField(null=True, default=None)
    last_digest_at = models.DateTimeField(null=True, default=None)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        """Written by the notifier, shown on the admin's overview: nobody is granted anything on it."""

        default_permissions = ()

    def __str__(self) -> str:
        """The masked address."""
        return self.label or self.key

    def is_leased(self, now: datetime) -> bool:
        """Tell whether a sender is at it."""
        return self.leased_until is not None and self.leased_until > now

    def is_ready(self, now: datetime) -> bool:
        """Tell whether it may be sent to."""
        return not self.is_leased(now) and (self.next_try_at is None or self.next_try_at <= now)

    def lease(self, *, using: str, now: datetime) -> None:
        """Take it for one message. The caller holds its row locked."""
        self._change(using, leased_until=now + timedelta(seconds=LEASE_SECONDS))

    def delivered(self, *, using: str, now: datetime, is_digest: bool) -> None:
        """Note that a message got through."""
        changes = {"leased_until": None, "failure_count": 0, "failing_since": None, "last_sent_at": now}
        changes |= {"next_try_at": now + timedelta(seconds=PACE_SECONDS)} | (
            {"last_digest_at": now} if is_digest else {}
        )
        self._change(using, **changes)

    def failed(self, error: str, *, using: str, now: datetime, pause_seconds: float) -> None:
        """Note that a message did not, and leave the channel alone for a while."""
        self._change(
            using,
            leased_until=None,
            next_try_at=now + timedelta(seconds=pause_seconds),
            failure_count=F("failure_count") + 1,
            failing_since=self.failing_since or now,
            last_error=error[:255],
            last_error_at=now,
        )

    def _change(self, using: str, **changes: object) -> None:
        type(self).objects.using(using).filter(pk=self.pk).update(**changes)
