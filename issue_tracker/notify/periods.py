"""What is due by the clock: milestones of volume, the daily digest, the end of old rows. Right of the seam.

Looked for by the senders, not by the drain: counting must not slow it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from issue_tracker import conf
from issue_tracker.models import Channel, Notification, Occurrence, OperationalIssue
from issue_tracker.notifications import FORGOTTEN_AFTER

from . import wording
from .delivery import label_of
from .noting import channel_key, daily_row, rows_of, store

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet

    from issue_tracker.rules import Rule

MILESTONES: Final = (10, 100, 1_000)
"""Occurrences of one issue within an hour that are worth a word; each once a day for an issue."""
MAX_LOOKED_AT: Final = 1_000
"""Issues, seen last first, whose volume one look asks for; three steps along an index each."""
DAILY_HOUR: Final = 8
"""The hour, in TIME_ZONE, after which the daily digest goes."""
KEPT: Final = timedelta(days=30)
"""How long sent and dropped rows stay."""
CHUNK: Final = 1_000
SHOWN: Final = 10
"""Issues in each list of the daily digest."""


def look(*, using: str, now: datetime) -> None:
    """Store what is due now."""
    _know_channels(using, now)
    note_volumes(using=using, now=now)
    _note_daily(using, now)
    _tidy(using, now)


def note_volumes(*, using: str, now: datetime) -> None:
    """Store the highest milestone that each open issue has reached within the last hour."""
    if not any("volume" in rule.reasons for rule in conf.current().notify):
        return
    hour_ago = now - timedelta(hours=1)
    rows: list[Notification] = []
    for issue in _busy_issues(using, hour_ago):
        reached = [m for m in MILESTONES if (at := getattr(issue, f"nth_{m}")) is not None and at >= hour_ago]
        if reached:
            turn = f"{reached[-1]} {now:%Y-%m-%d}"
            rows += rows_of(issue, Notification.Reason.VOLUME, now=now, turn=turn, count=reached[-1])
    store(rows, using=using)


def daily_text(to: str, *, using: str, now: datetime) -> tuple[str, str]:
    """Return subject and body of the last day as the rules of a channel see it."""
    rules = [rule for rule in conf.current().notify if rule.to == to and "daily" in rule.reasons]
    since = now - timedelta(days=1)
    table = OperationalIssue._base_manager.using(using)
    new = _covered(table.filter(created_at__gte=since, is_returned=False).order_by("-id"), rules)
    returned = _covered(table.filter(created_at__gte=since, is_returned=True).order_by("-id"), rules)
    still = _covered(table.filter(status="open").order_by("-last_seen_at", "-id"), rules)
    busy = sorted((i for i in still if i.last_seen_at >= since), key=lambda i: i.occurrence_count, reverse=True)
    return wording.daily(
        {"new": len(new), "returned": len(returned), "open": len(still)},
        [(_("New"), new[:SHOWN]), (_("Returned"), returned[:SHOWN]), (_("Most frequent"), busy[:SHOWN])],
    )


def _covered(issues: QuerySet[OperationalIssue], rules: list[Rule]) -> list[OperationalIssue]:
    some = issues.only("pk", "name", "task", "severity", "kind", "status", "occurrence_count", "last_seen_at")[
        :MAX_LOOKED_AT
    ]
    return [i for i in some if any(r.covers(severity=i.severity, task=i.task, kind=i.kind) for r in rules)]


def _busy_issues(using: str, since: datetime) -> QuerySet[OperationalIssue]:
    latest = Occurrence.objects.using(using).filter(issue=OuterRef("pk")).order_by("-occurred_at", "-id")
    nths = {f"nth_{m}": Subquery(latest.values("occurred_at")[m - 1 : m]) for m in MILESTONES}
    table = OperationalIssue._base_manager.using(using)
    busy = table.filter(status="open", last_seen_at__gte=since, occurrence_count__gte=MILESTONES[0])
    return busy.defer("traceback", "context").annotate(**nths).order_by("-last_seen_at", "-id")[:MAX_LOOKED_AT]


def _note_daily(using: str, now: datetime) -> None:
    local = timezone.localtime(now) if timezone.is_aware(now) else now
    wanting = {channel_key(rule.to) for rule in conf.current().notify if "daily" in rule.reasons}
    if wanting and local.hour >= DAILY_HOUR:
        rows = [daily_row(channel, day=f"{local:%Y-%m-%d}", now=now) for channel in sorted(wanting)]
        same = Notification.objects.using(using).filter(key__in=[row.key for row in rows])
        known = set(same.values_list("key", flat=True))
        store([row for row in rows if row.key not in known], using=using)


def _know_channels(using: str, now: datetime) -> None:
    """Give each configured channel its row, and note that it is configured."""
    wanted = {channel_key(rule.to): rule.to for rule in conf.current().notify}
    there = Channel.objects.using(using).filter(key__in=sorted(wanted))
    known = set(there.values_list("key", flat=True))
    new = [
        Channel(key=key, label=label_of(to, key), seen_at=now) for key, to in sorted(wanted.items()) if key not in known
    ]
    Channel.objects.using(using).bulk_create(new, ignore_conflicts=True)
    there.update(seen_at=now)


def _tidy(using: str, now: datetime) -> None:
    """Drop what waits for channels that are no more, and delete what is old, a chunk at a time."""
    channels, table = Channel.objects.using(using), Notification.objects.using(using)
    lost = table.waiting().exclude(channel__in=channels.used(now=now).values("key"))
    lost.filter(created_at__lt=now - FORGOTTEN_AFTER).drop(_("No settings have its channel any more."), now=now)
    channels.filter(seen_at__lt=now - KEPT).delete()
    old = table.exclude(state="waiting").filter(settled_at__lt=now - KEPT)
    table.filter(pk__in=list(old.values_list("pk", flat=True)[:CHUNK])).delete()
