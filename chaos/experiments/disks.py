"""Disks and directories that fail under a working host: full, out of inodes, read-only, removed, replaced, closed.

Needs root for the small disk (tmpfs); the directory's faults are played by root too, who is stopped by no mode: there
the directory is given to somebody else, which the spool refuses.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaos.finding import Tally
from chaos.play import ARRIVAL_SECONDS, playing
from issue_tracker.models import Occurrence, OperationalIssue
from tests.processes import send, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaos.finding import Finding
    from chaos.play import Play
    from chaos.stage import Stage

MESSAGES: Final = ("no route", "no answer", "no luck", "no idea", "no way")
"""Five fingerprints."""
EACH: Final = 10
"""Tasks of each, while the fault lasts."""
AFTER: Final = 6
"""And of each, once it is over."""
SOMEBODY_ELSE: Final = 65_534


def play(stage: Stage, finding: Finding) -> None:
    """Play every fault on a host of its own."""
    for name, fault in FAULTS.items():
        if name in ON_A_DISK and (reason := _why_no_disk(stage)):
            finding.figures[name] = f"not played: {reason}"
            continue
        _live_through(stage, finding, name, fault)


def _live_through(stage: Stage, finding: Finding, name: str, fault: Callable[[Play, Path], Iterator[None]]) -> None:
    host = stage.host("disks", stage.sqlite())
    host.spool_dir.mkdir(mode=0o700)
    disk = _disk(host.spool_dir, *ON_A_DISK[name]) if name in ON_A_DISK else contextlib.nullcontext()
    with disk, playing(host) as play:
        play.start()
        play.send(4)
        play.await_begun()
        play.await_rows()
        [spool] = [path for path in host.spool_dir.iterdir() if path.is_dir()]
        before = Counter(_seen(play))
        with contextlib.contextmanager(fault)(play, spool):
            for message in MESSAGES:
                play.send(EACH, "chaos.tasks.fail_noted_as", message)
            play.await_begun()
            finding.require(play.workers[0].process.poll() is None, f"the worker ended: {name}")
        # Some more of each, for each child: what it keeps in memory is told together with its next failure.
        for message in MESSAGES:
            play.send(AFTER, "chaos.tasks.fail_noted_as", message)
        play.await_begun()
        _judge(finding, play, name, before)


def _judge(finding: Finding, play: Play, name: str, before: Counter[str]) -> None:
    """A row at least for each fingerprint, and rows with discards are as many as the failures."""
    wanted = (EACH + AFTER) * len(MESSAGES)
    with contextlib.suppress(AssertionError):
        until(
            lambda: sum((_seen(play) - before).values()) >= wanted,
            why="all are counted",
            timeout_seconds=ARRIVAL_SECONDS / 2,
            every_seconds=0.2,
        )
    seen = _seen(play) - before
    finding.faults[name] += 1
    rows = Occurrence._base_manager.using(play.alias).filter(issue__error_message__in=MESSAGES)
    finding.figures[f"{name}: rows, and counted beyond them"] = (
        f"{rows.count()}, {sum(seen.values()) - rows.count()} (of {wanted})"
    )
    twice = sum(count > 1 for count in Counter(rows.values_list("task_id", flat=True)).values())
    uncounted = max(0, wanted - sum(seen.values()))
    finding.tally += Tally(injected=wanted, captured=wanted - uncounted, lost=uncounted, doubled=twice)
    missing = set(MESSAGES) - set(seen)
    finding.require(not missing, f"no row of {sorted(missing)}: {name}")
    told = "issue_tracker:" in play.log_text()
    finding.require(told or not uncounted, f"nothing was said on stderr: {name}")


def _seen(play: Play) -> Counter[str]:
    """Return by message how many failures are told: as rows, or as counts beside them."""
    issues = OperationalIssue._base_manager.using(play.alias).filter(error_message__in=MESSAGES)
    found: Counter[str] = Counter()
    for message, occurrences, discarded in issues.values_list("error_message", "occurrence_count", "discarded_count"):
        found[message] += occurrences + discarded
    return found


# ---- the faults, each round a spool's directory


def _full(_play: Play, spool: Path) -> Iterator[None]:
    ballast = spool.parent / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while stream.write(b"x" * 65_536):
            pass
    yield
    ballast.unlink()


def _out_of_inodes(_play: Play, spool: Path) -> Iterator[None]:
    many = spool.parent / "many"
    with contextlib.suppress(OSError):
        many.mkdir()
        for number in range(10_000):
            (many / str(number)).touch()
    yield
    shutil.rmtree(many)


def _read_only(play: Play, spool: Path) -> Iterator[None]:
    """A disk that is written to can't be remounted: a read-only mount is laid over it, and new children meet it."""
    place = str(spool.parent)
    subprocess.run(["mount", "--bind", place, place], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    for pid in play.workers[0].children():
        send(pid, signal.SIGKILL)
    yield
    subprocess.run(["umount", "--lazy", place], check=True)


def _removed(_play: Play, spool: Path) -> Iterator[None]:
    shutil.rmtree(spool)
    yield


def _replaced(_play: Play, spool: Path) -> Iterator[None]:
    elsewhere = spool.parent.parent / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    spool.rename(spool.with_name("aside"))
    spool.symlink_to(elsewhere)
    yield
    if found := list(elsewhere.iterdir()):
        raise AssertionError(f"a symlink was followed: {found}")
    spool.unlink()
    spool.with_name("aside").rename(spool)


def _closed(_play: Play, spool: Path) -> Iterator[None]:
    if os.getuid() == 0:
        os.chown(spool, SOMEBODY_ELSE, SOMEBODY_ELSE)
    else:
        spool.chmod(0o500)
    yield
    os.chown(spool, os.getuid(), os.getgid())
    spool.chmod(0o700)


FAULTS: Final = {
    "disk full": _full,
    "disk out of inodes": _out_of_inodes,
    "disk read-only": _read_only,
    "spool removed": _removed,
    "spool replaced by a symlink": _replaced,
    "spool not writable": _closed,
}
ON_A_DISK: Final = {
    "disk full": ("size=160m",),
    "disk out of inodes": ("size=200m", "nr_inodes=64"),
    "disk read-only": ("size=200m",),
}
"""The options of the small disk that a fault needs."""


@contextlib.contextmanager
def _disk(place: Path, *options: str) -> Iterator[None]:
    chosen = ",".join(["mode=0700", *options])
    subprocess.run(["mount", "-t", "tmpfs", "-o", chosen, "tmpfs", str(place)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _why_no_disk(stage: Stage) -> str:
    if os.getuid() != 0:
        return "only root can mount a small disk"
    try:
        with _disk(stage.place("probe"), "size=1m"):
            return ""
    except subprocess.CalledProcessError as error:
        return f"no tmpfs can be mounted here: {error.stderr.decode().strip()}"
