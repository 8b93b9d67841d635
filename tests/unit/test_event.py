"""The event and its bytes: what is written comes back, whatever is read is an event or an error of one kind."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest
from hypothesis import given, strategies

from issue_tracker.event import (
    FIELD_NAMES,
    MAX_RECORD_BYTES,
    MAX_STUB_BYTES,
    RANKS,
    Event,
    Kind,
    Severity,
    UnreadableRecordError,
    decode,
    encode,
    encode_stub,
    event_id_of,
    stub,
)
from issue_tracker.fingerprint import VERSION

TEXT = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=50)
TREES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers(-(2**53), 2**53) | TEXT,
    lambda children: strategies.lists(children, max_size=3) | strategies.dictionaries(TEXT, children, max_size=3),
    max_leaves=10,
)


def an_event(**values: Any) -> Event:
    """An event with what every event has."""
    return Event(
        **{"event_id": "e" * 32, "kind": "failure", "severity": "error", "name": "KeyError", "task": "t"} | values
    )


def test_an_event_does_not_change() -> None:
    """What was captured is a value."""
    with pytest.raises(FrozenInstanceError):
        an_event().name = "other"  # type: ignore[misc]


@given(
    text=TEXT,
    tree=TREES,
    context=strategies.dictionaries(TEXT, TREES, max_size=3),
    attempt=strategies.integers(0, 2**31 - 1),
)
def test_an_event_comes_back_as_it_was(text: str, tree: Any, context: dict[str, Any], attempt: int) -> None:
    """Encoding loses nothing of plain JSON values."""
    event = an_event(
        error_message=text,
        traceback=text,
        args=[tree],
        kwargs=tree,
        context=context,
        attempt=attempt,
        occurred_at=1e9 + 0.25,
    )

    assert decode(encode(event)) == event


def test_every_field_comes_back() -> None:
    """A field that is added is carried without further ado."""
    samples: dict[str, Any] = {
        "str": "text",
        "int": 3,
        "float": 2.5,
        "bool": True,
        "Any": [1, {"a": None}],
        "str | None": "",
    }
    event = Event(**{f.name: samples.get(str(f.type), {"key": "value"}) for f in fields(Event)})

    assert decode(encode(event)) == event
    assert set(FIELD_NAMES) == {f.name for f in fields(Event)}


def test_the_fingerprint_is_made_where_it_is_asked_for() -> None:
    """The drain asks; a stub has it, for its message is cut; the host's own stays."""
    event = an_event(error_message="no theater 5 " + "x" * 1_000)

    assert decode(encode(event)).fingerprint == ""
    keyed = decode(encode(event), is_keyed=True)
    assert (keyed.fingerprint, keyed.fingerprint_version) == (event.keyed(), VERSION)
    assert decode(encode_stub(event, reason="r")).fingerprint == event.keyed()
    said = decode(encode(an_event(fingerprint="mine")), is_keyed=True)
    assert (said.fingerprint, said.fingerprint_version) == ("mine", 0)


def test_defaults_take_no_room() -> None:
    """A small failure is a small record."""
    assert set(json.loads(encode(an_event()))) == {
        "event_id", "kind", "severity", "name", "task"
    }  # fmt: skip


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "\x00", "\u2028", "🎬" * 1_000])
def test_any_text_can_be_written(value: str) -> None:
    """Lone surrogates are replaced, all else is kept."""
    found = decode(encode(an_event(error_message=value, args=[value])))

    assert found.error_message == value.encode("utf-8", "replace").decode()
    assert not found.is_stub


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1, 2}, object(), b"bytes", lambda: None],
    ids=["nan", "inf", "set", "object", "bytes", "function"],
)
def test_what_is_no_json_becomes_a_stub(value: Any) -> None:
    """A fault of the serializer costs the arguments, not the record."""
    found = decode(encode(an_event(args=[value], error_message="kept", task_id="id")))

    assert found.is_stub
    assert (found.args, found.error_message, found.task_id, found.payload_note) == (None, "kept", "id", "cut")
    assert "could not be encoded" in found.context["reduced"]


def test_a_cycle_and_a_depth_become_stubs() -> None:
    """json raises ValueError for the one and RecursionError for the other."""
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: list[Any] = []
    for _level in range(100_000):
        deep = [deep]

    assert decode(encode(an_event(args=cycle))).is_stub
    assert decode(encode(an_event(args=deep))).is_stub


