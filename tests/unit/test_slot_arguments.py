"""Arguments in slots: no secret reaches the disk by them, before, while or after the task runs."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from django.test import override_settings
from hypothesis import given, strategies

from issue_tracker.inflight import begin, end
from issue_tracker.inflight.arguments import MAX_CHARACTERS, slot_text
from issue_tracker.inflight.runs import slots_directory
from issue_tracker.scrubber import MASK, scrub

SECRETS = [
    ("{'password': 'canary'}", "canary"),
    ("('postgres://user:canary@db/x', 5)", "canary"),
    ("('Authorization: Bearer canary-canary',)", "canary"),
    ("('AKIAIOSFODNN7CANARY1',)", "CANARY"),
    ("(4111111111111111,)", "4111"),
    ("(4111 1111 1111 1111,)", "4111"),
    ("('x', " * 200 + "'sk_live_canarycanarycanary'", "canary"),
    ("'" + "x" * (MAX_CHARACTERS - 30) + " https://user:canary-canary@example.com/", "canary"),
    ({"token": "canary"}, "canary"),
]


@pytest.mark.parametrize(("arguments", "canary"), SECRETS)
def test_a_secret_is_masked(arguments: object, canary: str) -> None:
    """Whatever gives it away: its name, its look, its place in a URL; also at the cut."""
    text = slot_text(arguments)

    assert canary not in text
    assert len(text) <= MAX_CHARACTERS


PLAIN = [
    "()", "{}", "(5,)", "(-5, 2.5, [1, [2, 3]], None, True)", "('0b0e7c1e-94c8-4c1b-9a39-fd6a1f54e5f4', 17)",
    "('Cine Colombia', 'a@b.co')", "{'movie_id': 5, 'date': '2026-10-01'}", "",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    """So that the task can be sent again."""
    assert slot_text(text) == text


PIECES = [
    "'",
    '"',
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ", ",
    " ",
    "-",
    ".",
    ":",
    "=",
    "@",
    "//",
    "1",
    "4111",
    "1111",
    "None",
    "True",
]
PIECES += [
    "'0b0e7c1e-94c8-4c1b-9a39-fd6a1f54e5f4'",
    "0b0e7c1e",
    "password",
    "token",
    "key",
    "a",
    "eyJ",
    "sk_live_",
    "\n",
    ",",
]


@given(strategies.lists(strategies.sampled_from(PIECES), max_size=30).map("".join))
def test_the_short_way_lets_nothing_pass(text: str) -> None:
    """What isn't looked at closely is what `scrub` leaves as it is."""
    assert slot_text(text) == scrub(text)[:MAX_CHARACTERS]


def test_patterns_of_the_host_hold_for_numbers_too() -> None:
    """The short way is not taken then."""
    with override_settings(ISSUE_TRACKER={"SECRET_PATTERNS": [r"\b77\d+"]}):
        assert slot_text("(7712, 5)") == f"({MASK}, 5)"


def test_nothing_on_disk_knows_the_secret() -> None:
    """Neither while the task runs nor when it has ended."""
    task = Celery("test", set_as_current=False).task(name="scrape", shared=False)(scrape)
    task.push_request(id="an id", argsrepr="('https://u:canary@h/', 5)", **_rest())

    begin(task, "an id")
    while_it_runs = _written()
    end(task.request, "an id")

    assert b"scrape" in while_it_runs
    assert b"canary" not in while_it_runs
    assert b"canary" not in _written()


def scrape() -> None:
    """A task."""


def _rest() -> dict[str, Any]:
    return {"kwargsrepr": "{'password': 'canary'}", "retries": 0, "is_eager": False}


def _written() -> bytes:
    return b"".join(path.read_bytes() for path in slots_directory().iterdir())
