"""How notifying is doing, for the admin's overview and for the doctor. Right of the seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, Min
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.models import Channel, Notification

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What waits, and which channels fail."""

    is_on: bool
    """Whether the settings name a channel."""
    waiting_count: int = 0
    oldest_at: datetime | None = None
    dropped_count: int = 0
    """Given up, of the last 30 days."""
    broken: tuple[Channel, ...] = ()
    """The longest broken first, each with its masked label, its last error and since when it fails."""


def state(*, now: datetime | None = None) -> State:
    """Read it: three short queries, or none where nothing is to be sent."""
    settings, now = conf.current(), now or timezone.now()
    if not settings.notify:
        return State(is_on=False)
    rows = Notification.objects.using(settings.database)
    waiting = rows.waiting().aggregate(count=Count("pk"), oldest=Min("created_at"))
    return State(
        is_on=True,
        waiting_count=waiting["count"],
        oldest_at=waiting["oldest"],
        dropped_count=rows.filter(state=Notification.State.DROPPED).exclude(note="").count(),
        broken=tuple(Channel.objects.using(settings.database).broken(now=now)[:20]),
    )
