"""The spool between processes: two that append, one that was stopped, forks, and a disk that is really full."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from issue_tracker.spool import Spool, SpoolError, beside
from issue_tracker.spool import reserve as reserve_module
from issue_tracker.spool import store as spool_module
from issue_tracker.spool.locks import directory_locked
from tests.processes import until
from tests.spools import filled, finish, kill, put, start, stopped_with_the_lock, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

SOMEBODY_ELSE = 65_534
"""nobody's user id."""

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the spool will be."""
    return tmp_path / "spool"


def test_two_processes_append_while_a_third_drains(directory: Path) -> None:
    """Every record arrives once, whoever wrote it and whenever it was claimed."""
    code = """
    for number in range(400):
        assert put(f"{sys.argv[2]}-{number:03}")
    """
    writers = [start(code, directory, name) for name in "ab"]

    drainer, drained = Spool(directory), []
    while any(writer.poll() is None for writer in writers) or not drainer.is_empty():
        batch = drainer.claim(max_records=50, max_bytes=10**6)
        drained += [record.body.decode() for record in batch]
        drainer.ack(batch)

    for writer in writers:
        finish(writer)
    assert sorted(drained) == [f"{name}-{number:03}" for name in "ab" for number in range(400)]
    assert [text for text in drained if text.startswith("a")] == sorted(
        text for text in drained if text.startswith("a")
    )


def test_many_processes_may_make_a_spool_at_once(directory: Path) -> None:
    """Whoever comes second finds the file half made, and waits."""
    writers = [
        start("assert put(sys.argv[2])\nassert not spool.reserve.counts()", directory, number) for number in range(6)
    ]

    for writer in writers:
        finish(writer)

    assert sorted(waiting(Spool(directory))) == list("012345")


def test_what_was_appended_outlives_a_kill(directory: Path) -> None:
    """An append that returned is on disk, for all that a kill can do."""
    filled(directory, ["one", "two"])

    assert waiting(Spool(directory)) == ["one", "two"]


def test_a_fork_appends_by_a_connection_of_its_own(directory: Path) -> None:
    """What a child appends stays when its parent closes the spool: SQLite's notes of locks are not inherited."""
    code = """
    put("parent")
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        put("child, first")
        os.write(to_parent, b"x")
        os.read(from_parent, 1)
        put("child, last")
        os._exit(0)
    os.read(from_child, 1)
    put("parent again")
    spool._close()
    os.write(to_child, b"x")
    assert os.waitpid(child, 0)[1] == 0
    """
    finish(start(code, directory))

    assert waiting(Spool(directory)) == ["parent", "child, first", "parent again", "child, last"]


def test_a_fork_in_the_middle_of_an_append_leaves_the_child_free(directory: Path) -> None:
    """A lock that another thread of the parent holds is held by nobody in the child."""
    code = """
    put("one")
    is_held, may_go = threading.Event(), threading.Event()

    def hold():
        with spool._lock, spool.reserve._lock:
            is_held.set()
            may_go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    child = os.fork()
    if not child:
        signal.alarm(10)
        assert put("child")
        assert spool.reserve.take_in(key="k", stub=b"", reason="r")
        os._exit(0)
    may_go.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert put("parent")
    """
    finish(start(code, directory))

    assert waiting(Spool(directory)) == ["one", "child", "parent"]


def test_threads_may_append_while_others_fork(directory: Path) -> None:
    """Forks wait for an append, appends for a fork, and nobody for ever."""
    code = """
    def append(name):
        for number in range(100):
            assert put(f"{name}-{number}")

    threads = [threading.Thread(target=append, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for number in range(10):
        child = os.fork()
        if not child:
            signal.alarm(10)
            os._exit(0 if put(f"child-{number}") else 1)
        assert os.waitpid(child, 0)[1] == 0
    for thread in threads:
        thread.join()
    """
    finish(start(code, directory))

    assert len(set(waiting(Spool(directory)))) == 210


def test_a_stopped_writer_stops_nobody(directory: Path) -> None:
    """Appends share the lock; the file only stays until the process goes on or ends."""
    stopped = stopped_with_the_lock(directory, "LOCK_SH")
    spool = Spool(directory)

    assert put(spool, "two")
    assert waiting(spool) == ["before", "two"]
    spool.ack(spool.claim(max_records=10, max_bytes=10**6))

    assert spool.is_empty()
    kill(stopped)


