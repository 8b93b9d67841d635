"""How a problem comes back: tables and properties of the pure part, then the queries."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from celery import Celery, current_app
from celery.schedules import crontab, schedule
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.models import OperationalIssue
from issue_tracker.recurrence import (
    DAYS,
    counts_by_hour,
    gap_words,
    incident_of,
    of_issue,
    regular_gap,
    rhythm_of,
    runs_of,
    since_release,
    summarise,
    words,
)
from issue_tracker.recurrence.queries import scheduled_interval
from tests.events import an_event, stored

if TYPE_CHECKING:
    from collections.abc import Iterator


NOW = dt.datetime(2026, 11, 23, 12, 30, tzinfo=dt.UTC)


def hours(*back_and_counts: tuple[float, int]) -> dict[dt.datetime, int]:
    """Return counts by hour, from pairs of days back and a count."""
    top = NOW.replace(minute=0)
    return {top - dt.timedelta(days=back): count for back, count in back_and_counts}


def test_days_are_counted_and_laid_out_oldest_first() -> None:
    """Today is the last bar."""
    found = summarise(hours((0, 2), (1, 3), (29, 1), (30, 9)), [], now=NOW)

    assert (found.total, found.days_seen, len(found.by_day)) == (6, 3, DAYS)
    assert (found.by_day[-1], found.by_day[-2], found.by_day[0]) == (2, 3, 1)


def test_an_hour_of_the_day_is_named_when_most_fall_into_it() -> None:
    """Seven days at noon, one at midnight."""
    found = summarise(hours(*((day, 1) for day in range(7)), (3.5, 1)), [], now=NOW)

    assert found.hour == 12
    assert "Mostly between 12:00 and 13:00." in words(found)


def test_a_weekday_is_named_when_most_fall_onto_it() -> None:
    """Four Mondays, a few each."""
    found = summarise(hours(*((7 * week, 2) for week in range(4))), [], now=NOW)

    assert found.weekday == 0
    assert "Mostly on Mondays." in words(found)


def test_few_occurrences_make_no_pattern() -> None:
    """Two at the same hour are chance."""
    found = summarise(hours((0, 1), (1, 1)), [], now=NOW)

    assert (found.hour, found.weekday) == (None, None)


def test_nothing_in_the_last_days_is_said_so() -> None:
    """An old issue."""
    assert words(summarise({}, [], now=NOW)) == ["Not seen in the last 30 days."]


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([600] * 8, dt.timedelta(minutes=10)),
        ([600, 590, 610, 605, 600, 7_200, 598], dt.timedelta(minutes=10)),
        ([600] * 3, None),
        ([1, 900, 30, 4_000, 77, 12_000, 3], None),
        ([0] * 9, None),
    ],
    ids=["regular", "one gap left out", "too few", "irregular", "a burst"],
)
def test_a_regular_gap_is_found(gaps: list[int], expected: dt.timedelta | None) -> None:
    """What comes every ten minutes comes from beat."""
    times = [NOW]
    for gap in gaps:
        times.append(times[-1] - dt.timedelta(seconds=gap))

    assert regular_gap(times) == expected


def times_after(*gaps: float) -> list[dt.datetime]:
    """Return times with these gaps in seconds between them, the last one now."""
    times = [NOW]
    for gap in reversed(gaps):
        times.append(times[-1] - dt.timedelta(seconds=gap))
    return times


@pytest.mark.parametrize(
    ("gaps", "interval", "expected"),
    [
        ([600] * 9, None, (600, 1.0)),
        ([600, 1_200, 600, 3_000, 600, 600], None, (600, 7 / 12)),
        ([590, 610, 1_190, 605, 2_410, 600], None, (602, 7 / 11)),
        ([1_200] * 9, 600, (600, 10 / 19)),
        ([600] * 9, 600, (600, 1.0)),
        ([600] * 9, 610, (610, 1.0)),
        ([600] * 9, 900, None),
        ([600] * 4, None, None),
        ([1, 900, 30, 4_000, 77, 12_000, 3, 650, 8_123], None, None),
        ([0] * 9, None, None),
    ],
    ids=["every", "some", "late", "scheduled some", "scheduled every", "slow", "other", "few", "irregular", "burst"],
)
def test_runs_are_told_from_gaps(gaps: list[float], interval: int | None, expected: tuple[int, float] | None) -> None:
    """Every run or some: by the schedule, else by the shortest usual gap; nothing where gaps don't say."""
    found = rhythm_of(times_after(*gaps), interval=dt.timedelta(seconds=interval) if interval else None)

    assert (found and (found.every.total_seconds(), found.share)) == expected
    assert found is None or found.is_scheduled is (interval is not None)


