"""Arguments in slots: no secret reaches the disk by them, before, while or after the task runs."""

from __future__ import annotations

from types import SimpleNamespace
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


def noted(args: object, kwargs: object = "{}") -> list[str]:
    """What a slot holds of Celery's two texts."""
    return slot_text(SimpleNamespace(argsrepr=args, kwargsrepr=kwargs, args=None, kwargs=None)).split("\0")


@pytest.mark.parametrize(("arguments", "canary"), SECRETS)
def test_a_secret_is_masked(arguments: object, canary: str) -> None:
    """Whatever gives it away: its name, its look, its place in a URL; also at the cut. What stands beside it stays."""
    for args, kwargs in (noted(arguments, "{'a': 1}"), noted("(5,)", arguments)):
        assert canary not in args + kwargs
        assert len(args) <= MAX_CHARACTERS
        assert len(kwargs) <= MAX_CHARACTERS
        assert kwargs == "{'a': 1}" or args == "(5,)"


PLAIN = [
    "()", "{}", "(5,)", "(-5, 2.5, [1, [2, 3]], None, True)", "('0b0e7c1e-94c8-4c1b-9a39-fd6a1f54e5f4', 17)",
    "('Cine Colombia', 'a@b.co')", "{'movie_id': 5, 'date': '2026-10-01'}", "",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    """So that the task can be sent again."""
    assert noted(text) == [text, "{}"]


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


TEXTS = strategies.lists(strategies.sampled_from(PIECES), max_size=30).map("".join)


@given(TEXTS, TEXTS)
def test_two_texts_that_are_looked_at_together_let_nothing_pass(args: str, kwargs: str) -> None:
    """Each comes out as if it had been looked at alone."""
    assert noted(args, kwargs) == [scrub(args)[:MAX_CHARACTERS], scrub(kwargs)[:MAX_CHARACTERS]]


def test_patterns_of_the_host_hold_for_numbers_too() -> None:
    """Also one that asks for the end of a text."""
    with override_settings(ISSUE_TRACKER={"SECRET_PATTERNS": [r"\b77\d+", r"\d\)$"]}):
        assert noted("(7712, 5)") == [f"({MASK}, {MASK}", "{}"]


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