def test_a_stopped_drain_costs_the_others_one_wait(directory: Path) -> None:
    """Who takes a file away may be stopped for ever; records go beside it meanwhile, the next ones at once."""
    stopped = stopped_with_the_lock(directory, "LOCK_EX")
    spool, before = Spool(directory), Spool(directory).stamp()

    assert put(spool, "two")
    begun = time.monotonic()
    assert put(spool, *(f"then {number}" for number in range(30)))
    assert time.monotonic() - begun < 10 * spool_module.BUSY_SECONDS  # thirty waits would take longer
    assert spool.stamp() != before
    kill(stopped)

    assert put(spool, "three")
    assert sorted(waiting(spool)) == sorted(["before", "two", *(f"then {number}" for number in range(30)), "three"])
    assert not spool.reserve.counts()
    spool.ack(spool.claim(max_records=100, max_bytes=10**6))
    assert spool.is_empty()
    assert {path.name for path in directory.iterdir()} == {"records", "reserve"}


def test_a_process_stopped_while_it_makes_the_file_costs_the_others_one_wait(directory: Path) -> None:
    """The same for the lock of the directory."""
    directory.mkdir(mode=0o700)
    with directory_locked(directory, within_seconds=1):
        spool = Spool(directory)
        assert put(spool, *"abcdefghij")

    assert sorted(waiting(spool)) == list("abcdefghij")


def test_there_is_an_end_to_files_beside(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the reserve counts."""
    monkeypatch.setattr(beside, "MAX_FILES", 3)
    monkeypatch.setattr(spool_module, "BUSY_SECONDS", 0.1)
    stopped = stopped_with_the_lock(directory, "LOCK_EX")
    spool = Spool(directory)

    taken = [put(spool, text) for text in "abcde"]
    kill(stopped)

    assert taken == [True, True, True, False, False]
    assert sorted(waiting(spool)) == ["a", "b", "before", "c"]
    assert len(spool.reserve.entries()) == 2


def test_a_process_stopped_in_the_reserve_costs_the_others_a_bounded_wait(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last resort doesn't hang either: the failure goes uncounted, the task goes on."""
    monkeypatch.setattr(reserve_module, "BUSY_SECONDS", 0.1)
    stopped = start(
        """
        spool.reserve.prepare()
        with spool.reserve._locked():
            say("holding")
            os.kill(os.getpid(), signal.SIGSTOP)
        """,
        directory,
    )
    assert stopped.stdout is not None
    assert stopped.stdout.readline() == b"holding\n"
    until(lambda: os.waitpid(stopped.pid, os.WUNTRACED | os.WNOHANG)[0], why="the process has stopped")

    assert Spool(directory).reserve.take_in(key="k", stub=b"stub", reason="r") is False
    kill(stopped)

    assert Spool(directory).reserve.take_in(key="k", stub=b"stub", reason="r") is True


def test_a_directory_and_its_files_are_for_their_user_alone(directory: Path) -> None:
    """Captured values are nobody else's business, whatever the umask says."""
    umask = os.umask(0)
    try:
        put(Spool(directory), "one")
    finally:
        os.umask(umask)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
        "records": 0o600,
        "reserve": 0o600,
    }


@pytest.mark.parametrize("place", ["directory", "records", "reserve"])
def test_a_symlink_is_not_followed(directory: Path, tmp_path: Path, place: str) -> None:
    """Somebody else's link must not make this process write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    if place == "directory":
        elsewhere.mkdir(mode=0o700)
        directory.symlink_to(elsewhere)
    else:
        directory.mkdir(mode=0o700)
        (directory / place).symlink_to(elsewhere)
    spool = Spool(directory)

    taken = put(spool, "one")

    assert taken is (place == "reserve")
    assert not list(elsewhere.iterdir()) if place == "directory" else not elsewhere.exists()


@needs_root
def test_a_directory_of_another_user_is_not_used(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A spool that was planted reads nothing, and the reason is said once on stderr."""
    directory.mkdir(mode=0o700)
    os.chown(directory, SOMEBODY_ELSE, SOMEBODY_ELSE)

    assert not put(Spool(directory), "one")

    assert not list(directory.iterdir())


