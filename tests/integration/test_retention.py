"""Retention: what goes, what stays, and that a prune may be killed, and run twice at once."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from issue_tracker import tasks
from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
from issue_tracker.recurrence import of_issue
from issue_tracker.retention import BATCH, Pruned, prune
from tests.events import an_event, stored
from tests.integration.test_issues_command import issues

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def an_issue(*ages: float, **values: Any) -> OperationalIssue:
    """Store an issue whose occurrences are so many days old."""
    seen = sorted(days_ago(age) for age in ages or (values.pop("quiet_days", 1),))
    usual: dict[str, Any] = {"name": "Timeout", "task": "pay", "error_message": "slow", "occurrence_count": len(ages)}
    if values.get("status") == "resolved":
        usual["resolved_at"] = seen[-1]
    made = OperationalIssue.objects.create(**{**usual, "first_seen_at": seen[0], "last_seen_at": seen[-1], **values})
    Occurrence.objects.bulk_create(an_occurrence(made, at) for at in seen[: len(ages)])
    return made


def an_occurrence(issue: OperationalIssue, at: datetime, **values: Any) -> Occurrence:
    return Occurrence(
        issue=issue, event_id=uuid.uuid4().hex, occurred_at=at, kind="failure", severity="error", **values
    )


def ages_of(issue: OperationalIssue) -> list[float]:
    """Return how many days old its occurrences are, newest first."""
    return [(NOW - at) / timedelta(days=1) for at in issue.occurrences.values_list("occurred_at", flat=True)]


def test_resolved_issues_go_after_their_time() -> None:
    """30 days after the last failure or the resolution, whichever came later; occurrences and all."""
    gone = an_issue(45, 40, status="resolved")
    resolved_lately = an_issue(40, status="resolved", resolved_at=days_ago(2))
    seen_lately = an_issue(40, 3, status="resolved", resolved_at=days_ago(35))

    assert prune(now=NOW) == Pruned(issues=1, occurrences=2)
    assert set(OperationalIssue.objects.all()) == {resolved_lately, seen_lately}
    assert not Occurrence.objects.filter(issue_id=gone.pk).exists()


@pytest.mark.parametrize("status", ["open", "muted"])
def test_an_issue_that_is_not_resolved_is_never_deleted(status: str) -> None:
    """However long it has been quiet; its last failure stays with it."""
    issue = an_issue(2_000, 1_000, status=status)

    prune(now=NOW)

    assert ages_of(issue) == [1_000]


def test_open_issues_go_when_told(settings: SettingsWrapper) -> None:
    """Muted ones don't: the next failure would open an issue that nobody has muted."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "PRUNE_OPEN_AFTER": timedelta(days=365)}
    an_issue(400)
    kept = {an_issue(300), an_issue(400, status="muted")}

    assert prune(now=NOW) == Pruned(issues=1, occurrences=1)
    assert set(OperationalIssue.objects.all()) == kept


def test_old_occurrences_go_and_the_newest_stays() -> None:
    """The counts are of all that was ever seen, so they don't change; what is shown is the newest."""
    old, mixed = an_issue(300, 200, 100), an_issue(200, 100, 10, 1)

    assert prune(now=NOW) == Pruned(occurrences=4)
    assert (ages_of(old), ages_of(mixed)) == ([100], [1, 10])
    old.refresh_from_db()
    assert (old.occurrence_count, old.first_seen_at) == (3, days_ago(300))
    assert prune(now=NOW) == Pruned()


def test_of_occurrences_at_one_moment_one_stays() -> None:
    """The order of their keys decides."""
    issue = an_issue(100, 100, 100)

    assert prune(now=NOW) == Pruned(occurrences=2)
    assert issue.occurrences.get().pk == max(issue.occurrences.values_list("pk", flat=True))


