"""The setting NOTIFY: what a rule may say, what it sends, and that its address is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from issue_tracker import rules
from issue_tracker.models import Notification, OperationalIssue
from issue_tracker.rules import Rule, parse

ISSUE = {"severity": "error", "task": "billing.tasks.send", "kind": "failure"}


def wants(rule: dict[str, Any], *, reason: str = "new", **about: str) -> bool:
    """Whether a rule sends a message about such an issue."""
    [parsed] = parse([{"to": "mail", **rule}])
    return parsed.wants(reason=reason, **{**ISSUE, **about})


def test_nothing_is_sent_by_default() -> None:
    """An empty list is allowed, and is the default."""
    assert parse([]) == ()


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("mail", "mail"),
        (["ops@example.com", "cto@example.com"], "mail:ops@example.com,cto@example.com"),
        ("slack://A/B/C", "slack://A/B/C"),
    ],
)
def test_a_channel_is_mail_or_a_url(to: object, expected: str) -> None:
    """ADMINS, a list of addresses, or what apprise understands."""
    assert parse([{"to": to}]) == (Rule(to=expected),)


@pytest.mark.parametrize(
    ("rule", "about", "is_sent"),
    [
        ({}, {}, True),
        ({}, {"severity": "warning"}, True),
        ({}, {"severity": "info"}, False),
        ({"severities": ["error"]}, {"severity": "warning"}, False),
        ({"severities": ["info"]}, {"severity": "info"}, True),
        ({"tasks": ["billing.*"]}, {}, True),
        ({"tasks": ["billing.*"]}, {"task": "billing"}, False),
        ({"tasks": ["cinema.*", "*.send"]}, {}, True),
        ({"tasks": ["[z-a]", "["]}, {}, False),
        ({}, {"kind": "retry", "severity": "warning"}, False),
        ({"kinds": ["retry"]}, {"kind": "retry", "severity": "warning"}, True),
        ({"kinds": ["retry"]}, {}, False),
        ({}, {"task": "issue_tracker.doctor.failure"}, False),
        ({}, {"reason": "returned"}, True),
        ({}, {"reason": "unmuted"}, True),
        ({}, {"reason": "volume"}, True),
        ({}, {"reason": "daily"}, False),
        ({"reasons": ["volume"]}, {}, False),
    ],
)
def test_a_rule_chooses(rule: dict[str, Any], about: dict[str, str], *, is_sent: bool) -> None:
    """By severity, task, kind and reason; what it leaves out is ordinary."""
    assert wants(rule, **about) is is_sent


@pytest.mark.parametrize(
    "value",
    [
        "mail", {"to": "mail"}, ["mail"], [{}], [{"to": ""}], [{"to": "ops@example.com"}], [{"to": []}], [{"to": [5]}],
        [{"to": ["no address"]}], [{"to": ["a@b.c\r\nBcc: x@y.z"]}], [{"to": None}],
        [{"to": "mail", "severity": ["error"]}], [{"to": "mail", "severities": "error"}],
        [{"to": "mail", "severities": ["fatal"]}], [{"to": "mail", "kinds": ["nonsense"]}],
        [{"to": "mail", "reasons": ["always"]}], [{"to": "mail", "tasks": [5]}],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(value: object) -> None:
    """With what it must be instead."""
    with pytest.raises(ValueError, match="must"):
        parse(value)


def test_no_address_is_ever_shown() -> None:
    """Neither by an error, nor where a rule is printed: a URL holds the secret of its channel."""
    with pytest.raises(ValueError, match="must") as caught:
        parse([{"to": "slack://A/B/S3CRET", "reasons": ["always"]}])

    assert "S3CRET" not in str(caught.value)
    assert "S3CRET" not in repr(parse([{"to": "slack://A/B/S3CRET"}]))


def test_the_words_are_those_of_the_models() -> None:
    """One word for each thing, on both sides of the seam."""
    assert list(rules.REASONS) == Notification.Reason.values
    assert list(rules.SEVERITIES) == OperationalIssue.Severity.values
