"""Small charts as numbers that a template turns into SVG: attributes and classes only, as a strict CSP wants it.

Pure: times and counts in, geometry out. Buckets are hours or days; days are the reader's own (the current time zone).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.utils import timezone
from django.utils.formats import date_format, number_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, tzinfo

SEVERITIES: Final = ("error", "warning", "info")
"""The order of the stack, from the bottom."""

MAX_HOURLY: Final = timedelta(hours=49)
"""Longest span drawn hour by hour: two days and the hour that has begun."""

LEAST_HOURLY: Final = timedelta(hours=12)
LEAST_DAILY: Final = timedelta(days=13)
"""Shortest spans that a fitted drawing shrinks to: fewer bars look like a mistake."""

MAX_DAILY: Final = 92
"""Days drawn at most; what lies before is left out."""

HEIGHT: Final = 560
"""Units of the drawing; the page scales it. Whole numbers all: a decimal comma of a translated page breaks an SVG."""

BAR: Final = 100
"""Units from bar to bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One coloured rectangle of a bar."""

    severity: str
    y: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bucket of time."""

    start: datetime
    end: datetime
    x: int
    count: int
    pieces: tuple[Piece, ...] = ()
    label: str = ""
    """When and how many, in words."""
    query: str = ""
    """Query string of the list that shows just this bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars from the oldest to the newest, in a drawing of `width` × `height` units."""

    bars: tuple[Bar, ...]
    peak: int
    is_hourly: bool
    height: int = HEIGHT
    totals: dict[str, int] = field(default_factory=dict)
    """Count by severity over all bars."""

    @property
    def width(self) -> int:
        """Units across."""
        return max(len(self.bars), 1) * BAR

    @property
    def total(self) -> int:
        """Count over all bars."""
        return sum(bar.count for bar in self.bars)

    @property
    def ends(self) -> tuple[str, str]:
        """The first and the last bucket, in words, for the axis."""
        return when(self.bars[0].start, is_hourly=self.is_hourly), when(self.bars[-1].start, is_hourly=self.is_hourly)


def buckets(start: datetime, end: datetime, *, zone: tzinfo | None = None) -> tuple[list[datetime], bool]:
    """Return the starts of the buckets that cover the span, oldest first, and whether they are hours (else days)."""
    zone = zone or timezone.get_current_timezone()
    end = max(end - timedelta(microseconds=1), start)
    if end - start <= MAX_HOURLY:
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        hours = int((end - first) / timedelta(hours=1)) + 1
        return [first + timedelta(hours=n) for n in range(min(hours, 50))], True
    last = end.astimezone(zone).date()
    days = min((last - start.astimezone(zone).date()).days + 1, MAX_DAILY)
    return [_midnight(last - timedelta(days=n), zone) for n in reversed(range(days))], False


def chart(
    counts: Iterable[tuple[datetime, str, int]], start: datetime, end: datetime, *, is_fitted: bool = False
) -> Chart:
    """Draw (hour, severity, count) over a span; counts outside it are left out.

    Fitted, the span shrinks where there is nothing at its beginning: to the last two days, hour by hour, or to the last
    two weeks and as many days more as there are.
    """
    counts = list(counts)
    if is_fitted and counts:
        first = min(moment for moment, _severity, _n in counts)
        least = LEAST_HOURLY if end - first < MAX_HOURLY else LEAST_DAILY
        start = max(start, min(first, end - least))
    starts, is_hourly = buckets(start, end)
    ends = [*starts[1:], starts[-1] + timedelta(hours=1 if is_hourly else 24)]
    heap: list[Counter[str]] = [Counter() for _ in starts]
    for moment, severity, count in counts:
        if (n := bisect_right(starts, moment) - 1) >= 0 and moment < ends[-1]:
            heap[n][severity] += count
    peak = max((c.total() for c in heap), default=0)
    bars = tuple(
        Bar(
            start=starts[n],
            end=ends[n],
            x=n * BAR,
            count=c.total(),
            pieces=_stack(c, peak),
            label=f"{when(starts[n], is_hourly=is_hourly)}: {number_format(c.total(), force_grouping=True)}",
        )
        for n, c in enumerate(heap)
    )
    return Chart(bars=bars, peak=peak, is_hourly=is_hourly, totals=dict(sum(heap, Counter())))


def when(start: datetime, *, is_hourly: bool) -> str:
    """Name a bucket in the reader's language and time zone."""
    local = timezone.localtime(start)
    day = date_format(local, "MONTH_DAY_FORMAT")
    return f"{day} {local:%H}:00" if is_hourly else day


def sparkline(counts: Sequence[int]) -> str:
    """Return the strokes of bars, 4 units a bucket in a drawing 20 high; the tallest fills it, each can be seen."""
    peak = max(counts, default=0)
    if not peak:
        return ""
    heights = [max(2, round(18 * count / peak)) if count else 0 for count in counts]
    return "".join(f"M{n * 4 + 2} 20v-{height}" for n, height in enumerate(heights) if height)


def _stack(counts: Counter[str], peak: int) -> tuple[Piece, ...]:
    pieces, top = [], HEIGHT
    known = [s for s in SEVERITIES if counts[s]] + [s for s in counts if s not in SEVERITIES]
    for severity in known:
        height = max(HEIGHT // 40, round(counts[severity] * HEIGHT * 0.93 / peak))
        top -= height
        pieces.append(Piece(severity=severity if severity in SEVERITIES else "info", y=max(top, 0), height=height))
    return tuple(pieces)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
