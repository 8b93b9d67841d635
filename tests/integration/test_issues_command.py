"""`manage.py issues`: what it prints, what it changes, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from issue_tracker.models import Occurrence, OperationalIssue
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


def test_explain_says_which_parts_made_the_key() -> None:
    """Task, type, place, and the message without what differs; for scripts too."""
    event = replace(an_event(task="shop.tasks.pay", error_message="slow: 5 s", fingerprint=""), fingerprint_version=1)
    stored(replace(event, fingerprint=event.keyed()))
    issue = OperationalIssue.objects.get()

    out = issues("explain", str(issue.pk))[1]

    told = json.loads(issues("explain", str(issue.pk), "--format", "json")[1])
    assert all(part in out for part in ("shop.tasks.pay", "ValueError", "cinema.tasks:download", issue.fingerprint))
    assert (told["message"], told["version"], told["takes repeats"]) == ("slow: #", "1", "yes")


def test_explain_tells_of_the_parts_that_were_not_taken_from_what_is_shown() -> None:
    """The key given by the host; what a worse failure has renamed; what was stored without a key."""
    stored(an_event(fingerprint="d" * 64, fingerprint_version=0, given_key="seats of theater 5"))
    OperationalIssue.objects.bulk_create([OperationalIssue(name="By hand", task="t", error_message="m")])

    assert "given  seats of theater 5" in issues("explain", str(OperationalIssue.objects.get(task__contains=".").pk))[1]
    assert "past `save()`" in issues("explain", str(OperationalIssue.objects.get(name="By hand").pk))[1]


def test_show_tells_the_stories() -> None:
    """How it comes back, what it returned from, and the latest runs with their attempts, wherever those are."""
    stored(an_event(name="TimeoutError", task_id="one", fingerprint="a" * 64))
    first = OperationalIssue.objects.get()
    first.resolve()
    stored(
        an_event(kind="retry", name="KeyError", task_id="two", fingerprint="c" * 64),
        an_event(kind="failure", name="TimeoutError", task_id="two", attempt=1, fingerprint="a" * 64),
    )
    issue = OperationalIssue.objects.get(is_returned=True)
    Occurrence.objects.filter(task_id="two", attempt=1).update(outcome="requeued", requeued_as="three")

    out = issues("show", str(issue.pk))[1]

    assert "Seen 2 times, on 1 of the last 30 days." in out
    assert f"issue {first.pk}, seen last" in out
    assert "two  1. KeyError, 2. TimeoutError: Sent again as three" in out
    told = json.loads(issues("show", str(issue.pk), "--format", "json")[1])
    assert (told["returned_from"], [one["attempt"] for one in told["latest_runs"][0]]) == ([first.pk], [0, 1])


def test_a_change_is_kept_with_who_and_why(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """In Django's LogEntry; a note without a name would be lost, so it is refused, as is a name that isn't there."""
    User.objects.create_user("ana")

    assert issues("resolve", str(two[0].pk), "--by", "ana", "--note", "deployed")[0] == 0
    assert issues("reopen", str(two[0].pk), "--by", "ana")[0] == 0
    assert issues("mute", str(two[1].pk), "--by", "ana", "--more", "5", "--note", "known")[0] == 0
    assert issues("mute", str(two[0].pk), "--note", "known")[0] == 2
    assert issues("mute", str(two[0].pk), "--by", "nobody")[0] == 2

    said = LogEntry.objects.order_by("pk").values_list("user__username", "object_id", "change_message")
    assert list(said) == [
        ("ana", str(two[0].pk), "resolved: deployed"),
        ("ana", str(two[0].pk), "reopened"),
        ("ana", str(two[1].pk), "muted until 5 more occurrences: known"),
    ]


def test_requeue_asks_for_a_yes(two: tuple[OperationalIssue, OperationalIssue]) -> None:
    """Unless the task's policy is "safe"; with 1, for a script to notice."""
    code, _out, err = issues("requeue", "--task", "pay")

    assert code == 1
    assert "shop.tasks.pay asks for a confirmation" in err
    assert not Occurrence.objects.exclude(requeued_as="").exists()


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
