"""How a problem comes back: tables and properties of the pure part, then the queries."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.models import OperationalIssue
from issue_tracker.recurrence import DAYS, gap_words, incident_of, of_issue, regular_gap, summarise, words
from tests.events import an_event, stored

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

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
def test_the_release_that_brought_it_is_named(settings: SettingsWrapper) -> None:
    """Only when an earlier release is known not to have had it."""
    earlier = timezone.now() - dt.timedelta(days=1)
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RELEASE": "1.0"}
    stored(an_event(fingerprint="a" * 64, occurred_at=earlier.timestamp()))
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "RELEASE": "1.1"}
    stored(an_event(fingerprint="b" * 64))

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
