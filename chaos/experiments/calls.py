"""kill -9 at each system call: of an append, of the reserve, of an acknowledgement, and of a whole drain.

A process forks, stops itself, and does its work under strace, which kills it as it enters the chosen call. So every
boundary between two effects on the disk is met once, without a hook in the code under test.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from django.db import connections

from chaos.finding import Finding, NotHereError, Tally, compared
from chaos.stage import emptied, miscounted
from issue_tracker.drain import drain
from issue_tracker.event import encode
from issue_tracker.models import Occurrence
from issue_tracker.spool import Spool
from tests.events import an_event
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.stage import Stage

RECORDS: Final = 12
"""That wait in the spool when an acknowledgement or a drain begins."""
APPENDS: Final = 4
LETHAL: Final = frozenset({"exit_group", "exit", "rt_sigreturn"})
"""No kill at these: the work is over, or was not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A piece of work that is killed, and what must hold afterwards."""

    name: str
    prepare: Callable[[Path], None]
    """Makes the spool, once; each round begins with a copy."""
    act: Callable[[Path, Path], None]
    """Gets the spool's directory and a file for notes of what was done."""
    judge: Callable[[Path, list[str]], Tally]
    """Gets the directory and the notes."""


def play(stage: Stage, finding: Finding) -> None:
    """Kill every piece of work at each of its system calls, or at a sample of them."""
    if shutil.which("strace") is None:
        raise NotHereError("no strace on this machine (Debian, Ubuntu: apt install strace)")
    for work in WORKS:
        place = stage.place(f"calls-{work.name.replace(' ', '-')}")
        _in_child(lambda work=work, place=place: work.prepare(place / "template"))
        calls = _calls_of(work, place)
        if not calls:
            raise NotHereError("strace may not attach to a process here (ptrace is forbidden)")
        chosen = calls
        if 0 < stage.scale.calls < len(calls):
            chosen = stage.chance(work.name).sample(calls, k=stage.scale.calls)
        killed = sum(_round(finding, work, place, *call) for call in chosen)
        finding.faults[f"kill -9 in {work.name}"] += killed
        finding.figures[f"system calls of {work.name} at which it was killed"] = f"{killed} of {len(calls)}"
        finding.require(killed > 0.9 * len(chosen), f"only {killed} of {len(chosen)} kills met {work.name}")


def _round(finding: Finding, work: Work, place: Path, name: str, number: int) -> bool:
    """Kill it once and judge; returns whether the kill met it: the calls of two runs differ by a few."""
    directory, notes = _copy(place)
    with emptied() if work.name == "a drain" else contextlib.nullcontext():
        is_killed = _run(work, directory, notes, [f"--inject={name}:signal=KILL:when={number}"])
        finding.tally += work.judge(directory, notes.read_text().split())
    shutil.rmtree(directory)
    return is_killed


def _calls_of(work: Work, place: Path) -> list[tuple[str, int]]:
    """Return every system call of the work, in order, each with its number among those of its name."""
    directory, notes = _copy(place)
    trace = place / "trace"
    _run(work, directory, notes, ["-o", str(trace)])
    shutil.rmtree(directory)
    counts: Counter[str] = Counter()
    found = []
    for line in trace.read_text().splitlines() if trace.exists() else []:
        name = line.partition("(")[0]
        if name.isidentifier() and name not in LETHAL:
            counts[name] += 1
            found.append((name, counts[name]))
    return found


def _copy(place: Path) -> tuple[Path, Path]:
    directory, notes = place / "spool", place / "notes"
    if (place / "template").exists():
        shutil.copytree(place / "template", directory)
    notes.write_text("")
    return directory, notes


def _run(work: Work, directory: Path, notes: Path, options: list[str]) -> bool:
    """Do the work in a forked process under strace, from its stop on; returns whether it was killed."""
    connections.close_all()
    pid = os.fork()
    if not pid:
        _become(work, directory, notes)
    os.waitpid(pid, os.WUNTRACED)
    command = ["strace", "-qq", *options, "-p", str(pid)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: tracer.poll() is not None or _tracer_of(pid), why="strace is attached")
    os.kill(pid, signal.SIGCONT)
    status = os.waitpid(pid, 0)[1]
    tracer.wait()
    return os.WIFSIGNALED(status)


def _become(work: Work, directory: Path, notes: Path) -> None:
    code = 1
    try:
        os.kill(os.getpid(), signal.SIGSTOP)
        work.act(directory, notes)
        code = 0
    finally:
        os._exit(code)


def _in_child(function: Callable[[], None]) -> None:
    pid = os.fork()
    if not pid:
        try:
            function()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _tracer_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("TracerPid:"):
            return int(line.split()[1])
    return 0


def _say(notes: Path, text: str) -> None:
    with notes.open("a") as stream:
        stream.write(f"{text}\n")


# ---- records that tell whether they are whole


def _body(name: str) -> bytes:
    text = name * 300
    return json.dumps({"name": name, "text": text, "sum": zlib.crc32(text.encode())}).encode()


