"""CapturedIssues: what is new, what was there, and whose thread drains. The whole of it is played in acceptance."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import issue_tracker
from issue_tracker.models import OperationalIssue
from issue_tracker.spool import current
from issue_tracker.testing import CapturedIssues

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import SettingsWrapper

    from issue_tracker.testing import CapturedIssues as Issues

pytestmark = pytest.mark.django_db


def report(name: str = "No showtimes found") -> None:
    """What the host's code says."""
    issue_tracker.report(name, task="cinema.save_showtimes", error_message="none", context={"theater_id": 5})


def elsewhere(call: Callable[[], None]) -> None:
    """Call it in another thread, as an embedded worker would."""
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_another_thread_leaves_its_records_to_the_test(issues: Issues) -> None:
    """Its own connection would commit them behind the test's back."""
    elsewhere(report)

    assert not current().is_empty()
    assert issues.assert_one("No showtimes found").occurrence_count == 1
    assert current().is_empty()


def test_reading_the_issues_is_enough(issues: Issues) -> None:
    """The host's own queries see what another thread recorded."""
    elsewhere(report)

    assert OperationalIssue.objects.count() == 1


def test_what_an_earlier_test_left_is_no_news() -> None:
    """A worker that went on after its test has written to the same spool."""
    with CapturedIssues():
        elsewhere(report)
    with CapturedIssues() as issues:
        assert current().is_empty()
        issues.assert_none()


def test_an_issue_that_takes_a_repeat_is_new_again() -> None:
    """It was there before; this test made it happen once more."""
    with CapturedIssues():
        report()
    with CapturedIssues() as issues:
        assert issues.new() == []
        report()

        assert issues.assert_one("No showtimes found").occurrence_count == 2


@pytest.mark.parametrize(
    ("filters", "is_found"),
    [
        ({"name": "No showtimes found"}, True),
        ({"name": "No showtimes"}, False),
        ({"task": "cinema.save_showtimes"}, True),
        ({"task": "save_showtimes"}, True),
        ({"task": "showtimes"}, False),
        ({"kind": "report", "severity": "warning"}, True),
        ({"severity": "error"}, False),
        ({"context": {"theater_id": 5}}, True),
        ({"context": {"theater_id": 6}}, False),
        ({"context": {"movie": None}}, False),
    ],
)
def test_filters(issues: Issues, filters: dict[str, object], *, is_found: bool) -> None:
    """All that are given must fit."""
    report()

    assert len(issues.new(**filters)) == int(is_found)  # type: ignore[arg-type]


def test_several_are_not_one(issues: Issues) -> None:
    """The message counts them and shows each."""
    report("A")
    report("B")

    with pytest.raises(
        AssertionError, match=r"(?s)^2 new issues, one was expected with task='save_showtimes'.*A: none.*B: none"
    ):
        issues.assert_one(task="save_showtimes")


def test_settings_are_as_before_afterwards(settings: SettingsWrapper) -> None:
    """The spool of the test is no longer in force."""
    before = settings.ISSUE_TRACKER["SPOOL_DIR"]

    with CapturedIssues():
        assert str(current().directory.parent) != before

    assert str(current().directory.parent) == before
