"""CPU time and memory of a tree of processes, read from the kernel; nothing is asked of the processes themselves.

CPU time of live processes comes from their POSIX CPU clocks (nanoseconds, user and system together), that of ended ones
from the parent that waited for them (clock ticks). Linux only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One line of /proc/<pid>/stat, as far as it matters here."""

    pid: int
    parent_pid: int
    state: str
    waited_seconds: float
    """CPU time of its children that ended and were waited for, and of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory of a tree of processes, in KiB."""

    private: int
    """Pages that no other process maps (USS)."""
    proportional: int
    """Private pages and each shared page divided by those who share it (PSS)."""
    process_count: int


def tree(root: int) -> list[Process]:
    """Return the process and all its descendants."""
    by_parent: dict[int, list[Process]] = {}
    found = {process.pid: process for process in _all()}
    for process in found.values():
        by_parent.setdefault(process.parent_pid, []).append(process)
    members = [found[root]] if root in found else []
    for member in members:  # grows while it is walked: breadth first
        members.extend(by_parent.get(member.pid, ()))
    return members


def cpu_by_process(root: int) -> dict[int, float]:
    """Return CPU seconds of each descendant of `root`, with its ended children's; of `root` itself only the latter.

    A process may end while the tree is read and would then be missed or counted twice, so the reading is repeated until
    the same processes are there before and after it.
    """
    while True:
        members = tree(root)
        seconds = {m.pid: m.waited_seconds + (0.0 if m.pid == root else _own_seconds(m.pid)) for m in members}
        if [m.pid for m in tree(root)] == [m.pid for m in members]:
            return seconds


def cpu_seconds(root: int) -> float:
    """Return CPU seconds of everything below `root`, alive or ended, without `root` itself."""
    return sum(cpu_by_process(root).values())


def memory(root: int) -> Memory:
    """Return the memory of everything below `root`, without `root` itself."""
    sizes = [_rollup(member.pid) for member in tree(root) if member.pid != root]
    return Memory(
        private=sum(size.get("Private_Clean", 0) + size.get("Private_Dirty", 0) for size in sizes),
        proportional=sum(size.get("Pss", 0) for size in sizes),
        process_count=len(sizes),
    )


def peak_kib() -> int:
    """Return the highest resident memory that this process ever had, in KiB.

    Not from getrusage: that figure survives `exec` and would tell the size of whoever started this process.
    """
    return peak_kib_of("self")


def peak_kib_of(pid: int | str) -> int:
    """Return the highest resident memory that a process ever had, in KiB; 0 when it has ended."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _own_seconds(pid: int) -> float:
    try:
        # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of <linux/posix-timers.h>
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0  # it ended: its parent has its time now, and the reading is repeated


def _all() -> list[Process]:
    found = (_read(entry) for entry in os.listdir(PROC) if entry.isdigit())
    return [process for process in found if process is not None]


def _read(entry: str) -> Process | None:
    try:
        text = (PROC / entry / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name in parentheses may hold spaces
    waited = (int(fields[13]) + int(fields[14])) / TICKS_PER_SECOND
    return Process(pid=int(entry), parent_pid=int(fields[1]), state=fields[0], waited_seconds=waited)


def _rollup(pid: int) -> dict[str, int]:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