@given(st.integers(5, 86_400), st.lists(st.integers(1, 9), min_size=10, max_size=150))
def test_a_known_interval_gives_the_share_of_its_runs(interval: int, steps: list[int]) -> None:
    """Whatever runs are left out: those that had the problem, of all there were."""
    found = rhythm_of(times_after(*(step * interval for step in steps)), interval=dt.timedelta(seconds=interval))

    assert found is not None
    assert found.share == pytest.approx((len(steps) + 1) / (sum(steps) + 1))
    assert found.is_every_run is (found.share >= 0.95)


@given(st.lists(st.floats(0, 10**7), max_size=60), st.none() | st.floats(0.001, 10**6))
def test_a_share_is_a_share_whatever_comes(gaps: list[float], seconds: float | None) -> None:
    """Never nothing, never more than all."""
    interval = dt.timedelta(seconds=seconds) if seconds else None

    found = rhythm_of(times_after(*gaps), interval=interval)

    assert found is None or (0 < found.share <= 1 and found.every >= dt.timedelta(seconds=1))


@pytest.mark.parametrize(
    ("gaps", "interval", "sentence"),
    [
        ([600] * 9, 600, "On every run (scheduled every 10 minutes)."),
        ([1_200] * 9, 600, "On 53 % of the runs (scheduled every 10 minutes)."),
        ([600] * 9, None, "About every 10 minutes, each time."),
        ([600, 1_200, 600, 3_000, 600, 600], None, "About every 10 minutes, 58 % of the times."),
    ],
)
def test_every_run_or_some_is_said(gaps: list[float], interval: int | None, sentence: str) -> None:
    """Of runs is spoken only where the schedule is known."""
    known = dt.timedelta(seconds=interval) if interval else None

    assert sentence in words(summarise(hours((0, 10)), times_after(*gaps), now=NOW, interval=known))


def test_attempts_and_reports_of_one_run_are_one() -> None:
    """By their task id, at the earliest time; what has none stands for itself."""
    later = NOW + dt.timedelta(minutes=1)

    assert runs_of([("a", later), ("a", NOW), ("", NOW), ("", NOW), ("b", later)]) == [NOW, NOW, NOW, later]


@pytest.mark.parametrize(
    ("first", "before", "expected"),
    [
        ("1.1", ["1.0"], "1.1"),
        ("1.1", ["1.1", "", "1.1", "1.0", "1.0"], "1.1"),
        ("1.1", [], ""),
        ("1.1", ["1.1", "1.1"], ""),
        ("1.1", ["", ""], ""),
        ("1.0", ["1.1", "1.0"], ""),
        ("1.1", ["1.1", "1.0", "1.1"], ""),
        ("", ["1.0"], ""),
    ],
    ids=["next", "runs for a while", "nothing before", "no other", "no releases", "rolled back", "mixed", "unknown"],
)
def test_the_release_that_brought_it_is_told_from_those_before(first: str, before: list[str], expected: str) -> None:
    """Newest first: it came with a release when nothing but others were there before that release."""
    assert since_release(first, before) == expected


@pytest.fixture
def app() -> Iterator[Celery]:
    """The host's Celery app, with a schedule."""
    before = current_app._get_current_object()
    app = Celery("host", set_as_current=True)
    app.conf.beat_schedule = {
        "seconds": {"task": "seconds", "schedule": 600.0},
        "delta": {"task": "delta", "schedule": dt.timedelta(minutes=10)},
        "schedule": {"task": "schedule", "schedule": schedule(run_every=600)},
        "crontab": {"task": "crontab", "schedule": crontab(minute="*/10")},
        "twice a": {"task": "twice", "schedule": 600},
        "twice b": {"task": "twice", "schedule": 700},
    }
    yield app
    before.set_current()


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("task", "seconds"),
    [("seconds", 600), ("delta", 600), ("schedule", 600), ("crontab", None), ("twice", None), ("unknown", None)],
)
def test_the_schedule_says_how_often_a_task_runs(task: str, seconds: int | None) -> None:
    """Where it has it once, at a plain interval; else the gaps must tell."""
    expected = dt.timedelta(seconds=seconds) if seconds else None

    assert scheduled_interval(task) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "less than a second"), (1, "1 second"), (600, "10 minutes"), (5_400, "1.5 hours"), (86_400, "1 day")],
)
def test_gaps_are_said_in_their_largest_unit(seconds: float, text: str) -> None:
    """A figure and its unit."""
    assert gap_words(dt.timedelta(seconds=seconds)) == text


