"""Texts that differ in digits only: what is remembered of one holds for the others, or is not remembered."""

from __future__ import annotations

import pytest
from django.test import override_settings
from hypothesis import given, strategies

from issue_tracker.scrubber import MASK, masking, scrub

DIGITS = strategies.text("0123456789", min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Each test begins anew."""
    masking._harmless.clear()


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("r9_" + "aB3" * 12, "r8_" + "aB3" * 12),
        ("pay with 4111 1111 1111 1112", "pay with 4111 1111 1111 1111"),
        ("card 4111-1111-1111-1112.", "card 4111-1111-1111-1111."),
        ("code 111111111111111111", "code 123456781234567812"),
        ("Basic YTox", "Basic YTo1"),
        ("https://u2:x@h/", "https://u1:x@h/"),
        ("%41", "%40"),
        ("a1111111111111b1", "a1928374655647b9"),
        ("at https%3A%2F%2Fu%3Ax%41h", "at https%3A%2F%2Fu%3Ax%40h"),
        ("do9_v1_abcdefghijklmnopqrst", "dop_v1_abcdefghijklmnopqrst"),
    ],
)
def test_a_text_with_other_digits_is_judged_by_itself(first: str, other: str) -> None:
    """The first one, harmless or not, must not open a way for the second."""
    alone = masking._masked(other)

    scrub(first)

    assert scrub(other) == alone


@given(
    head=strategies.sampled_from(
        ["theater ", "password=", "key: ", "AKIA", "sk_live_", "ghp_", "https://u:", "Bearer ", ""]
    ),
    first=DIGITS,
    other=DIGITS,
    tail=strategies.text("abcXYZ-_ @:/%", max_size=30),
)
def test_what_is_remembered_changes_no_verdict(head: str, first: str, other: str, tail: str) -> None:
    """Whatever came before."""
    for digits in (first, other):
        scrub(head + digits + tail + digits)

    text = head + other + tail + first
    assert scrub(text) == masking._masked(text)


def test_harmless_arguments_are_remembered_but_for_their_numbers() -> None:
    """That is what makes them cheap."""
    scrub("{'url': 'https://www.colombia.com/cine/1234'}")

    assert b"{'url': 'https://www.colombia.com/cine/0000'}" in masking._harmless


def test_the_hosts_own_patterns_are_asked_each_time() -> None:
    """They may look for digits."""
    with override_settings(ISSUE_TRACKER={"SECRET_PATTERNS": [r"\b77\d+"]}):
        assert scrub("number 8812") == "number 8812"
        assert scrub("number 7712") == f"number {MASK}"


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of shapes begins it anew."""
    monkeypatch.setattr(masking, "CACHED_TEXTS", 3)
    for name in ("anna", "berta", "clara", "dora"):
        scrub(f"theater {name} 12")

    assert masking._harmless == {b"theater dora 00"}
