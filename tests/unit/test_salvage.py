"""A damaged spool: whatever was done to its file, nothing raises, new records are kept, sound old ones come back."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from issue_tracker.spool import Spool, corrupt_files, put_away, readable_bodies
from issue_tracker.spool.frames import CHUNK_BYTES, HEAD_BYTES, MARK, frame_of, head_bytes
from issue_tracker.spool.salvage import KEPT_NAME
from tests.spools import filled, kill, put, stopped_with_the_lock, waiting

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"{number}:" + "x" * (200 + 150 * (number % 7)) for number in range(40)]
FIRST_FRAME = len(frame_of(TEXTS[0].encode()))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool that a killed process left."""
    return filled(tmp_path_factory.mktemp("original") / "spool", TEXTS).parent


@pytest.fixture
def spool(original: Path, tmp_path: Path) -> Spool:
    """A spool on a copy of it."""
    return copy_of(original, tmp_path)


def copy_of(original: Path, tmp_path: Path) -> Spool:
    """Copy the files and name them."""
    shutil.rmtree(tmp_path / "spool", ignore_errors=True)
    shutil.copytree(original, tmp_path / "spool")
    return Spool(tmp_path / "spool")


def sound_ones(spool: Spool) -> list[str]:
    """What waits unharmed, and what can still be read of what was set aside."""
    records = spool.claim(max_records=1_000, max_bytes=2**30)
    set_aside = [body for path in corrupt_files(spool.directory) for body in readable_bodies(path)]
    return [record.body.decode() for record in records if not record.flaw] + [body.decode() for body in set_aside]


