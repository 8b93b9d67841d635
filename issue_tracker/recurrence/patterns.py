"""How a problem comes back, in figures: pure functions over times and releases.

Times are aware, in the zone in which a person reads them (or all naive). Nothing here asks a database.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DAYS: Final = 30
"""How far back is looked."""
MIN_FOR_PATTERN: Final = 5
"""Occurrences, and days, below which a share is chance and no pattern is named."""
CONCENTRATED: Final = 0.7
"""Share of the occurrences that must fall into one hour of the day, or on one weekday, to be called its time."""
REGULAR: Final = 0.2
"""Gaps are regular when half of them differ from the median by no more than this share of it."""
IN_STEP: Final = 0.8
"""Share of the gaps that must be whole multiples of one interval for runs to be told from them."""
EVERY_RUN: Final = 0.95
"""Share of the runs from which on a problem is said to come on every one: a run may have been skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Runs that come at an interval, and how many of them had the problem."""

    every: dt.timedelta
    """From one run to the next."""
    share: float
    """Of the runs between the first and the last time looked at, those that had the problem: 0 to 1."""
    is_scheduled: bool
    """True: the interval is that of the schedule. False: it was told from the gaps, so a run that succeeds regularly,
    such as every second one, is not known of."""

    @property
    def is_every_run(self) -> bool:
        """Tell whether it came on every run, one in twenty aside."""
        return self.share >= EVERY_RUN


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
    rhythm: Rhythm | None = None
    """On every run or on some, where that can be told."""
    since_release: str = ""
    """The release with which it was seen first, when an earlier release is known not to have had it."""
    together_with: tuple[int, ...] = ()
    """Primary keys of issues that began within a minute of this one."""


def summarise(
    by_hour: Mapping[dt.datetime, int],
    recent: Sequence[dt.datetime],
    *,
    now: dt.datetime,
    interval: dt.timedelta | None = None,
) -> Recurrence:
    """Sum up counts by hour of the last DAYS days, and the times of the latest runs that had it (any order).

    `interval` is what the schedule says, where there is one.
    """
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
        rhythm=rhythm_of(recent, interval=interval),
    )


def runs_of(occurrences: Iterable[tuple[str, dt.datetime]]) -> list[dt.datetime]:
    """Reduce occurrences, each a task id and a time, to runs: the first time of each task id.

    Attempts, and reports that one run made, are one; what has no task id stands for itself.
    """
    firsts: dict[str, dt.datetime] = {}
    alone = []
    for task_id, at in occurrences:
        if task_id:
            firsts[task_id] = min(at, firsts.get(task_id, at))
        else:
            alone.append(at)
    return sorted([*firsts.values(), *alone])


def regular_gap(times: Iterable[dt.datetime]) -> dt.timedelta | None:
    """Return the gap between two occurrences when it is about the same each time, else None."""
    gaps = _gaps(times)
    if len(gaps) < MIN_FOR_PATTERN:
        return None
    middle = median(gaps)
    spread = median(abs(gap - middle) for gap in gaps)
    return dt.timedelta(seconds=round(middle)) if middle >= 1 and spread <= REGULAR * middle else None


def rhythm_of(times: Iterable[dt.datetime], *, interval: dt.timedelta | None = None) -> Rhythm | None:
    """Tell on which share of its runs a problem came, from the times of those that had it; None where gaps don't say.

    Without an interval from the schedule, the shortest gap that comes often enough is taken for it.
    """
    gaps = [gap for gap in _gaps(times) if gap >= 1]
    if len(gaps) < MIN_FOR_PATTERN:
        return None
    base = interval.total_seconds() if interval else _shortest_usual(gaps)
    if base < 1:
        return None
    steps = [max(1, round(gap / base)) for gap in gaps]
    in_step = sum(abs(gap - step * base) <= REGULAR * base for gap, step in zip(gaps, steps, strict=True))
    if in_step < IN_STEP * len(gaps):
        return None
    share = (len(gaps) + 1) / (sum(steps) + 1)
    return Rhythm(every=dt.timedelta(seconds=round(base)), share=share, is_scheduled=interval is not None)


def since_release(first: str, before: Sequence[str]) -> str:
    """Return the release that brought a problem: its first one, when nothing but other releases came before it.

    `before` are the releases of what was stored before its first occurrence, newest first; an empty text is none.
    """
    known = [release for release in before if release]
    others = [place for place, release in enumerate(known) if release != first]
    is_new = bool(others) and first not in known[others[0] :]
    return first if is_new else ""


def _gaps(times: Iterable[dt.datetime]) -> list[float]:
    """Return the seconds from each time to the next."""
    return [(later - earlier).total_seconds() for earlier, later in pairwise(sorted(times))]


def _shortest_usual(gaps: Sequence[float]) -> float:
    """Return the middle of the gaps that are about as short as the shortest tenth; 0 where those are too few."""
    short = sorted(gaps)[len(gaps) // 10]
    alike = [gap for gap in gaps if abs(gap - short) <= REGULAR * short]
    return median(alike) if len(alike) * 4 >= len(gaps) else 0.0


def _concentrated(counts: Counter[int]) -> int | None:
    (place, most), *_rest = counts.most_common(1)
    return place if most >= CONCENTRATED * counts.total() else None
