"""The serializer: any value becomes a bounded, scrubbed tree of plain JSON values, whatever the value does."""

from __future__ import annotations

import datetime
import json
import sys
import tracemalloc
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issue_tracker.scrubber import MASK
from issue_tracker.serializer import EXACT, Serialized, serialize, trees
from issue_tracker.serializer.small import small_tree
from issue_tracker.serializer.trees import SHOWN, Limits

USUAL = ["Avatar", 5, {"theater_id": 3, "url": "http://x/y"}]
TOKEN = "gh" + "p_" + "x1" * 18


class Colour(Enum):
    """An enum without a mix-in."""

    RED = "r"


class Level(IntEnum):
    """An enum of integers."""

    HIGH = 3


class Word(StrEnum):
    """An enum of texts."""

    YES = "yes"


Point = namedtuple("Point", ["x", "password"])


@dataclass
class Movie:
    """A dataclass with a field that its author hides."""

    title: str
    year: int = 2009
    hidden: str = field(default="x", repr=False)


def shown(value: object) -> Any:
    """Return the tree for people."""
    return serialize(value).tree


def flags(found: Serialized) -> tuple[bool, bool, bool]:
    """Return whether it is exact, scrubbed, cut."""
    return found.is_exact, found.is_scrubbed, found.is_cut


def size(tree: object) -> int:
    """Return the bytes of a tree as JSON, as a record writes it."""
    return len(json.dumps(tree, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))


@pytest.mark.parametrize("limits", [SHOWN, EXACT])
@pytest.mark.parametrize(
    "value",
    [None, True, 0, -5, 2**53 - 1, 1.5, -0.0, "", "text", "ñ€🎬", [], {}, [[], {}], USUAL, {"a": {"b": [1, "2"]}}],
)
def test_plain_values_come_through_unchanged(value: object, limits: Limits) -> None:
    """What JSON can say is said exactly."""
    found = serialize(value, limits=limits)

    assert found.tree == value
    assert flags(found) == (True, False, False)


@pytest.mark.parametrize(
    ("value", "tree"),
    [
        ((1, (2, "x")), [1, [2, "x"]]),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (Level.HIGH, 3),
        (Word.YES, "yes"),
    ],
)
def test_what_json_gives_back_as_an_equal_value_is_exact(value: object, tree: object) -> None:
    """Tuples as lists, subclasses of dict, and enums that are texts or integers."""
    found = serialize(value)

    assert found.tree == tree
    assert found.is_exact