@needs_root
def test_a_directory_planted_on_the_way_is_not_used() -> None:
    """Where anybody may make a directory, one made by somebody else is not walked through."""
    with _in_everybodys_directory() as everybodys:
        planted = everybodys / "issue-tracker-0"
        planted.mkdir(mode=0o777)
        os.chown(planted, SOMEBODY_ELSE, SOMEBODY_ELSE)

        assert not put(Spool(planted / "spool"), "one")

        assert not list(planted.iterdir())


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_write_to_is_not_used(directory: Path, mode: int) -> None:
    """They could put files of theirs in it."""
    directory.mkdir()
    directory.chmod(mode)

    assert not put(Spool(directory), "one")

    with pytest.raises(SpoolError, match="chmod 700"):
        Spool(directory).claim(max_records=1, max_bytes=1)


@pytest.mark.parametrize("name", ["", "file/spool", "a\0b"])
def test_a_path_that_can_be_no_directory_raises_nothing(tmp_path: Path, name: str) -> None:
    """A wrong setting costs records, never a task."""
    (tmp_path / "file").write_text("")

    assert not put(Spool(tmp_path / (name or "file")), "one")


@needs_root
@pytest.mark.parametrize("step", ["os.setgid(65534); os.setuid(65534)", "os.chroot(sys.argv[2])"])
def test_a_process_that_gives_up_its_place_keeps_what_it_has_open(directory: Path, tmp_path: Path, step: str) -> None:
    """A task may become another user or change its root: the file was opened before it began."""
    code = f"""
    spool.prepare()
    {step}
    assert put("one")
    assert put("two")
    """
    (tmp_path / "root").mkdir()

    finish(start(code, directory, tmp_path / "root"))

    assert waiting(Spool(directory)) == ["one", "two"]


def test_a_file_opened_ahead_and_removed_is_made_anew(directory: Path) -> None:
    """It is only trusted where its place can't be looked at."""
    spool = Spool(directory)
    spool.prepare()
    shutil.rmtree(directory)

    assert put(spool, "one")

    assert waiting(spool) == ["one"]


@needs_root
def test_a_read_only_disk_raises_nothing(tmp_path: Path) -> None:
    """Nothing can be kept there; the task goes on, and records are kept again when the disk is."""
    with _tiny_disk(tmp_path / "disk", "200m") as disk:
        spool = Spool(disk / "spool")
        assert put(spool, "one")
        spool._close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert not put(Spool(disk / "spool"), "two")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)

        assert put(Spool(disk / "spool"), "three")


def test_a_file_that_may_not_grow_raises_nothing(directory: Path) -> None:
    """A write that fails half-way leaves what was there before, and the process goes on."""
    code = """
    import resource
    put("small")
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    taken = sum(spool.append(b"x" * 5_000, key=f"key {number % 3}", stub=lambda: b"stub") for number in range(200))
    say(taken)
    """
    taken = int(finish(start(code, directory)))

    spool = Spool(directory)
    assert 10 < taken < 200
    assert len(waiting(spool)) == taken + 1


@needs_root
def test_a_full_disk_keeps_a_stub_of_each_failure_and_counts_the_rest(tmp_path: Path) -> None:
    """No exception, at least one stub for each key, and a true count of what was given up."""
    with _tiny_disk(tmp_path / "disk", "8m") as disk:
        spool = Spool(disk / "spool")
        spool.reserve.prepare()
        (disk / "ballast").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))

        taken = [put(spool, f"key {number % 7}") for number in range(100)]

        assert not any(taken)
        assert {entry.stub for entry in spool.reserve.entries()} == {
            f"stub of key {number}".encode() for number in range(7)
        }
        assert sum(entry.seen for entry in spool.reserve.entries()) == 100
        (disk / "ballast").unlink()
        spool.reserve.ack(spool.reserve.entries())
        assert spool.is_empty()


@contextlib.contextmanager
def _tiny_disk(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def _in_everybodys_directory() -> Iterator[Path]:
    """A sticky directory for all, as /tmp is."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(stat.S_ISVTX | 0o777)
        yield place
