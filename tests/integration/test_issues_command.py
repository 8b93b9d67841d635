"""`manage.py issues`: what it prints, what it changes, how it ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from issue_tracker.models import OperationalIssue
from issue_tracker.recording import append
from issue_tracker.selection import moment
from tests.events import an_event, stored

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def issues(*arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it wrote to stdout and stderr."""
    out, err = StringIO(), StringIO()
    try:
        call_command("issues", *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def two() -> tuple[OperationalIssue, OperationalIssue]:
    """Two open issues of two tasks."""
    stored(an_event(fingerprint="a" * 64, name="Timeout", task="shop.tasks.pay", error_message="slow"))
    stored(an_event(fingerprint="b" * 64, name="KeyError", task="shop.tasks.mail", severity="warning"))
    return OperationalIssue.objects.get(name="Timeout"), OperationalIssue.objects.get(name="KeyError")


def test_list_shows_open_issues_and_filters(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """By the end of a task's name, severity, text, time; 1 when nothing matches."""
    two[1].resolve()

    assert "Timeout" in issues("list")[1]
    assert "KeyError" not in issues("list")[1]
    assert "KeyError" in issues("list", "--status", "all", "--severity", "warning")[1]
    assert "Timeout" in issues("list", "--task", "pay", "--search", "SLOW", "--since", "1h")[1]
    assert issues("list", "--task", "nothing") == (1, "No issues.\n", "")


def test_list_as_json_is_for_scripts(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """A list of objects."""
    rows = json.loads(issues("list", "--format", "json")[1])

    assert {row["name"]: row["count"] for row in rows} == {"Timeout": 1, "KeyError": 1}


def test_show_prints_an_issue_whole_and_harmless(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """Control characters are spelt out: captured text can't move a cursor."""
    stored(an_event(fingerprint="c" * 64, name="Evil", error_message="a\x1b[2Jb"))
    evil = OperationalIssue.objects.get(name="Evil")

    code, out, _err = issues("show", str(evil.pk))

    assert (code, "\x1b" in out, "\\x1b[2Jb" in out) == (0, False, True)
    assert "ValueError: it broke" in out
    assert json.loads(issues("show", str(two[0].pk), "--format", "json")[1])["name"] == "Timeout"


def test_explain_says_which_parts_made_the_key(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """Task, type, place, and the message without what differs."""
    out = issues("explain", str(two[0].pk))[1]

    assert all(part in out for part in ("shop.tasks.pay", "ValueError", "cinema.tasks:download", "slow", "a" * 64))


def test_an_unknown_id_is_said_so() -> None:
    """With what to do."""
    code, _out, err = issues("show", "4711")

    assert code == 1
    assert "There is no issue 4711" in err


@pytest.mark.parametrize(
    ("verb", "status"), [("resolve", "resolved"), ("mute", "muted")]
)  # fmt: skip
def test_verbs_change_what_is_named(two: tuple[OperationalIssue, OperationalIssue], verb: str, status: str) -> None:
    """By id, then back."""
    assert issues(verb, str(two[0].pk))[0] == 0
    two[0].refresh_from_db()
    assert two[0].status == status

    assert issues("reopen", str(two[0].pk))[0] == 0
    two[0].refresh_from_db()
    assert two[0].status == "open"
    assert issues("reopen", str(two[0].pk))[0] == 1


def test_verbs_change_what_a_filter_chooses(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """And nothing without one."""
    assert issues("resolve")[0] == 2
    assert issues("resolve", "--task", "mail")[1] == "1 resolved.\n"
    assert list(OperationalIssue.objects.open().values_list("name", flat=True)) == ["Timeout"]


def test_mute_takes_a_time_to_come_or_a_count(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """Until then, or until so many more."""
    tomorrow = timezone.localdate() + timedelta(days=1)
    assert issues("mute", str(two[0].pk), "--until", tomorrow.isoformat())[0] == 0
    assert issues("mute", str(two[1].pk), "--more", "5")[0] == 0
    assert issues("mute", str(two[1].pk), "--until", "2020-01-01")[0] == 2

    two[0].refresh_from_db()
    two[1].refresh_from_db()
    assert two[0].muted_until is not None
    assert two[1].muted_until_count == 6


def test_requeue_says_what_it_would_do(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """A dry run sends nothing."""
    code, out, _err = issues("requeue", "--task", "pay", "--dry-run")

    assert code == 0
    assert "no task named shop.tasks.pay" in out
    assert "0 would be sent, 1 refused." in out


def test_stats_count_and_tell_of_the_spool(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """Issues by status, what waits, what was given up."""
    found = json.loads(issues("stats", "--format", "json")[1])

    assert found["issues"] == {"open": 2}
    assert found["occurrences"] == 2
    assert found["spool"]["waiting"] == 0


def test_drain_empties_the_spool_by_hand() -> None:
    """As a cron job, or with --follow as a side-car."""
    append(an_event())

    assert issues("drain")[1] == "1 stored, 0 merged, 0 put into quarantine.\n"
    assert OperationalIssue.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("3h", NOW - timedelta(hours=3)),
        ("2d", NOW - timedelta(days=2)),
        ("1w", NOW - timedelta(days=7)),
        ("2026-11-01T10:00:00+00:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_times_are_read(text: str, expected: datetime) -> None:
    """So long ago, or a date."""
    assert moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "5y", "-3d", "2026-13-01"])
def test_times_that_are_none_are_refused(text: str) -> None:
    """With the forms that are meant."""
    with pytest.raises(ValueError, match="90m, 3h, 2d"):
        moment(text, now=NOW)
