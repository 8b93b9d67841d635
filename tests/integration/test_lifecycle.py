"""State changes: each verb on one issue and on many, who wins when two are at it, and what takes repeats afterwards."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone

from issue_tracker.models import OperationalIssue
from issue_tracker.signals import issue_resolved
from tests.events import an_event, stored

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def an_issue(**values: Any) -> OperationalIssue:
    """An open issue that takes repeats, as the drain leaves it."""
    fingerprint = values.pop("fingerprint", "f" * 64)
    usual = {"name": "n", "task": "t", "error_message": "m", "fingerprint": fingerprint, "open_key": fingerprint}
    return OperationalIssue.objects.create(**(usual | values))


def state(issue: OperationalIssue) -> tuple[str, str | None, bool]:
    """Status, whether it takes repeats, whether it has a date of resolution."""
    fresh = OperationalIssue.objects.get(pk=issue.pk)
    return fresh.status, fresh.open_key, fresh.resolved_at is not None


def test_resolving_ends_an_issue() -> None:
    """It takes no more repeats; the instance shows it; a second time changes nothing."""
    issue = an_issue()

    assert issue.resolve(now=NOW) is True
    assert (issue.status, issue.resolved_at, issue.open_key) == ("resolved", NOW, None)
    assert issue.resolve() is False
    assert OperationalIssue.objects.get().resolved_at == NOW


def test_a_failure_after_the_resolution_opens_a_return() -> None:
    """A new issue, linked to the one before it."""
    stored(an_event())
    first = OperationalIssue.objects.get()
    first.resolve()

    stored(an_event())

    new = OperationalIssue.objects.exclude(pk=first.pk).get()
    assert (new.status, new.is_returned, new.previous_id, new.occurrence_count) == ("open", True, first.pk, 1)
    first.refresh_from_db()
    assert (first.status, first.occurrence_count) == ("resolved", 1)


def test_a_muted_issue_takes_all_and_stays_muted() -> None:
    """For ever, until a time, or until so many more."""
    stored(an_event())
    issue = OperationalIssue.objects.get()

    assert issue.mute() is True
    stored(an_event(), an_event())

    assert issue.mute() is False
    issue.refresh_from_db()
    assert (issue.status, issue.occurrence_count) == ("muted", 3)


def test_a_muted_issue_takes_all_though_it_had_taken_no_more() -> None:
    """One that was quiet for the window, or made by hand: muting it is what the person meant."""
    issue = an_issue(open_key=None)

    issue.mute()
    stored(an_event())

    assert OperationalIssue.objects.count() == 1
    issue.refresh_from_db()
    assert (issue.status, issue.open_key) == ("muted", "f" * 64)


def test_a_mute_ends_at_its_time() -> None:
    """The first failure after it opens the issue again."""
    stored(an_event())
    issue = OperationalIssue.objects.get()
    issue.mute(until=timezone.now() + timedelta(hours=1))
    stored(an_event())
    assert state(issue)[0] == "muted"
    OperationalIssue.objects.update(muted_until=timezone.now() - timedelta(seconds=1))

    stored(an_event())

    issue.refresh_from_db()
    assert (issue.status, issue.muted_until, issue.occurrence_count) == ("open", None, 3)


def test_a_mute_ends_at_its_count() -> None:
    """With the failure that reaches it, not before."""
    stored(an_event())
    issue = OperationalIssue.objects.get()
    issue.mute(more=3)

    stored(an_event(), an_event())
    assert state(issue)[0] == "muted"
    stored(an_event())

    issue.refresh_from_db()
    assert (issue.status, issue.muted_until_count, issue.occurrence_count) == ("open", None, 4)


@pytest.mark.parametrize("more", [0, -1])
def test_a_mute_until_nothing_more_is_refused(more: int) -> None:
    """It would be none, or end below nothing."""
    issue = an_issue()

    with pytest.raises(ValueError, match="at the earliest"):
        issue.mute(more=more)

    assert state(issue)[0] == "open"


def test_only_open_issues_are_muted() -> None:
    """A resolved one has nothing left to say."""
    issue = an_issue()
    issue.resolve()

    assert issue.mute() is False
    assert state(issue)[0] == "resolved"


def test_reopening_takes_repeats_again() -> None:
    """Resolved or muted, it is open as before."""
    resolved, muted = an_issue(), an_issue(fingerprint="g" * 64)
    resolved.resolve()
    muted.mute(until=NOW, more=5)

    assert resolved.reopen() is True
    assert muted.reopen() is True
    assert resolved.reopen() is False

    assert state(resolved) == ("open", "f" * 64, False)
    assert state(muted) == ("open", "g" * 64, False)
    assert (muted.muted_until, muted.muted_until_count) == (None, None)


def test_reopening_leaves_the_repeats_to_a_newer_issue() -> None:
    """One of a fingerprint takes them: the unique key decides, on an aborted transaction too."""
    old = an_issue()
    old.resolve()
    new = an_issue()

    assert old.reopen() is True

    assert state(old) == ("open", None, False)
    assert state(new) == ("open", "f" * 64, False)


def test_the_verbs_of_a_queryset_are_those_of_an_issue() -> None:
    """They say how many changed."""
    issues = [an_issue(fingerprint=letter * 64) for letter in "abcd"]
    issues[0].resolve()

    assert OperationalIssue.objects.all().resolve() == 3
    assert OperationalIssue.objects.all().resolve() == 0
    assert OperationalIssue.objects.all().reopen() == 4
    assert OperationalIssue.objects.filter(fingerprint="a" * 64).mute() == 1
    assert OperationalIssue.objects.all().mute() == 3
    assert OperationalIssue.objects.none().resolve() == 0


def test_the_questions_of_a_queryset() -> None:
    """Open, resolved, muted, recurring, in any combination."""
    opened, resolved, muted, returned = [an_issue(fingerprint=letter * 64) for letter in "abcd"]
    resolved.resolve()
    muted.mute()
    OperationalIssue.objects.filter(pk=returned.pk).update(is_returned=True)
    OperationalIssue.objects.filter(pk=muted.pk).update(first_seen_at=NOW - timedelta(days=2), last_seen_at=NOW)

    assert set(OperationalIssue.objects.open()) == {opened, returned}
    assert set(OperationalIssue.objects.resolved()) == {resolved}
    assert set(OperationalIssue.objects.muted()) == {muted}
    assert set(OperationalIssue.objects.recurring()) == {muted, returned}
    assert set(OperationalIssue.objects.open().recurring()) == {returned}
    assert set(OperationalIssue.objects.recurring(over=timedelta(days=3))) == {returned}
    assert set(OperationalIssue.objects.recurring(since=NOW + timedelta(days=1))) == set()


def test_who_did_it_is_kept() -> None:
    """With a user, in Django's LogEntry, one entry for each that changed."""
    user = User.objects.create_user("ana")
    one, other = an_issue(), an_issue(fingerprint="g" * 64)
    other.resolve()

    OperationalIssue.objects.all().resolve(by=user, note="deployed")
    one.reopen()

    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.object_id, entry.change_message) == (user, str(one.pk), "resolved: deployed")
    assert abs(timezone.now() - entry.action_time) < timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_a_resolution_is_announced_after_its_commit_once() -> None:
    """To receivers that can't stop each other."""
    told: list[tuple[OperationalIssue, bool]] = []

    def listen(*, issue: OperationalIssue, **_kwargs: object) -> None:
        told.append((issue, connection.in_atomic_block))
        raise RuntimeError

    issue_resolved.connect(listen)
    try:
        issue = an_issue()
        issue.resolve()
        issue.resolve()
    finally:
        issue_resolved.disconnect(listen)

    assert told == [(issue, False)]


@pytest.mark.django_db(transaction=True)
def test_of_two_people_one_wins() -> None:
    """Eight threads resolve the same issues at once: each issue is resolved by one of them."""
    for letter in "abcde":
        an_issue(fingerprint=letter * 64)
    barrier, counts = threading.Barrier(8), []

    def resolve() -> None:
        barrier.wait()
        try:
            counts.append(OperationalIssue.objects.all().resolve())
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=resolve) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 5


def test_many_change_in_a_bounded_number_of_statements(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    """Not one by one."""
    OperationalIssue.objects.bulk_create(
        OperationalIssue(name="n", task="t", error_message="m", fingerprint=f"{number:064}") for number in range(300)
    )

    with django_assert_max_num_queries(10):
        assert OperationalIssue.objects.all().resolve() == 300