def _name_of(body: bytes) -> str:
    """Return the name of a record; empty when it is torn."""
    try:
        found = json.loads(body)
        return found["name"] if zlib.crc32(found["text"].encode()) == found["sum"] else ""
    except (ValueError, KeyError):
        return ""


def _names_in(directory: Path) -> list[str]:
    return [_name_of(record.body) for record in Spool(directory).claim(max_records=10_000, max_bytes=2**40)]


def _put(spool: Spool, name: str) -> bool:
    return spool.append(_body(name), key=name, stub=lambda: name.encode())


# ---- an append


def _append(directory: Path, notes: Path) -> None:
    spool = Spool(directory)
    for number in range(APPENDS):
        if _put(spool, f"appended-{number}"):
            _say(notes, f"appended-{number}")


def _judge_appends(directory: Path, noted: list[str]) -> Tally:
    """All that returned is there, nothing is torn, at most one more is there, and the next append works."""
    is_taken = _put(Spool(directory), "after")
    found = _names_in(directory)
    tally = compared([*noted, "after"], [name for name in found if name])
    return tally + Tally(torn=found.count("") + (not is_taken) + (len(set(found) - {"after"} - set(noted)) > 1))


# ---- the reserve


def _full(directory: Path) -> Spool:
    return Spool(directory, max_bytes=0)


def _reserve(directory: Path, notes: Path) -> None:
    spool = _full(directory)
    for number in range(APPENDS):
        _put(spool, f"key-{number % 2}")
        _say(notes, f"key-{number % 2}")


def _judge_reserve(directory: Path, noted: list[str]) -> Tally:
    """Whatever returned is counted under its key with a whole stub; the one under way may be."""
    spool = _full(directory)
    _put(spool, "after")
    seen = {entry.stub.decode(errors="replace"): entry.seen for entry in spool.reserve.entries()}
    wanted = Counter([*noted, "after"])
    lost = sum(max(0, count - seen.get(key, 0)) for key, count in wanted.items())
    more = sum(max(0, count - wanted[key]) for key, count in seen.items())
    torn = sum(key not in {"key-0", "key-1", "after"} for key in seen)
    injected = len(noted) + 1
    return Tally(injected=injected, captured=injected - lost, lost=lost, doubled=max(0, more - 1), torn=torn)


# ---- an acknowledgement


def _fill(directory: Path) -> None:
    spool = Spool(directory)
    for number in range(RECORDS):
        _put(spool, f"waiting-{number}")


def _acknowledge(directory: Path, notes: Path) -> None:
    spool = Spool(directory)
    batch = spool.claim(max_records=RECORDS // 2, max_bytes=2**40)
    _say(notes, "claimed")
    spool.ack(batch)
    _say(notes, "acknowledged")


def _judge_acknowledgement(directory: Path, noted: list[str]) -> Tally:
    """All of the batch is gone or none of it; the rest is there."""
    found = _names_in(directory)
    rest = [f"waiting-{number}" for number in range(RECORDS // 2, RECORDS)]
    batch = [f"waiting-{number}" for number in range(RECORDS // 2)]
    is_done = "acknowledged" in noted
    wanted = rest if is_done or not set(batch) & set(found) else batch + rest
    return compared(wanted, found, torn=found.count(""))


# ---- a drain


def _fill_events(directory: Path) -> None:
    spool = Spool(directory)
    for number in range(RECORDS):
        event = an_event(task_id=f"task-{number}", fingerprint=f"{number % 3}" * 64)
        spool.append(encode(event), key=event.fingerprint, stub=lambda event=event: encode(event))


def _drain(directory: Path, notes: Path) -> None:
    drain(Spool(directory))
    _say(notes, "drained")


def _judge_drain(directory: Path, _noted: list[str]) -> Tally:
    """After the next drain each event has one row, and the issues count them."""
    drain(Spool(directory))
    found = list(Occurrence._base_manager.values_list("task_id", flat=True))
    set_aside = Spool(directory).quarantine_count()
    return compared([f"task-{number}" for number in range(RECORDS)], found, torn=miscounted() + set_aside)


def _nothing(_directory: Path) -> None:
    """The first append makes the spool."""


WORKS: Final = (
    Work(name="the first append", prepare=_nothing, act=_append, judge=_judge_appends),
    Work(name="an append", prepare=_fill, act=_append, judge=lambda place, noted: _judge_beside(place, noted)),
    Work(name="the reserve", prepare=_nothing, act=_reserve, judge=_judge_reserve),
    Work(name="an acknowledgement", prepare=_fill, act=_acknowledge, judge=_judge_acknowledgement),
    Work(name="a drain", prepare=_fill_events, act=_drain, judge=_judge_drain),
)


def _judge_beside(directory: Path, noted: list[str]) -> Tally:
    """As for the first append; and what waited before is there too."""
    is_taken = _put(Spool(directory), "after")
    found = _names_in(directory)
    before = [f"waiting-{number}" for number in range(RECORDS)]
    tally = compared([*before, *noted, "after"], [name for name in found if name])
    more = set(found) - {"after", *before, *noted}
    return tally + Tally(torn=found.count("") + (not is_taken) + (len(more) > 1))
