"""The reserve: stubs and counts where nothing else can be kept, shared by processes, robust against damage."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies
from hypothesis import settings as hypothesis_settings

from issue_tracker.spool.reserve import MAX_STUB_BYTES, OTHERS, SLOT_BYTES, SLOTS, Reserve
from tests.spools import finish, start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    """A reserve that nothing was written to yet."""
    return Reserve(tmp_path / "spool")


def take(reserve: Reserve, *keys: str) -> None:
    """Let the reserve take one failure of each key."""
    for key in keys:
        assert reserve.take_in(key=key, stub=f"stub of {key}".encode(), reason="spool full")


def kept(reserve: Reserve) -> dict[bytes, tuple[int, int]]:
    """What waits: seen and drained by stub."""
    return {entry.stub: (entry.seen, entry.drained) for entry in reserve.entries()}


def test_asking_touches_no_disk(reserve: Reserve) -> None:
    """Nothing is there before something is needed."""
    assert reserve.counts() == {}
    assert reserve.entries() == []
    assert not reserve.has_entries()
    assert not reserve.path.parent.exists()


def test_the_room_is_there_from_the_start(reserve: Reserve) -> None:
    """All blocks are allocated, so that a full disk doesn't matter later; twice is once."""
    reserve.prepare()
    reserve.prepare()

    status = reserve.path.stat()
    assert status.st_size == SLOT_BYTES * SLOTS
    assert status.st_blocks * 512 >= status.st_size
    assert not reserve.has_entries()


def test_the_first_of_a_key_is_kept_and_the_others_are_counted(reserve: Reserve) -> None:
    """One row for each problem, and a true count."""
    take(reserve, "a", "b", "a", "a")

    assert kept(reserve) == {b"stub of a": (3, 0), b"stub of b": (1, 0)}
    assert reserve.counts() == {"spool full": 4}
    assert reserve.has_entries()


def test_what_was_drained_makes_room(reserve: Reserve) -> None:
    """An acknowledged entry waits no more; the counts by reason stay."""
    take(reserve, "a", "a")

    reserve.ack(reserve.entries())

    assert not reserve.has_entries()
    assert reserve.counts() == {"spool full": 2}


def test_what_came_while_it_was_drained_waits_for_the_next_drain(reserve: Reserve) -> None:
    """Nothing falls between reading and acknowledging."""
    take(reserve, "a", "b")
    entries = reserve.entries()
    take(reserve, "a", "a", "c")

    reserve.ack(entries)

    assert kept(reserve) == {b"stub of a": (3, 1), b"stub of c": (1, 0)}
    reserve.ack(reserve.entries())
    assert not reserve.has_entries()


def test_the_keys_that_find_no_slot_are_counted(reserve: Reserve) -> None:
    """The file does not grow."""
    take(reserve, *(f"key {number}" for number in range(SLOTS + 9)))

    assert len(kept(reserve)) == SLOTS - 1
    assert reserve.counts() == {"spool full": SLOTS + 9, OTHERS: 10}
    assert reserve.path.stat().st_size == SLOT_BYTES * SLOTS


def test_any_key_and_any_stub_is_taken(reserve: Reserve) -> None:
    """Long keys are cut; a stub beyond the page leaves its count."""
    assert reserve.take_in(key="", stub=b"of an empty key", reason="r")
    assert reserve.take_in(key="k" * 1_000, stub=b"of a long key", reason="r" * 1_000)
    assert reserve.take_in(key="full", stub=b"x" * MAX_STUB_BYTES, reason="r")
    assert reserve.take_in(key="big", stub=b"x" * (MAX_STUB_BYTES + 1), reason="r")

    assert set(kept(reserve)) == {b"of an empty key", b"of a long key", b"x" * MAX_STUB_BYTES, b""}
    assert reserve.counts() == {"r": 3, "r" * 64: 1}


def test_a_key_that_is_no_text_costs_only_itself(reserve: Reserve) -> None:
    """A lone surrogate can't be written: the caller is told."""
    assert reserve.take_in(key="\ud800", stub=b"", reason="r") is False
    assert reserve.take_in(key="k", stub=b"", reason="r") is True


def test_too_many_reasons_stop_nothing(reserve: Reserve) -> None:
    """Their page is bounded; the entries go on."""
    for number in range(200):
        assert reserve.take_in(key="k", stub=b"stub", reason=f"{number:064}")

    assert kept(reserve) == {b"stub": (200, 0)}
    assert 0 < len(reserve.counts()) < 200


def test_threads_count_exactly(reserve: Reserve) -> None:
    """No count is lost between threads."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: take(reserve, f"key {number % 3}"), range(150)))

    assert {seen for seen, _drained in kept(reserve).values()} == {50}


def test_processes_count_exactly(reserve: Reserve) -> None:
    """No count is lost between processes."""
    code = """
    for number in range(100):
        assert spool.reserve.take_in(key=f"key {number % 2}", stub=b"stub", reason="r")
    """
    for process in [start(code, reserve.path.parent) for _number in range(3)]:
        finish(process)

    assert [entry.seen for entry in reserve.entries()] == [150, 150]
    assert reserve.counts() == {"r": 300}


def test_an_unusable_place_is_told_and_raises_nothing(tmp_path: Path) -> None:
    """The caller says on stderr that the failure is lost."""
    (tmp_path / "file").write_text("")
    reserve = Reserve(tmp_path / "file" / "spool")

    assert reserve.take_in(key="k", stub=b"", reason="r") is False
    reserve.count("r", 1)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    place=strategies.integers(0, SLOT_BYTES * 6),
    junk=strategies.binary(min_size=1, max_size=200) | strategies.just(b"\xff" * 300) | strategies.just(b"\0" * 300),
    size=strategies.none() | strategies.integers(0, SLOT_BYTES * SLOTS),
)
def test_damage_costs_no_more_than_what_it_hit(
    tmp_path_factory: pytest.TempPathFactory, place: int, junk: bytes, size: int | None
) -> None:
    """Overwritten or cut off anywhere, it goes on counting and raises nothing, and no count becomes absurd."""
    reserve = Reserve(tmp_path_factory.mktemp("reserve") / "spool")
    take(reserve, "a", "b", "c")
    with open(reserve.path, "r+b") as file:
        file.seek(place)
        file.write(junk)
        if size is not None:
            os.ftruncate(file.fileno(), size)

    entries = reserve.entries()
    reserve.counts()
    reserve.ack(entries)
    take(reserve, "new")

    assert b"stub of new" in kept(reserve)
    assert all(entry.seen < 2**48 for entry in entries)


def test_a_file_replaced_by_a_link_is_not_followed(reserve: Reserve, tmp_path: Path) -> None:
    """Nothing is written where somebody else's link points."""
    reserve.prepare()
    reserve.path.unlink()
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    reserve.path.symlink_to(tmp_path / "elsewhere")

    assert reserve.take_in(key="k", stub=b"", reason="r") is False
    assert (tmp_path / "elsewhere").read_bytes() == b"untouched"