@given(st.dictionaries(st.integers(0, 24 * 40), st.integers(1, 10**6), max_size=60))
def test_totals_agree_whatever_comes(buckets: dict[int, int]) -> None:
    """The bars sum up to the total; no more days are seen than there are."""
    by_hour = {NOW.replace(minute=0) - dt.timedelta(hours=back): count for back, count in buckets.items()}

    found = summarise(by_hour, list(by_hour), now=NOW)

    assert sum(found.by_day) == found.total
    assert found.days_seen == sum(1 for count in found.by_day if count) <= DAYS
    assert all(isinstance(sentence, str) and sentence for sentence in words(found))


@pytest.mark.django_db
def test_an_issue_is_summed_up_with_its_earlier_ones() -> None:
    """A return belongs to the same story."""
    now = timezone.now()
    stored(*[an_event(task_id=f"a{day}", occurred_at=(now - dt.timedelta(days=day)).timestamp()) for day in (9, 8)])
    OperationalIssue.objects.resolve()
    stored(an_event(task_id="b"))

    found = of_issue(OperationalIssue.objects.get(status="open"))

    assert (found.total, found.days_seen) == (3, 3)


@pytest.mark.django_db
def test_the_release_that_brought_it_is_named() -> None:
    """Only when an earlier release is known not to have had it."""
    earlier = timezone.now() - dt.timedelta(days=1)
    stored(an_event(fingerprint="a" * 64, occurred_at=earlier.timestamp(), release="1.0"))
    stored(an_event(fingerprint="b" * 64, release="1.1"))

    old, new = OperationalIssue.objects.order_by("first_seen_at")

    assert (of_issue(old).since_release, of_issue(new).since_release) == ("", "1.1")


@pytest.mark.django_db
def test_issues_that_began_together_are_one_incident() -> None:
    """Within a minute of each other."""
    now = timezone.now()
    for letter, back in (("a", 0), ("b", 30), ("c", 300)):
        at = now - dt.timedelta(seconds=back)
        stored(an_event(fingerprint=letter * 64, name=letter, occurred_at=at.timestamp()))

    issue = OperationalIssue.objects.get(name="a")

    assert [other.name for other in incident_of(issue)] == ["b"]
    assert of_issue(issue).together_with == (OperationalIssue.objects.get(name="b").pk,)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "America/Bogota", "Asia/Kathmandu"])
def test_the_database_counts_hours_as_python_does(zone: str) -> None:
    """On every database, to the second round the hour, read in any time zone."""
    r = random.Random(zone)
    now = timezone.now().replace(microsecond=0)
    top = now.replace(minute=0, second=0)
    moments = [now - dt.timedelta(seconds=r.randrange(29 * 86_400)) for _number in range(200)]
    moments += [top - dt.timedelta(days=1, microseconds=back) for back in (0, 1, 500_000, 999_999)]
    stored(*(an_event(occurred_at=moment.timestamp()) for moment in moments))

    with timezone.override(zone):
        found = counts_by_hour(OperationalIssue.objects.get(), since=now - dt.timedelta(days=DAYS))
        local = timezone.get_current_timezone()

    # As the hour of UTC begins, in a zone that is off by less than an hour.
    expected = Counter(moment.replace(minute=0, second=0, microsecond=0).astimezone(local) for moment in moments)
    assert found == expected


@pytest.mark.django_db
def test_the_queries_do_not_grow_with_the_returns() -> None:
    """Twelve issues of one fingerprint cost as many as six, and the latest runs come from the newest of them."""
    now = timezone.now()
    costs = []
    for number in range(12):
        at = now - dt.timedelta(minutes=120 - number * 10)
        OperationalIssue.objects.resolve(now=at - dt.timedelta(minutes=1))
        stored(an_event(task_id=f"t{number}", occurred_at=at.timestamp()))
        with CaptureQueriesContext(connection) as queries:
            found = of_issue(OperationalIssue.objects.open().get(), now=now)
        costs.append(len(queries))

    assert max(costs) == costs[-1] == costs[5] <= 11
    assert found.total == 12
    assert found.every is None
