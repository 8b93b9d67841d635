"""How a problem comes back, in words and figures: pure functions over times, and the queries that feed them.

Nothing above the line "the queries" knows Django's database; times are aware, in the zone in which a person reads them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, Subquery
from django.db.models.functions import TruncHour
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .models import Occurrence, OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .lifecycle import IssueQuerySet

DAYS: Final = 30
"""How far back is looked."""
MIN_FOR_PATTERN: Final = 5
"""Occurrences, and days, below which a share is chance and no pattern is named."""
CONCENTRATED: Final = 0.7
"""Share of the occurrences that must fall into one hour of the day, or on one weekday, to be called its time."""
REGULAR: Final = 0.2
"""Gaps are regular when half of them differ from the median by no more than this share of it."""
INCIDENT: Final = dt.timedelta(minutes=1)
"""Issues that began within this of each other are one incident."""
MAX_RELATED: Final = 10
RECENT_TIMES: Final = 200
"""Latest occurrences whose gaps are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """How a problem came back in the last DAYS days."""

    total: int
    days_seen: int
    by_day: tuple[int, ...]
    """Occurrences on each of the last DAYS days, oldest first; the last is today."""
    hour: int | None
    """Hour of the day at which most come (0 to 23), when they do."""
    weekday: int | None
    """Weekday on which most come (0 is Monday), when they do."""
    every: dt.timedelta | None
    """The gap between two, when the gaps are regular."""
    since_release: str = ""
    """The release with which it was seen first, when an earlier release is known not to have had it."""
    together_with: tuple[int, ...] = ()
    """Primary keys of issues that began within a minute of this one."""


def summarise(by_hour: Mapping[dt.datetime, int], recent: Sequence[dt.datetime], *, now: dt.datetime) -> Recurrence:
    """Sum up counts by hour of the last DAYS days, and the latest single times (any order)."""
    today = now.date()
    days = Counter[dt.date]()
    hours, weekdays = Counter[int](), Counter[int]()
    for hour, count in by_hour.items():
        if 0 <= (today - hour.date()).days < DAYS:
            days[hour.date()] += count
            hours[hour.hour] += count
            weekdays[hour.weekday()] += count
    by_day = tuple(days[today - dt.timedelta(days=back)] for back in reversed(range(DAYS)))
    is_enough = days.total() >= MIN_FOR_PATTERN and len(days) >= MIN_FOR_PATTERN
    weeks = len({day.isocalendar()[:2] for day in days})
    return Recurrence(
        total=days.total(),
        days_seen=len(days),
        by_day=by_day,
        hour=_concentrated(hours) if is_enough else None,
        weekday=_concentrated(weekdays) if weeks >= 3 and days.total() >= MIN_FOR_PATTERN else None,
        every=regular_gap(recent),
    )


def regular_gap(times: Iterable[dt.datetime]) -> dt.timedelta | None:
    """Return the gap between two occurrences when it is about the same each time, else None."""
    ordered = sorted(times)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ordered)]
    if len(gaps) < MIN_FOR_PATTERN:
        return None
    middle = median(gaps)
    spread = median(abs(gap - middle) for gap in gaps)
    return dt.timedelta(seconds=round(middle)) if middle >= 1 and spread <= REGULAR * middle else None


def words(found: Recurrence) -> list[str]:
    """Say it in sentences, the most useful first."""
    if not found.total:
        return [_("Not seen in the last %(days)d days.") % {"days": DAYS}]
    said = [
        ngettext(
            "Seen %(total)s time, on %(days)d of the last %(all)d days.",
            "Seen %(total)s times, on %(days)d of the last %(all)d days.",
            found.total,
        )
        % {"total": f"{found.total:,}", "days": found.days_seen, "all": DAYS}
    ]
    if found.every is not None:
        said.append(_("About every %(gap)s.") % {"gap": gap_words(found.every)})
    if found.hour is not None:
        said.append(
            _("Mostly between %(from)02d:00 and %(to)02d:00.") % {"from": found.hour, "to": (found.hour + 1) % 24}
        )
    if found.weekday is not None:
        said.append(_("Mostly on %(day)s.") % {"day": _WEEKDAYS()[found.weekday]})
    if found.since_release:
        said.append(_("Since release %(release)s.") % {"release": found.since_release})
    if found.together_with:
        many = len(found.together_with)
        said.append(
            ngettext("Began together with %(n)d other issue.", "Began together with %(n)d other issues.", many)
            % {"n": many}
        )
    return said


