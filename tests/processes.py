"""Real processes for tests: polling with a deadline, children told from /proc, an end that always comes.

Every process is ended by its own pid, never by a name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from demo.processes import ROOT as ROOT
from demo.processes import free_port as free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def until(probe: Callable[[], T], *, why: str, timeout_seconds: float = 20.0, every_seconds: float = 0.02) -> T:
    """Call `probe` until its answer is true, and return that answer; fail with `why` when the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds:g} s: {why}; the last answer was {found!r}")
        time.sleep(every_seconds)
    return found


def is_running(pid: int) -> bool:
    """Return whether a process runs: one that has ended but was not waited for does not."""
    state = _stat_of(pid)
    return bool(state) and state[0] not in "ZX"


def children_of(pid: int) -> list[int]:
    """Return the running children of a process, oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if (
            entry.name.isdigit()
            and (state := _stat_of(int(entry.name)))
            and int(state[1]) == pid
            and state[0] not in "ZX"
        ):
            found.append((int(state[19]), int(entry.name)))
    return [child for _started, child in sorted(found)]


def parent_of(pid: int) -> int:
    """Return the parent of a process; 0 when it is gone."""
    state = _stat_of(pid)
    return int(state[1]) if state else 0


def descendants_of(pid: int) -> Iterator[int]:
    """Yield every running descendant of a process, parents before their children."""
    for child in children_of(pid):
        yield child
        yield from descendants_of(child)


def processes_with(variable: str) -> list[int]:
    """Return the running processes that were started with NAME=value in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return [pid for pid in found if is_running(pid)]


def open_files_of(pid: int) -> list[str]:
    """Return the paths that a process holds open."""
    found = []
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.append(str(entry.readlink()))
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def end(
    process: subprocess.Popen[bytes], *, gently: signal.Signals = signal.SIGTERM, timeout_seconds: float = 10.0
) -> int:
    """End a child of ours and all it started: gently, then by SIGKILL. Returns its exit code."""
    family = list(descendants_of(process.pid)) if process.poll() is None else []
    for pid in (process.pid, *family):
        send(pid, signal.SIGCONT)
    send(process.pid, gently)
    try:
        process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    for pid in family:
        send(pid, signal.SIGKILL)
    return process.wait()


def _stat_of(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the command's name: state, parent, ...; none when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