def test_rows_beyond_the_bound_go_oldest_first(settings: SettingsWrapper) -> None:
    """Whatever their age; the newest of an issue is no row too many."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "PRUNE_MAX_OCCURRENCES": 3}
    busy, rare = an_issue(6, 5, 4, 3, 2), an_issue(7)

    assert prune(now=NOW, dry_run=True) == prune(now=NOW) == Pruned(occurrences=2)
    assert (ages_of(busy), ages_of(rare)) == ([2, 3, 4], [7])
    assert prune(now=NOW) == Pruned()


def test_nothing_goes_where_nothing_is_to_go(settings: SettingsWrapper) -> None:
    """None keeps for ever."""
    never = dict.fromkeys(("PRUNE_RESOLVED_AFTER", "PRUNE_OCCURRENCES_AFTER", "PRUNE_MAX_OCCURRENCES"))
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, **never}
    an_issue(9_000, 8_000, status="resolved")

    assert prune(now=NOW) == Pruned()
    assert Occurrence.objects.count() == 2


def test_a_dry_run_tells_what_the_prune_does_then() -> None:
    """To the row, with occurrences that go with their issue counted once."""
    an_issue(200, 120, 100, status="resolved")
    an_issue(200, 120, 100, 1)
    before = Occurrence.objects.count()

    foretold = prune(now=NOW, dry_run=True)

    assert Occurrence.objects.count() == before
    assert prune(now=NOW) == foretold == Pruned(issues=1, occurrences=6)


def test_what_points_at_a_pruned_issue_lets_go() -> None:
    """Its return stays flagged as one, and a job that sent its tasks again stays readable."""
    old = an_issue(40, status="resolved")
    back = an_issue(1, previous=old, is_returned=True)
    job = RequeueJob.objects.create()
    job.issues.set([old, back])

    prune(now=NOW)

    back.refresh_from_db()
    assert (back.previous, back.is_returned, list(job.issues.all())) == (None, True, [back])


def test_a_pruned_issue_takes_repeats_and_counts_on() -> None:
    """What was pruned is counted as before."""
    stored(*(an_event(occurred_at=days_ago(age).timestamp()) for age in (102, 101, 100)))

    prune(now=NOW)
    stored(an_event(occurred_at=days_ago(99).timestamp()))

    issue = OperationalIssue.objects.get()
    assert (issue.occurrence_count, issue.first_seen_at, len(ages_of(issue))) == (4, days_ago(102), 2)


def test_no_release_is_blamed_for_what_came_before_the_rows_that_are_left(settings: SettingsWrapper) -> None:
    """The first row that is left is not the first that was."""
    other, issue = an_issue(50), an_issue(100, 3)
    Occurrence.objects.filter(issue=other).update(release="1.0")
    Occurrence.objects.filter(issue=issue).update(release="1.1")
    Occurrence.objects.filter(issue=issue, occurred_at=days_ago(100)).update(release="1.0")

    prune(now=NOW)

    assert ages_of(issue) == [3]
    assert of_issue(issue, now=NOW).since_release == ""


def test_batches_are_bounded_and_told() -> None:
    """A big issue goes batch by batch as well; what a batch did is told after it."""
    big = an_issue(status="resolved", quiet_days=40, occurrence_count=2 * BATCH + 5)
    Occurrence.objects.bulk_create(an_occurrence(big, days_ago(40 + n / 1e4)) for n in range(2 * BATCH + 5))
    live = an_issue(1)
    Occurrence.objects.bulk_create(an_occurrence(live, days_ago(100 + n / 1e4)) for n in range(BATCH + 1))
    told = [Pruned()]

    done = prune(now=NOW, progress=told.append)

    assert done == told[-1] == Pruned(issues=1, occurrences=3 * BATCH + 6)
    assert all(b.occurrences - a.occurrences <= BATCH for a, b in pairwise(told))


def test_a_prune_that_was_ended_leaves_the_rest_to_the_next() -> None:
    """Each batch is whole by itself."""
    issue = an_issue(1)
    Occurrence.objects.bulk_create(an_occurrence(issue, days_ago(100 + n / 1e4)) for n in range(BATCH + 10))

    def end(_done: Pruned) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(now=NOW, progress=end)

    assert prune(now=NOW) == Pruned(occurrences=10)
    assert ages_of(issue) == [1]


def test_a_batch_costs_as_many_queries_whatever_it_holds(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """Issues by the batch, too."""
    for _ in range(20):
        an_issue(40, status="resolved")
        an_issue(100, 95)

    with django_assert_max_num_queries(30):
        prune(now=NOW)

    assert (OperationalIssue.objects.count(), Occurrence.objects.count()) == (20, 20)


@pytest.mark.django_db(transaction=True)
def test_two_prunes_at_once_delete_what_one_would(settings: SettingsWrapper) -> None:
    """Together they count each row once, and the bound on rows is kept, not undercut."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "PRUNE_MAX_OCCURRENCES": 500}
    issue = an_issue(1)
    Occurrence.objects.bulk_create(an_occurrence(issue, days_ago(2 + n / 1e4)) for n in range(4 * BATCH))
    for _ in range(30):
        an_issue(40, status="resolved")
    done: list[Pruned] = []

    threads = [threading.Thread(target=_prune_in_thread, args=(done,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 3
    assert sum(one.issues for one in done) == 30
    assert OperationalIssue.objects.count() == 1
    assert Occurrence.objects.count() == 500
    assert sum(one.occurrences for one in done) == 4 * BATCH + 1 + 30 - 500


def _prune_in_thread(done: list[Pruned]) -> None:
    try:
        done.append(prune(now=NOW))
    finally:
        connection.close()


def test_the_command_says_what_went() -> None:
    """And, on a dry run, what would."""
    issue = an_issue(10_000, 9_000)

    assert issues("prune", "--dry-run")[:2] == (0, "would go: issues 0, occurrences 1\n")
    assert issues("prune")[:2] == (0, "deleted: issues 0, occurrences 1\n")
    assert '"occurrences": 0' in issues("prune", "--format", "json")[1]
    assert issue.occurrences.count() == 1


def test_the_task_prunes() -> None:
    """As beat runs it, by a name that does not change."""
    an_issue(9_000, status="resolved")

    tasks.prune.apply().get()

    assert tasks.prune.name == "issue_tracker.prune"
    assert not OperationalIssue.objects.exists()