def test_a_record_too_big_becomes_a_stub_that_says_how_big_it_was() -> None:
    """No record is larger than its bound."""
    body = encode(
        an_event(args=["x" * 300_000], traceback="first line\n" * 1_000 + "last line", options={"queue": "q"})
    )

    found = decode(body)
    assert len(body) <= 2_048
    assert found.is_stub
    assert found.context["reduced"].startswith("This record was 312,172 bytes")
    assert found.traceback.endswith("last line")


@given(character=strategies.characters(exclude_categories=["Cs"]), count=strategies.integers(0, 300_000))
def test_no_record_passes_its_bound(character: str, count: int) -> None:
    """Also where a character takes six bytes, as JSON escapes do."""
    event = an_event(
        error_message=character * min(count, 8_192),
        args=[character * count],
        name=character * min(count, 255),
        **dict.fromkeys(
            ("task", "task_id", "worker", "queue", "culprit", "exception_type"), character * min(count, 255)
        ),
    )

    body = encode(event)

    assert len(body) <= MAX_RECORD_BYTES
    assert decode(body).event_id == event.event_id
    reduced = encode_stub(event, reason="did not fit")
    assert len(reduced) <= MAX_STUB_BYTES
    assert decode(reduced).is_stub


def test_a_stub_keeps_what_identifies() -> None:
    """Task, id, fingerprint and kind stay; what is big goes."""
    event = an_event(fingerprint="f", task_id="id", attempt=2, kwargs={"a": 1}, payload={"args": [], "kwargs": {}})

    assert stub(event, reason="was big") == replace(
        event,
        kwargs=None,
        payload=None,
        payload_note="cut",
        is_stub=True,
        context={"reduced": "This record was big; only its head was kept."},
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "a field is missing"),
        (b"[" * 100_000, "not JSON"),
        (
            json.dumps({"event_id": 1, "kind": "k", "severity": "s", "name": "n", "task": "t"}).encode(),
            "event_id is not text",
        ),
        (json.dumps({"event_id": "", "kind": "k", "severity": "s", "name": "n", "task": "t"}).encode(), "event_id"),
    ],
)
def test_bytes_that_are_no_record_are_named(body: bytes, message: str) -> None:
    """The drain puts them into quarantine with this text."""
    with pytest.raises(UnreadableRecordError, match=message):
        decode(body)


@pytest.mark.parametrize(
    "values",
    [
        {"attempt": -1}, {"attempt": 2**31}, {"attempt": "2"}, {"attempt": 1.5},
        {"occurred_at": "now"}, {"occurred_at": True},
        {"context": []}, {"options": None}, {"name": None}, {"traceback": 5}, {"fingerprint": ["f"]},
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_type_is_refused(values: dict[str, Any]) -> None:
    """Nothing that the columns could not take gets past the decoder."""
    body = json.dumps(json.loads(encode(an_event())) | values).encode()

    with pytest.raises(UnreadableRecordError):
        decode(body)


@given(
    strategies.binary(max_size=200)
    | strategies.text().map(str.encode)
    | TREES.map(lambda tree: json.dumps(tree).encode())
)
def test_any_bytes_are_an_event_or_unreadable(body: bytes) -> None:
    """No other error leaves the decoder."""
    with suppress(UnreadableRecordError):
        assert isinstance(decode(body), Event)


def test_a_record_of_a_later_version_is_read() -> None:
    """Versions may mix on a host: keys that this one doesn't know are dropped."""
    body = json.dumps(json.loads(encode(an_event())) | {"colour": "red"}).encode()

    assert decode(body) == an_event()


def test_an_event_id_names_a_death() -> None:
    """The same parts give the same id, in any process; other parts, or the same in other places, another."""
    assert event_id_of("task", 0, "run") == event_id_of("task", 0, "run")
    assert len(event_id_of("\ud800")) == 23
    assert (
        len(
            {
                event_id_of("a", "b"),
                event_id_of("ab", ""),
                event_id_of("", "ab"),
                event_id_of("a", 1),
                event_id_of("a", 2),
            }
        )
        == 5
    )


def test_precedence_is_as_written() -> None:
    """Revoked, failure > retry > postrun > slot, whatever comes first."""
    order = [Kind.REVOKED, Kind.FAILURE, Kind.RETRY, Kind.INTERNAL_ERROR, Kind.EXITED, Kind.WORKER_LOST]

    ranks = [an_event(kind=kind.value).rank for kind in order]

    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)
    assert set(RANKS) <= set(Kind)
    assert [severity.value for severity in Severity] == ["error", "warning", "info"]
