"""The demo's bookkeeping: what it expects, what it finds missing, and the table that it prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.cinema.scenes import ROUNDS, Expected, missing
from demo.cinema.table import state, table, totals
from issue_tracker.models import OperationalIssue

EXPECTED = Expected(name="Scrape Timeout", task="download", says="30 seconds", count=2)


def issue(**values: object) -> OperationalIssue:
    """Make an issue that is not stored, by default one that fits EXPECTED."""
    fitting = {
        "name": "Scrape Timeout",
        "task": "download",
        "severity": "error",
        "error_message": "no answer within 30 seconds",
        "occurrence_count": 2,
    }
    return OperationalIssue(**{**fitting, **values})


def test_an_issue_that_fits_is_not_missing() -> None:
    """More occurrences than expected do no harm."""
    assert missing([EXPECTED], [issue(occurrence_count=7)]) == []


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Scrape Failed"},
        {"task": "upload"},
        {"severity": "warning"},
        {"kind": "failure"},
        {"occurrence_count": 1},
        {"error_message": "no answer"},
    ],
)
def test_an_issue_that_differs_leaves_it_missing(values: dict[str, object]) -> None:
    """Every field that is expected is compared."""
    assert missing([EXPECTED], [issue(**values)]) == [EXPECTED]


def test_a_status_is_compared_when_one_is_expected() -> None:
    """A cleared condition must be resolved, not open."""
    resolved = replace(EXPECTED, status="resolved")

    assert missing([resolved], [issue()]) == [resolved]
    assert missing([resolved], [issue(status="resolved")]) == []


def test_a_return_is_compared_when_one_is_expected() -> None:
    """The first issue of its kind is no return."""
    returned = replace(EXPECTED, is_returned=True)

    assert missing([returned], [issue()]) == [returned]
    assert missing([returned], [issue(is_returned=True)]) == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "open"),
        ({"status": "muted"}, "muted"),
        ({"status": "resolved"}, "resolved"),
        ({"status": "resolved", "recovered_count": 2}, "cleared"),
        ({"status": "resolved", "recovered_count": 2, "kind": "retry"}, "recovered"),
        ({"status": "resolved", "recovered_count": 2, "kind": "worker_lost"}, "recovered"),
        ({"status": "resolved", "recovered_count": 2, "kind": "failure"}, "requeued"),
        ({"is_returned": True}, "open, returned"),
    ],
)
def test_the_state_says_what_became_of_an_issue(values: dict[str, object], expected: str) -> None:
    """One word, which the table shows."""
    assert state(issue(**values)) == expected


def test_two_that_expect_the_like_need_two_issues() -> None:
    """One issue can't stand for two."""
    assert missing([EXPECTED, EXPECTED], [issue()]) == [EXPECTED]


def test_what_is_missing_can_be_read() -> None:
    """The text names issue, task, kind, severity, count and message."""
    assert str(EXPECTED) == 'Scrape Timeout of download (report, error, 2 or more, saying "30 seconds")'


def test_the_table_is_as_wide_as_the_terminal_and_no_wider() -> None:
    """A long message is cut with a mark; short ones are whole; line breaks are spaces."""
    text = table([issue(error_message="first\nsecond " + "x" * 500), issue(error_message="short")], width=100)

    lines = text.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)
    assert "first second xxx" in lines[1]
    assert lines[1].endswith("…")
    assert lines[2].endswith("short")


def test_the_totals_count_issues_and_occurrences() -> None:
    """By severity, and in all."""
    text = totals([issue(), issue(severity="warning", occurrence_count=40)])

    assert text == "2 issues (1 error, 1 warning, 0 info), 42 occurrences"


def test_every_way_to_die_of_the_demo_is_expected_by_name() -> None:
    """The list of the demo: no entry may be lost by a change of the scenes."""
    names = {one.task.rpartition(".")[2] for scenes in ROUNDS for scene in scenes for one in scene.expected}

    assert names >= {
        "plain_exception",
        "chained_exception",
        "retry_then_success",
        "retries_exhausted",
        "soft_time_limit",
        "hard_time_limit",
        "killed_child",
        "unknown_tmdb_movie",
        "rollback_with_warning",
        "outage",
        "colombia_com_download_task",
        "save_showtimes_for_theater",
        "_get_or_create_movie",
    }
