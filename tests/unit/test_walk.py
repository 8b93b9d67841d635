"""The walk: what is masked on the way through a value, what a cut leaves, how depth and cycles end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from issue_tracker.scrubber import MASK
from issue_tracker.serializer import EXACT, serialize
from issue_tracker.serializer.trees import SHOWN

TOKEN = "gh" + "p_" + "x1" * 18


def shown(value: object) -> Any:
    """Return the tree for people."""
    return serialize(value).tree


def test_secrets_are_masked_by_key_and_by_look() -> None:
    """Whatever stands under a secret key; strings that look like one; a pair of name and value."""
    found = serialize(
        {
            "password": "x",
            "api_key": 12345,
            "auth": {"user": "x"},
            "url": "https://u:p@host/?token=abc",
            "headers": [["X-Api-Key", "abc"], ("Cookie", "a=b"), (b"authorization", b"x")],
            "env": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "HOST", "value": "db"}],
            "note": f"it was {TOKEN}.",
            TOKEN: 1,
        }
    )

    assert found.tree == {
        "password": MASK,
        "api_key": MASK,
        "auth": MASK,
        "url": f"https://{MASK}@host/?token={MASK}",
        "headers": [["X-Api-Key", MASK], ["Cookie", MASK], ["authorization", MASK]],
        "env": [{"name": "DB_PASSWORD", "value": MASK}, {"name": "HOST", "value": "db"}],
        "note": f"it was {MASK}.",
        MASK: 1,
    }
    assert found.is_scrubbed
    assert not found.is_exact
    assert not found.is_cut


def test_a_key_that_may_be_secret_is_judged_by_its_value() -> None:
    """A count and a name stay, what looks generated goes."""
    tree = shown(
        {
            "tokens": 12,
            "tmdb_key": "ab12cd34ef56ab78cd90",
            "movie_key": "avatar",
            "refresh_tokens": ["q1w2e3r4t5y6u7i8o9"],
        }
    )

    assert tree == {"tokens": 12, "tmdb_key": MASK, "movie_key": "avatar", "refresh_tokens": [MASK]}


@pytest.mark.parametrize("value", [None, True, False, "", [], {}])
def test_the_absence_of_a_secret_is_no_secret(value: object) -> None:
    """It may be the very bug."""
    assert serialize({"password": value}).is_exact


def test_two_names_of_fields_are_no_pair_of_name_and_secret() -> None:
    """Nor are the arguments of a task, one after the other."""
    assert shown([["password", "email"]]) == [["password", "email"]]
    assert shown(["token", "abc1"]) == ["token", "abc1"]


def test_a_secret_at_the_cut_does_not_survive() -> None:
    """Neither its beginning before the border, nor what the masks before it move there."""
    for secret in (
        "https://u:" + "canary" * 30 + "@host",
        TOKEN,
        "-----BEGIN PRIVATE KEY-----\n" + "canary" * 900,
        "password='" + "canary" * 400,
    ):
        for shift in range(0, 240, 7):
            text = "y" * (1_024 - shift) + " " + secret + " " + "z" * 4_000
            assert "canary" not in shown(text)
            assert "x1x1" not in shown(text)


def test_a_private_key_early_in_a_long_text_does_not_pull_the_border_in() -> None:
    """Masking shortens the text; what was read beyond the limit must not come into sight half-read."""
    pem = "-----BEGIN PRIVATE KEY-----\n" + "M" * 900 + "\n-----END PRIVATE KEY-----\n"
    text = pem + "y" * (2_048 - len(pem) - 20) + " https://u:canarycanary@host " + "z" * 9_000

    assert "canary" not in shown(text)


def test_any_depth_is_walked_without_recursion() -> None:
    """100,000 levels of lists and dicts."""
    value: Any = 1
    for _ in range(50_000):
        value = {"a": [value]}

    assert "too deep" in json.dumps(shown(value))
    assert serialize(value, limits=EXACT).tree is None
    while isinstance(value, dict):  # taken apart by hand: the interpreter would recurse
        value = value["a"].pop()


def test_cycles_end() -> None:
    """A container within itself is marked; the same one twice, side by side, is not a cycle."""
    value: list[Any] = [1]
    value.append({"self": value})
    twice = ["x"]

    assert shown(value) == [1, {"self": "… [cycle]"}]
    assert serialize([twice, twice]).is_exact


def test_a_small_value_that_unfolds_to_a_huge_one_is_bounded() -> None:
    """Ten levels of ten references each: 10**10 leaves."""
    value: object = "x"
    for _ in range(10):
        value = [value] * 10

    assert len(json.dumps(shown(value))) <= SHOWN.max_bytes
    assert serialize(value, limits=EXACT).tree is None
