"""What a worker did in a mode. Compared with what it does without any collector, it shows whether one interferes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .stage import Stage

COUNTED = (
    "task_prerun",
    "task_postrun",
    "task_success",
    "task_failure",
    "task_retry",
    "task_internal_error",
    "task_revoked",
    "task_unknown",
    "task_rejected",
)
"""The signals that tell what became of a task; the others depend on when a process happened to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One mode's end, as a host sees it."""

    exit_code: str
    """Of the main process, "runs" while it does; of each start, where there were several."""
    states: str
    """States in the result backend, by how often."""
    left: int
    """Messages neither acknowledged nor rejected."""
    signals: str
    """Signals of Celery, by how often."""
    is_over: bool = True
    """False: it was not over within its time."""
    answer: str = ""
    """What a client got."""

    def differences(self, other: Behaviour, *, but: Collection[str] = ()) -> list[str]:
        """Return the fields in which two behaviours differ, each with both values; without those named."""
        mine, others = asdict(self), asdict(other)
        return [
            f"{key}: {mine[key]} instead of {others[key]}"
            for key in mine
            if mine[key] != others[key] and key not in but
        ]


def of_stage(stage: Stage, *, is_over: bool, exit_codes: Iterable[int | None] = ()) -> Behaviour:
    """Describe what a worker did in a mode that is over."""
    codes = [*exit_codes, stage.worker.exit_code()]
    return Behaviour(
        exit_code=", ".join("runs" if code is None else str(code) for code in codes),
        states=_counted(_state(stage, task_id) for task_id in stage.all_ids()),
        left=stage.host.queued(),
        signals=signals_of(stage.notes(), stage.worker.pid),
        is_over=is_over,
    )


def signals_of(notes: Iterable[Any], main_pid: int) -> str:
    """Return the signals of a mode, by how often, in short. A main process may tell of one hard limit once or twice."""
    briefs = [note.brief(main_pid) for note in notes if note.signal in COUNTED]
    doubled = {brief for brief in briefs if brief.startswith("failure(TimeLimitExceeded)")}
    return _counted([*(brief for brief in briefs if brief not in doubled), *doubled])


def _state(stage: Stage, task_id: str) -> str:
    stored: Any = stage.host.redis.get(f"celery-task-meta-{task_id}")
    return str(json.loads(stored)["status"]) if stored else ""


def _counted(values: Iterable[str]) -> str:
    counts = Counter(value for value in values if value)
    return " ".join(f"{value}×{count}" if count > 1 else value for value, count in sorted(counts.items()))
