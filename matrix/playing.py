"""Plays modes: those that share a worker one after the other on it, the others each on a worker of its own.

A mode is graded when its records have come, or had the time to: while later modes play, then for the patience of the
collector.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import behaviour, records
from .behaviour import Behaviour
from .collectors import OURS
from .grading import Evidence, Grade, Mark, grade
from .host import READY_SECONDS, STOP_SECONDS, Host, Worker, size_of
from .mode import Place
from .stage import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mode import Mode

Played = list[tuple[Evidence, Behaviour]]
"""What there is of each mode of a group."""

START_AGAIN_SECONDS: Final = 3.0
"""How long a worker that was started again is watched: a message that killed it once may do so again."""
LAST_LINES: Final = ("Unrecoverable error: ", "worker: Warm shutdown", "worker: Cold shutdown")
"""Of a worker that is about to end, which takes it a while: how it ends is looked at then."""
POLL_SECONDS: Final = 0.1
ORPHAN_SECONDS: Final = 15.0
"""Longer patience once a worker was killed: what is left of it reports by itself, later."""
SECOND_SECONDS: Final = 9.0
"""A second report of a vanished process would come so late: by the slot, after Celery's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a mode."""

    mode: Mode
    pool: str
    grade: Grade
    behaviour: Behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Modes that share one process."""

    place: Place
    pool: str
    modes: tuple[Mode, ...]
    is_alone: bool


def play(group: Group, host: Host) -> list[Outcome]:
    """Play a group on a host that is prepared, and grade it."""
    played = _PLACES[group.place](group, host)
    is_ours = host.collector is OURS
    was_killed = group.place is Place.WORKER and any("-" in shown.exit_code for _, shown in played)
    patience = host.collector.patience_seconds + (ORPHAN_SECONDS if is_ours and was_killed else 0)
    grades = _until_graded(host, played, patience_seconds=patience)
    return [
        Outcome(mode=evidence.mode, pool=group.pool, grade=found, behaviour=shown)
        for (evidence, shown), found in zip(played, grades, strict=True)
    ]


def _on_worker(group: Group, host: Host) -> list[tuple[Evidence, Behaviour]]:
    worker = Worker(host=host, mode=group.modes[0], pool=group.pool)
    played = []
    for mode in group.modes:
        if not hasattr(worker, "process") or worker.exit_code() is not None:
            worker.start(is_awaited=mode.has_worker)
        played.append(_one(mode, group, host, worker))
    _until_graded(host, played, patience_seconds=host.collector.patience_seconds)
    worker.stop()
    return played


def _one(mode: Mode, group: Group, host: Host, worker: Worker) -> tuple[Evidence, Behaviour]:
    stage = Stage(mode=mode, pool=group.pool, host=host, worker=worker, is_alone=group.is_alone)
    with contextlib.closing(stage):
        return _play_on(stage, mode, group, host)


def _play_on(stage: Stage, mode: Mode, group: Group, host: Host) -> tuple[Evidence, Behaviour]:
    worker = stage.worker
    (mode.play or _send)(stage)
    is_over = stage.settle()
    _let_end(worker, stage.log_offset, is_sure=group.pool in mode.ends_on)
    codes = []
    for _ in range(mode.restarts if worker.exit_code() is not None else 0):
        codes.append(worker.exit_code())
        offset = size_of(host.log)
        worker.start()
        _wait(worker.process, START_AGAIN_SECONDS, lambda: False)
        _let_end(worker, offset)
    shown = behaviour.of_stage(stage, is_over=is_over, exit_codes=codes)
    return _evidence(group, host, mode, stage.token, stage), shown


def _send(stage: Stage) -> None:
    stage.send()


def _let_end(worker: Worker, log_offset: int, *, is_sure: bool = False) -> None:
    """Wait for the end of a worker that has said its last line, or whose end is known to come."""
    if is_sure or any(line in worker.host.log_text(log_offset) for line in LAST_LINES):
        _wait(worker.process, worker.mode.max_seconds, lambda: False)


def _evidence(group: Group, host: Host, mode: Mode, token: str, stage: Stage) -> Evidence:
    return Evidence(
        mode=mode,
        pool=group.pool,
        token=token,
        ids=frozenset({*stage.all_ids(), token}),
        is_alone=group.is_alone,
        notes=tuple(stage.notes()),
        is_ours=host.collector is OURS,
    )


def _in_client(group: Group, host: Host) -> Played:
    tokens = {f"token{uuid.uuid4().hex[:12]}": mode for mode in group.modes}
    process = host.launch(group.modes[0], "matrix.client", *(f"{mode.id}={token}" for token, mode in tokens.items()))
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
    answers = {line["token"]: line["answer"] for line in _json_lines(host.log_text())}
    played: Played = []
    notes = host.notes()
    marks = [i for i, note in enumerate(notes) if note.signal == "mark"]
    for start, end in zip(marks, [*marks[1:], len(notes)], strict=True):
        token, own = notes[start].detail, tuple(notes[start + 1 : end])
        evidence = Evidence(
            mode=tokens[token],
            pool=group.pool,
            token=token,
            ids=frozenset({token, *(note.task_id for note in own if note.task_id)}),
            is_alone=False,
            notes=own,
            is_ours=host.collector is OURS,
        )
        shown = Behaviour(
            exit_code=str(process.returncode),
            states="",
            left=0,
            signals=behaviour.signals_of(own, process.pid),
            answer=answers.get(token, "none"),
        )
        played.append((evidence, shown))
    return played


def _json_lines(text: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"token"')]


def _under_beat(group: Group, host: Host) -> Played:
    (mode,) = group.modes
    schedule = str(host.directory / "schedule")
    process = host.launch(
        mode, "celery", "-A", "matrix.celery_app", "beat", "--loglevel", "INFO", "--schedule", schedule
    )
    _wait(process, READY_SECONDS, lambda: any(note.signal == "beat_init" for note in host.notes()))
    _wait(process, mode.max_seconds, lambda: False)
    process.terminate()
    try:
        code = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    notes = tuple(host.notes())
    evidence = Evidence(
        mode=mode,
        pool=group.pool,
        token="token",  # noqa: S106  what the schedules of these modes hold
        ids=frozenset(),
        is_alone=True,
        notes=notes,
        is_ours=host.collector is OURS,
    )
    return [(evidence, Behaviour(exit_code=str(code), states="", left=0, signals=""))]


def _wait(process: subprocess.Popen[bytes], seconds: float, probe: Callable[[], bool]) -> None:
    """Wait until something is the case or the process has ended, for so long at the most."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not probe() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _until_graded(host: Host, played: Played, *, patience_seconds: float) -> list[Grade]:
    """Grade until nothing is missing or the patience is over, and no sooner than a second report may have come."""
    begun = time.monotonic()
    earliest = begun + _earliest_seconds(host, played)
    while True:
        kept = records.READERS[host.collector.name](host.store)
        grades = [grade(evidence, kept) for evidence, _ in played]
        now = time.monotonic()
        is_full = all(found.mark in {Mark.FULL, Mark.NOT_APPLICABLE} for found in grades)
        if now >= earliest and (is_full or now - begun >= patience_seconds):
            return grades
        time.sleep(POLL_SECONDS)


def _earliest_seconds(host: Host, played: Played) -> float:
    if host.collector is not OURS:
        return 0.0
    deaths = [death for evidence, _ in played for death in evidence.mode.deaths_in(evidence.pool)]
    return SECOND_SECONDS if any(not death.shows for death in deaths) else 1.0


_PLACES: Final[dict[Place, Callable[[Group, Host], Played]]] = {
    Place.WORKER: _on_worker,
    Place.CLIENT: _in_client,
    Place.BEAT: _under_beat,
}
