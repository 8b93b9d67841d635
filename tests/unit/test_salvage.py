"""A damaged spool: whatever was done to its files, nothing raises, new records are kept, sound old ones come back."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from issue_tracker.spool import Spool, SpoolError, corrupt_files, put_away, readable_bodies
from issue_tracker.spool.salvage import KEPT_NAME, in_order, is_damage
from tests.spools import filled, put, waiting

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"{number}:" + "x" * (200 + 150 * (number % 7)) for number in range(40)]
SAMPLES = 40
HEADER = b"SQLite format 3\0"


@pytest.fixture(scope="module")
def in_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool that a killed process left, its records in the database file."""
    return filled(tmp_path_factory.mktemp("database") / "spool", TEXTS, in_log=False).parent


@pytest.fixture(scope="module")
def in_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool that a killed process left, its records in the log."""
    return filled(tmp_path_factory.mktemp("log") / "spool", TEXTS, in_log=True).parent


def copy_of(original: Path, tmp_path: Path) -> Spool:
    """A spool on a copy of the files."""
    shutil.rmtree(tmp_path / "spool", ignore_errors=True)
    shutil.copytree(original, tmp_path / "spool")
    return Spool(tmp_path / "spool")


def cuts_of(path: Path) -> list[int]:
    """Sizes to cut a file to: the ends, the borders of pages and frames, and some in between."""
    size = path.stat().st_size
    borders = [0, 1, 15, 16, 31, 32, 56, 99, 100, 1_023, 1_024, 1_025, 32 + 24, 32 + 24 + 1_024, size - 1_024, size - 1]
    return sorted({*borders, *random.Random(5).sample(range(size), SAMPLES)})


def bodies_of(spool: Spool) -> list[bytes]:
    """What waits, and what can still be read of what was set aside."""
    try:
        records = spool.claim(max_records=1_000, max_bytes=2**30)
    except SpoolError:  # set aside just now
        records = spool.claim(max_records=1_000, max_bytes=2**30)
    set_aside = [body for path in corrupt_files(spool.directory) for body in readable_bodies(path)]
    return [record.body for record in records] + set_aside


def all_of(spool: Spool) -> list[str]:
    """The same as texts."""
    return [body.decode() for body in bodies_of(spool)]


def flip(path: Path, place: int, bit: int) -> None:
    """Change one bit of a file."""
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def test_a_log_cut_anywhere_keeps_all_records_before_the_cut(in_log: Path, tmp_path: Path) -> None:
    """What was whole stays, in order; what comes after it is kept as ever."""
    kept_before = 0
    for size in cuts_of(in_log / "records.sqlite3-wal"):
        spool = copy_of(in_log, tmp_path)
        os.truncate(spool.directory / "records.sqlite3-wal", size)

        assert put(spool, "new")

        *kept, new = waiting(spool)
        assert (kept, new) == (TEXTS[: len(kept)], "new")
        assert kept_before <= len(kept)
        kept_before = len(kept)
        spool.before_fork()
        spool.after_fork()
    assert kept_before >= len(TEXTS) - 1


def test_a_database_cut_anywhere_gives_back_what_it_still_holds(in_database: Path, tmp_path: Path) -> None:
    """Most of what stands before the cut is read; a body that the cut tore is seen as no JSON by the drain."""
    size_of_all = (in_database / "records.sqlite3").stat().st_size
    for size in cuts_of(in_database / "records.sqlite3"):
        spool = copy_of(in_database, tmp_path)
        os.truncate(spool.path, size)

        assert put(spool, "new")

        found = all_of(spool)
        assert "new" in found
        old = set(found) & set(TEXTS)
        torn = set(found) - old - {"new"}
        assert all("\0" in text for text in torn)
        assert len(torn) <= 1
        assert len(old) >= len(TEXTS) * (size - 4_096) / size_of_all - 2
        spool.before_fork()
        spool.after_fork()


@pytest.mark.parametrize("name", ["records.sqlite3", "records.sqlite3-wal", "records.sqlite3-shm"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\0" * 5_000, b"not a database, but a text", b"\xff" * 70_000, HEADER, HEADER + b"\x10" * 4_080],
    ids=["empty", "zero", "zeros", "text", "ones", "header", "header and junk"],
)
def test_any_content_in_any_of_the_files_stops_nothing(in_log: Path, tmp_path: Path, name: str, content: bytes) -> None:
    """The next record is kept, and the drain gets at it."""
    spool = copy_of(in_log, tmp_path)
    (spool.directory / name).write_bytes(content)

    assert put(spool, "new", "and another")

    assert {"new", "and another"} <= set(all_of(spool))


def test_flipped_bits_stop_nothing(in_database: Path, tmp_path: Path) -> None:
    """One bit, anywhere, many times: no exception but SpoolError, at most once, and most records are there."""
    dice = random.Random(7)
    size = (in_database / "records.sqlite3").stat().st_size
    for number in range(SAMPLES):
        spool = copy_of(in_database, tmp_path)
        in_a_page_header = 1_024 * dice.randrange(size // 1_024) + dice.randrange(12)
        flip(spool.path, [dice.randrange(size), dice.randrange(1_024), in_a_page_header][number % 3], dice.randrange(8))

        is_kept = put(spool, "new")

        found = bodies_of(spool)
        assert not is_kept or b"new" in found
        old = {text.encode() for text in TEXTS} & set(found)
        assert len(old) >= len(TEXTS) // 2 or spool.reserve.counts() == {"spool corrupt": 1}
        assert put(spool, "later")
        spool.before_fork()
        spool.after_fork()


def test_a_body_that_became_a_text_is_drained_as_its_bytes(tmp_path: Path) -> None:
    """A single flipped bit does that; the drain must not stop at it."""
    spool = Spool(tmp_path / "spool")
    put(spool, "one", "two")
    assert spool._connection is not None
    spool._connection.execute("UPDATE record SET body = CAST(body AS TEXT) WHERE id = 1")

    assert waiting(spool) == ["one", "two"]


def test_ids_out_of_order_are_damage() -> None:
    """A drain that trusted them would acknowledge what it has not seen, or the same batch for ever."""
    rows = in_order([(3, b"a"), (4, b"b"), (2, b"c")], after=2)

    assert [next(rows), next(rows)] == [(3, b"a"), (4, b"b")]
    with pytest.raises(sqlite3.DatabaseError) as found:
        next(rows)
    assert is_damage(found.value)


def test_a_process_that_meets_damage_keeps_its_record_whole(in_database: Path, tmp_path: Path) -> None:
    """Not a stub: the file is set aside at once, and counted."""
    spool = copy_of(in_database, tmp_path)
    with open(spool.path, "r+b") as file:
        file.seek(1_024)  # the schema stays, the table doesn't
        file.write(b"\0" * 10_000)

    assert put(spool, "one", "two")

    assert waiting(spool) == ["one", "two"]
    assert not spool.reserve.entries()
    assert spool.reserve.counts() == {"spool corrupt": 1}


def test_two_processes_set_the_same_file_aside_once(in_database: Path, tmp_path: Path) -> None:
    """The second finds the sound one that the first has made, and leaves it alone."""
    spool = copy_of(in_database, tmp_path)
    os.truncate(spool.path, 5_000)
    other = Spool(spool.directory)

    assert put(spool, "one")
    assert put(other, "two")

    assert waiting(spool) == ["one", "two"]
    assert len(corrupt_files(spool.directory)) == 1
    assert spool.reserve.counts() == {"spool corrupt": 1}


def test_what_was_salvaged_is_kept_for_a_look_once(tmp_path: Path) -> None:
    """The last one only, under a name that nobody salvages again."""
    for number in range(3):
        (tmp_path / f"corrupt-{number}.sqlite3").write_text(str(number))
    (tmp_path / "corrupt-2.sqlite3-wal").write_text("log")

    for path in corrupt_files(tmp_path):
        put_away(path)

    assert corrupt_files(tmp_path) == []
    assert (tmp_path / KEPT_NAME).read_text() == "2"
    assert (tmp_path / f"{KEPT_NAME}-wal").read_text() == "log"


def test_a_corrupt_file_that_somebody_holds_is_left_for_later(in_database: Path, tmp_path: Path) -> None:
    """Only damage is passed over; being locked is not."""
    spool = copy_of(in_database, tmp_path)
    holder = sqlite3.connect(spool.path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        list(readable_bodies(spool.path, timeout_seconds=0.05))

    holder.close()