def flip(path: Path, place: int, bit: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def test_a_file_cut_anywhere_keeps_all_records_before_the_cut(original: Path, tmp_path: Path) -> None:
    """What was whole stays, in order, and what comes after the cut is kept as ever."""
    content = (original / "records").read_bytes()
    ends = [HEAD_BYTES]
    for text in TEXTS:
        ends.append(ends[-1] + len(frame_of(text.encode())))
    borders = [place + step for place in ends for step in (-1, 0, 1, 11, 12, 13)]
    for cut in sorted({*range(HEAD_BYTES + 2), *borders, *random.Random(5).sample(range(len(content)), 40)}):
        if 0 <= cut <= len(content):
            spool = copy_of(original, tmp_path)
            spool.path.write_bytes(content[:cut])
            whole = sum(end <= cut for end in ends[1:])

            assert put(spool, "new"), cut

            assert sound_ones(spool) == [*TEXTS[:whole], "new"], cut
            assert sound_ones(spool) == [*TEXTS[:whole], "new"], cut


def test_no_frame_completes_a_head_that_was_cut_short() -> None:
    """Whatever its checksum ends with: else the frame that follows the cut would be taken for a part of the head."""
    for made_at in range(2_000):
        head = head_bytes(made_at)
        for cut in range(1, HEAD_BYTES):
            assert not (head[:cut] + frame_of(b"new")).startswith(head), (made_at, cut)


def test_a_torn_frame_at_the_end_is_cut_off_and_counted(spool: Spool) -> None:
    """Its process was killed in the middle of the write: nobody was told that it is kept."""
    size = spool.path.stat().st_size
    with spool.path.open("ab") as file:
        file.write(frame_of(b"x" * 500)[:300])

    assert waiting(spool) == TEXTS
    assert spool.path.stat().st_size == size
    assert spool.reserve.counts() == {"torn by a kill": 1}


def test_who_only_looks_changes_nothing(spool: Spool) -> None:
    """A page of the admin, or a scrape of the metrics, is no drain."""
    with spool.path.open("ab") as file:
        file.write(frame_of(b"x" * 500)[:300])
    before = spool.path.read_bytes()

    assert spool.depth() == len(TEXTS)
    assert (oldest := spool.oldest()) is not None
    assert oldest.body.decode() == TEXTS[0]
    assert not spool.is_empty()

    assert spool.path.read_bytes() == before
    flip(spool.path, 0, 0)
    assert (spool.depth(), spool.oldest(), spool.is_empty()) == (0, None, False)
    assert corrupt_files(spool.directory) == []


def test_a_torn_frame_in_the_middle_hides_nothing(spool: Spool) -> None:
    """Another process appended behind it."""
    with spool.path.open("ab") as file:
        file.write(frame_of(b"x" * 500)[:300])
    put(spool, "behind it")

    found = spool.claim(max_records=1_000, max_bytes=2**30)

    assert [record.body.decode() for record in found if not record.flaw] == [*TEXTS, "behind it"]
    assert [record.flaw for record in found if record.flaw] == ["torn"]


@pytest.mark.parametrize("content", [b"", b"junk", b"\0" * 5_000, b"ISSUES\r\n", MARK * 2_000, b"x" * CHUNK_BYTES * 2])
def test_any_content_of_the_file_stops_nothing(spool: Spool, content: bytes) -> None:
    """The next record is kept, and the drain gets at it."""
    spool.path.write_bytes(content)

    assert put(spool, "new")

    assert sound_ones(spool) == ["new"]


def test_flipped_bits_cost_what_they_hit(original: Path, tmp_path: Path) -> None:
    """One bit, anywhere, many times: at most the record it is in, and never in silence."""
    chance = random.Random(7)
    size = (original / "records").stat().st_size
    for place in [*range(HEAD_BYTES + 16), *chance.sample(range(size), 150)]:
        spool = copy_of(original, tmp_path)
        flip(spool.path, place, chance.randrange(8))

        found = set(sound_ones(spool))

        if place < HEAD_BYTES:
            assert found == set(TEXTS)
        else:
            flaws = [record.flaw for record in spool.claim(max_records=1_000, max_bytes=2**30) if record.flaw]
            assert len(set(TEXTS) - found) == 1
            assert flaws or spool.reserve.counts()
        assert put(spool, "new")
        assert "new" in sound_ones(spool)


def test_a_damaged_record_is_handed_over_with_its_flaw(spool: Spool) -> None:
    """The drain puts it into quarantine; the others are drained like any."""
    flip(spool.path, HEAD_BYTES + FIRST_FRAME - 1, 0)

    first, *others = spool.claim(max_records=1_000, max_bytes=2**30)

    assert (first.flaw, len(first.body)) == ("damaged", len(TEXTS[0]))
    assert [record.body.decode() for record in others] == TEXTS[1:]


def test_a_length_that_became_huge_hides_nothing_behind_it(spool: Spool) -> None:
    """The next mark is looked for."""
    flip(spool.path, HEAD_BYTES + 7, 6)

    assert sound_ones(spool) == TEXTS[1:]


def test_two_processes_set_the_same_file_aside_once(spool: Spool) -> None:
    """The second finds the sound one that was made anew, and leaves it alone."""
    flip(spool.path, 0, 0)
    other = Spool(spool.directory)

    assert spool.claim(max_records=1, max_bytes=1) == other.claim(max_records=1, max_bytes=1) == []

    assert len(corrupt_files(spool.directory)) == 1
    assert spool.reserve.counts() == {"spool damaged": 1}
    assert put(other, "new")
    assert sound_ones(spool) == ["new", *TEXTS]


def test_a_damaged_file_that_somebody_writes_to_is_left_for_later(spool: Spool) -> None:
    """His record would go with it unseen."""
    writer = stopped_with_the_lock(spool.directory, "LOCK_SH")
    flip(spool.path, 0, 0)

    assert spool.claim(max_records=1, max_bytes=1) == []
    assert corrupt_files(spool.directory) == []
    kill(writer)

    assert spool.claim(max_records=1, max_bytes=1) == []
    assert sound_ones(spool) == [*TEXTS, "before"]


def test_what_was_salvaged_is_kept_for_a_look_once(spool: Spool) -> None:
    """The last one only, under a name that nobody salvages again."""
    for _round in range(2):
        flip(spool.path, 0, 0)
        spool.claim(max_records=1, max_bytes=1)
        [aside] = corrupt_files(spool.directory)
        put_away(aside)
        put(spool, "new")

    assert corrupt_files(spool.directory) == []
    assert (spool.directory / KEPT_NAME).exists()
    assert waiting(spool) == ["new"]