@pytest.mark.parametrize(
    ("value", "tree"),
    [
        (datetime.datetime(2024, 5, 1, 10, 30, tzinfo=datetime.UTC), "2024-05-01T10:30:00+00:00"),
        (datetime.date(2024, 5, 1), "2024-05-01"),
        (datetime.time(10, 30), "10:30:00"),
        (datetime.timedelta(minutes=90), "1:30:00"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (PurePosixPath("/a/b"), "/a/b"),
        (Colour.RED, "Colour.RED"),
        (b"hello", "<5 bytes: hello>"),
        (bytearray(b"\xff\x00"), "<2 bytes: \\xff\ufffd>"),
        (memoryview(b"abc"), "<memoryview of 3 bytes>"),
        (1 + 2j, "(1+2j)"),
        (range(3), "range(0, 3)"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (deque([1, 2]), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (UserDict(a=1), {"a": 1}),
        (ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Point(1, "x"), {"x": 1, "password": MASK}),
        (Movie("Avatar"), {"title": "Avatar", "year": 2009, "hidden": MASK}),
        (ValueError("no"), "ValueError: no"),
        (KeyError("no"), "KeyError: 'no'"),
        (Movie, f"<class {__name__}.Movie>"),
        (len, "<builtin_function_or_method builtins.len>"),
        (flags, f"<function {__name__}.flags>"),
        (sys, "<module sys>"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (2**53, "9007199254740992"),
        (-(2**53), "-9007199254740992"),
        pytest.param(10**5000, "int of 16,610 bits", id="huge"),
        ("a\x00b\ud800c", "a\ufffdb\ufffdc"),
        (object(), "<object object>"),
        ((n for n in [1]), "<generator <genexpr>>"),
    ],
)
def test_other_values_become_text_or_plain_containers(value: object, tree: object) -> None:
    """And are not exact: a task would get something else back."""
    found = serialize(value)

    assert found.tree == tree
    assert not found.is_exact
    assert not found.is_cut


def test_integers_of_64_bits_survive_a_requeue() -> None:
    """Ids of other services pass 2**53; only readers of JSON in JavaScript round them."""
    assert serialize([2**63 - 1], limits=EXACT).is_exact
    assert not serialize([2**63], limits=EXACT).is_exact


def test_keys_that_are_no_text_are_marked() -> None:
    """1 and "1" stay two keys; so do two that look the same."""
    found = serialize({1: "a", "1": "b", None: "c", (1, "x"): "e", b"k": "f", "1 (int)": "g"})

    assert found.tree == {
        "1 (int)": "a",
        "1": "b",
        "None (NoneType)": "c",
        "(1, x) (tuple)": "e",
        "k (bytes)": "f",
        "1 (int) #2": "g",
    }
    assert not found.is_exact


def test_long_keys_are_cut_and_stay_distinct() -> None:
    """They end with a hash of the whole."""
    tree = shown({"k" * 500 + "a": 1, "k" * 500 + "b": 2})

    assert [len(key) for key in tree] == [128, 128]


def test_cuts_are_marked_with_the_original_size() -> None:
    """Strings, lists, dicts."""
    found = serialize(
        {"text": "x" * 10_485_760, "list": list(range(1_000_000)), "dict": dict.fromkeys(map(str, range(60)))}
    )

    assert len(found.tree["text"]) == 1_024
    assert found.tree["text"].endswith("x… [cut, 10,485,760 characters]")
    assert found.tree["list"][-2:] == [49, "… [999,950 more items]"]
    assert found.tree["dict"]["…"] == "… [10 more items]"
    assert flags(found) == (False, False, True)


def test_deep_values_are_shown_as_a_line_below_five_levels() -> None:
    """And looked at to the twentieth."""
    found = serialize([[[[[{"password": "x", "b": [1]}, []]]]]])

    assert found.tree == [[[[['{"password": "[scrubbed]", "b": [1]}', []]]]]]
    assert flags(found) == (False, True, True)


def test_twenty_levels_can_be_sent_again() -> None:
    """And the twenty-first can't."""
    value: object = 1
    for _ in range(20):
        value = [value]

    assert serialize(value, limits=EXACT).tree == value
    assert serialize([value], limits=EXACT) == Serialized(tree=None, is_exact=False, is_scrubbed=False, is_cut=True)


WIDE = {
    "texts": ["x" * 1_000] * 50,
    "control characters": ["\x01" * 1_000] * 50,
    "film reels": ["🎬" * 1_000] * 50,
    "keys": [{"\x01" * 120 + str(n): n for n in range(50)}] * 50,
    "numbers": [[2**50] * 50] * 50,
    "marks": [list(range(60))] * 60,
    "bytes": [b"\x00" * 500] * 900,
}


@pytest.mark.parametrize("name", WIDE)
def test_a_tree_stays_within_its_bytes(name: str) -> None:
    """Whatever a character takes in JSON."""
    found = serialize(WIDE[name])

    assert size(found.tree) <= SHOWN.max_bytes
    assert found.is_cut


def test_the_payload_is_all_or_nothing() -> None:
    """64 KiB are kept as they are, more is not kept at all."""
    assert serialize(["x" * 60_000], limits=EXACT).is_exact
    assert serialize(list(range(10_000)), limits=EXACT).is_exact
    for value in (["x" * 70_000], ["x" * 1_000] * 70, list(range(100_000)), "x" * 10_000_000):
        assert serialize(value, limits=EXACT).tree is None


def test_big_values_cost_little_memory() -> None:
    """10 MB of text, a million items: at most 8 MiB more (P2)."""
    values = [
        "x" * 10_000_000,
        list(range(1_000_000)),
        {n: n for n in range(100_000)},
        b"x" * 10_000_000,
        Decimal("1" * 100_000),
    ]
    for value in [*values, ValueError("x" * 10_000_000), ValueError(list(range(1_000_000))), {"k" * 10_000_000: 1}]:
        tracemalloc.start()
        for limits in (SHOWN, EXACT):
            serialize(value, limits=limits)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * 1024 * 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.decimals(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=40,
)


@settings(deadline=None)
@given(JSON)
def test_whatever_goes_in_valid_json_within_bounds_comes_out(value: object) -> None:
    """And what is called exact is given back by JSON, tuples as lists."""
    for limits in (SHOWN, EXACT):
        found = serialize(value, limits=limits)

        assert size(found.tree) <= limits.max_bytes
        assert not (found.is_exact and (found.is_cut or found.is_scrubbed))
        if found.is_exact:
            assert json.loads(json.dumps(found.tree)) == lists(value)


def lists(value: Any) -> Any:
    """Return a value with its tuples as lists."""
    if isinstance(value, list | tuple):
        return [lists(item) for item in value]
    return {key: lists(item) for key, item in value.items()} if isinstance(value, dict) else value


class Endless(Mapping[str, int]):
    """A mapping without an end that says it has three items."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield str(number)

    def __getitem__(self, key: str) -> int:
        return int(key)


def test_a_mapping_is_read_no_further_than_it_says() -> None:
    """Nor than the limit of items."""
    assert shown(Endless()) == {"1": 1, "2": 2, "3": 3}


def test_a_generator_is_not_consumed() -> None:
    """The task may still need it."""
    source = (n for n in range(3))

    serialize([source, iter([1]), Path(__file__).open])

    assert list(source) == [0, 1, 2]


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=40)
KEYS = st.text(max_size=8) | st.sampled_from(["name", "value", "password", "theater_id", "url", "key"])


@given(st.lists(PLAIN, max_size=12) | st.dictionaries(KEYS, PLAIN, max_size=12))
def test_the_short_way_for_small_values_leads_where_the_long_one_does(value: Any) -> None:
    """Whole and without a secret, or not at all."""
    tree = small_tree(value)

    assert tree is None or trees._serialize(value, SHOWN) == Serialized(
        tree=tree, is_exact=True, is_scrubbed=False, is_cut=False
    )