def gap_words(gap: dt.timedelta) -> str:
    """Say a length of time in its largest fitting unit: "10 minutes", "1 day"."""
    seconds = gap.total_seconds()
    for size, one, many in (
        (86_400, "%(n)s day", "%(n)s days"),
        (3_600, "%(n)s hour", "%(n)s hours"),
        (60, "%(n)s minute", "%(n)s minutes"),
        (1, "%(n)s second", "%(n)s seconds"),
    ):
        if seconds >= size * 0.95:
            number = round(seconds / size, 1)
            return ngettext(one, many, round(number)) % {"n": f"{number:g}"}
    return _("less than a second")


def _concentrated(counts: Counter[int]) -> int | None:
    (place, most), *_rest = counts.most_common(1)
    return place if most >= CONCENTRATED * counts.total() else None


def _WEEKDAYS() -> list[str]:  # noqa: N802  a constant, but for its language
    return [_("Mondays"), _("Tuesdays"), _("Wednesdays"), _("Thursdays"), _("Fridays"), _("Saturdays"), _("Sundays")]


# ---- the queries


def of_issue(issue: OperationalIssue, *, now: dt.datetime | None = None) -> Recurrence:
    """Sum up an issue and the earlier ones of its fingerprint.

    Four queries on indexes, whatever the number of occurrences.
    """
    using = issue._state.db or "default"
    now = now or timezone.now()
    local = timezone.localtime(now) if timezone.is_aware(now) else now
    family = OperationalIssue._base_manager.using(using).filter(fingerprint=issue.fingerprint).values("pk")
    rows = Occurrence.objects.using(using).filter(issue__in=family, occurred_at__gte=now - dt.timedelta(days=DAYS))
    # Truncated in UTC, which every database can: MySQL without its time zone tables refuses any other zone.
    hours = (
        rows.order_by()
        .annotate(hour=TruncHour("occurred_at", tzinfo=dt.UTC))
        .values_list("hour")
        .annotate(n=Count("pk"))
    )
    by_hour = Counter[dt.datetime]()
    for hour, count in hours:
        by_hour[hour.astimezone(local.tzinfo) if local.tzinfo else hour] += count
    recent = rows.order_by("-occurred_at").values_list("occurred_at", flat=True)[:RECENT_TIMES]
    found = summarise(by_hour, [at.astimezone(local.tzinfo) if local.tzinfo else at for at in recent], now=local)
    return replace(
        found,
        since_release=since_release(rows.annotate(**release_facts(issue)).first()),
        together_with=tuple(incident_of(issue).values_list("pk", flat=True)),
    )


def incident_of(issue: OperationalIssue) -> IssueQuerySet:
    """Return the other issues that began within a minute of this one."""
    table = OperationalIssue.objects.using(issue._state.db or "default")
    window = (issue.first_seen_at - INCIDENT, issue.first_seen_at + INCIDENT)
    others: IssueQuerySet = table.filter(first_seen_at__range=window).exclude(pk=issue.pk)
    return others.order_by("first_seen_at", "pk")[:MAX_RELATED]


def release_facts(issue: OperationalIssue) -> dict[str, Subquery]:
    """Return annotations for one occurrence of the issue, from which `since_release` tells what brought it.

    Six look-ups along indexes in the query that fetches the occurrence anyway. Looked at are the first occurrence of
    the fingerprint, the one just before it and the oldest of all: a search for any other release would read them all.
    """
    using = issue._state.db or "default"
    family = OperationalIssue._base_manager.using(using).filter(fingerprint=issue.fingerprint)
    eldest = family.order_by("first_seen_at", "pk")
    every = Occurrence.objects.using(using)
    first = every.filter(issue_id=eldest.values("pk")[:1]).order_by("occurred_at", "pk")
    before = every.filter(occurred_at__lt=first.values("occurred_at")[:1]).order_by("-occurred_at")
    return {
        "family_seen_at": Subquery(eldest.values("first_seen_at")[:1]),
        "family_is_return": Subquery(eldest.values("is_returned")[:1]),
        "first_at": Subquery(first.values("occurred_at")[:1]),
        "first_release": Subquery(first.values("release")[:1]),
        "release_before": Subquery(before.values("release")[:1]),
        "oldest_release": Subquery(every.order_by("occurred_at").values("release")[:1]),
    }


def since_release(occurrence: Occurrence | None) -> str:
    """Return the release that brought the issue, empty where no earlier release is known to have been without it.

    Takes an occurrence with the annotations of `release_facts`. Unknown once the first occurrences were pruned.
    """
    found: Any = occurrence
    if found is None or not found.first_release or found.family_is_return or found.first_at > found.family_seen_at:
        return ""
    earlier = {found.release_before, found.oldest_release} - {"", None, found.first_release}
    return str(found.first_release) if earlier and found.oldest_release != found.first_release else ""
