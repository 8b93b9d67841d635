"""What messages say: the reason first, one line, one link; captured text can do nothing in them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.models import Notification, OperationalIssue
from issue_tracker.notify import wording

HOSTILE = (
    "<!everyone> <@U123> @channel @here @all <https://evil.example|click> [click](https://evil.example) "
    "**bold** __strong__ _em_ `code` ~~gone~~ <script>alert(1)</script> www.evil.example\r\nBcc: x@y.z\n# head\x1b[31m"
)
MARKUP = "<>*`~[]|@"


def an_issue(**values: Any) -> OperationalIssue:
    """An issue that is not stored."""
    usual = {"pk": 5, "name": "ValueError", "task": "cinema.tasks.download", "error_message": "it broke"}
    return OperationalIssue(**{**usual, **values})


def rows(*reasons: str, count: int = 0) -> list[Notification]:
    """Reasons to tell of it."""
    return [Notification(reason=reason, count=count if reason == "volume" else 0) for reason in reasons]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["new"], "New: ValueError in cinema.tasks.download"),
        (["returned"], "Returned: ValueError in cinema.tasks.download"),
        (["unmuted"], "Mute ended: ValueError in cinema.tasks.download"),
        (["volume"], "1,000 failures within an hour: ValueError in cinema.tasks.download"),
        (["volume", "new"], "New: ValueError in cinema.tasks.download"),
        (["volume", "unmuted"], "Mute ended: ValueError in cinema.tasks.download"),
    ],
)
def test_the_subject_begins_with_the_strongest_reason(reasons: list[str], expected: str) -> None:
    """And names what failed and where."""
    assert wording.subject(rows(*reasons, count=1000), an_issue()) == expected


def test_a_report_without_a_task_has_a_subject() -> None:
    """Nothing is said of no task."""
    assert wording.subject(rows("new"), an_issue(task="")) == "New: ValueError"


def test_the_body_says_what_how_often_and_where_to_look() -> None:
    """The link to the issue is the last line, and the only one."""
    with override_settings(ISSUE_TRACKER={"BASE_URL": "https://example.com/"}):
        text = wording.body(rows("new", "volume", count=100), an_issue(occurrence_count=1234))

    lines = text.splitlines()
    assert lines[:2] == ["Message: it broke", "100 failures within an hour"]
    assert lines[2].startswith("Error, 1,234 ×, first seen ")
    assert lines[-1] == "https://example.com/admin/issue_tracker/operationalissue/5/change/"


def test_without_an_address_it_says_how_to_look() -> None:
    """BASE_URL is not set, or the site has no admin."""
    with override_settings(ISSUE_TRACKER={}):
        assert wording.link_to(an_issue()) == "See: manage.py issues show 5"
    with override_settings(ISSUE_TRACKER={"BASE_URL": "https://example.com"}, ROOT_URLCONF="tests.unit.test_wording"):
        assert wording.link_to(an_issue()) == "See: manage.py issues show 5"


urlpatterns: list[Any] = []


def test_captured_text_is_inert() -> None:
    """No markup, no mention, no link but ours, no line of its own, no terminal code."""
    with override_settings(ISSUE_TRACKER={"BASE_URL": "https://example.com"}):
        issue = an_issue(name=HOSTILE, task=HOSTILE, error_message=HOSTILE)
        head, text = wording.subject(rows("new"), issue), wording.body(rows("new"), issue)

    for said in (head, text):
        assert not set(MARKUP) & set(said)
        assert "__" not in said
        assert "\x1b" not in said
        assert "\r" not in said
        assert "www." not in said
    assert len(head.splitlines()) == 1
    assert len(head) <= 150
    assert len(text.splitlines()) == 4
    assert text.count("://") == 1


def test_names_stay_readable() -> None:
    """What is ordinary in the name of a task or an error is left as it is."""
    assert wording.inert("cinema.tasks.save_showtimes (id=5): 'x' != 3.0%", max_characters=80) == (
        "cinema.tasks.save_showtimes (id=5): 'x' != 3.0%"
    )


@given(st.text(max_size=400))
def test_any_text_becomes_one_short_line(text: str) -> None:
    """Whatever it holds."""
    said = wording.inert(text, max_characters=60)

    assert len(said.splitlines()) <= 1
    assert all(c.isprintable() or c == "\u2060" for c in said)
    assert not set(MARKUP) & set(said)
    assert "://" not in said


def test_a_digest_is_cut_at_lines_and_keeps_its_link() -> None:
    """For channels that take little."""
    text = "\n".join([f"New: ValueError in task {n}" for n in range(100)] + ["", "https://example.com/list"])

    cut = wording.fitted(text, max_characters=500)

    assert len(cut) <= 500
    lines = cut.splitlines()
    assert lines[-1] == "https://example.com/list"
    assert lines[-3] == "… and more, see the list."
    assert lines[:-3] == text.splitlines()[: len(lines) - 3]
    assert wording.fitted(text, max_characters=100_000) == text
