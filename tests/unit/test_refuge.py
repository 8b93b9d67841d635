"""What neither spool nor reserve can take: kept in memory, told once the disk is back, never twice."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from issue_tracker.spool import Spool
from issue_tracker.spool.refuge import BEYOND, MAX_KEYS, Refuge
from issue_tracker.spool.reserve import Reserve
from tests.spools import finish, put, start, waiting

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the spool will be, once nothing is in its way."""
    return tmp_path / "spool"


def seen(spool: Spool) -> dict[bytes, int]:
    """Return how often each stub of the reserve was seen."""
    return {entry.stub: entry.seen for entry in spool.reserve.entries()}


def test_what_an_unusable_directory_cost_is_told_later(directory: Path) -> None:
    """A file stands in the directory's place: nothing can be written, and nothing is forgotten."""
    directory.write_text("in the way")
    spool = Spool(directory)
    assert not put(spool, "one", "two", "one")

    directory.unlink()
    assert put(spool, "three", "four")

    assert waiting(spool) == ["three", "four"]
    assert seen(spool) == {b"stub of one": 2, b"stub of two": 1}
    assert spool.reserve.counts() == {"disk unusable": 3}


def test_a_symlink_in_the_directorys_place_costs_no_count(directory: Path, tmp_path: Path) -> None:
    """It is not followed, and what came meanwhile is told when it is gone."""
    directory.symlink_to(tmp_path)
    spool = Spool(directory)
    assert not put(spool, "one")

    directory.unlink()
    assert put(spool, "two")

    assert seen(spool) == {b"stub of one": 1}


def test_a_child_does_not_tell_what_its_parent_keeps(directory: Path) -> None:
    """The parent tells it: once is enough."""
    code = """
    place = Path(sys.argv[1])
    place.write_text("in the way")
    assert not put("one")
    place.unlink()
    child = os.fork()
    if not child:
        os._exit(0 if put("child") else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not spool.reserve.entries()
    assert put("parent")
    """
    finish(start(code, directory))

    assert seen(Spool(directory)) == {b"stub of one": 1}


def test_it_is_bounded(directory: Path) -> None:
    """A flood of fingerprints keeps a stub of the first ones, and a count of all."""
    refuge, reserve = Refuge(), Reserve(directory)
    for number in range(MAX_KEYS + 30):
        refuge.take_in(key=f"key {number}", stub=b"stub")

    refuge.move_into(reserve)

    assert not refuge
    entries = reserve.entries()
    assert len(entries) == MAX_KEYS + 1
    assert sum(entry.seen for entry in entries) == MAX_KEYS + 30
    assert reserve.counts() == {"disk unusable": MAX_KEYS + 30}
    assert len(BEYOND) < 64


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_read_only_costs_no_count(tmp_path: Path) -> None:
    """As a disk becomes after an error of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m,ro", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        spool = Spool(disk / "spool")
        assert not put(spool, "one", "one")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)

        assert put(spool, "two")

        assert seen(spool) == {b"stub of one": 2}
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
