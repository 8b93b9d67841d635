"""One rule for every collector: how much of a mode's deaths its records tell.

Full: the right exception type, a traceback where Python had one, and the task named; where a process vanished, the
task and its arguments; where a task was revoked, expired or cut short, the task with that outcome. Part: something,
with what is missing. None: nothing at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .expectations import Death
    from .mode import Mode
    from .records import Record
    from .witness import Note

SAYINGS: Final = {
    "thread_died",
    "open_transaction",
    "hook_failed",
    "not_published",
    "report",
    "worker_failed",
    "beat_failed",
}
"""Kinds of ours that say something beside the end of a run; they are no occurrence of a death."""

MAX_NAME_CHARACTERS: Final = 200
"""A collector may cut a longer name."""


class Mark(StrEnum):
    """What a cell of the table shows."""

    FULL = "Y"
    PART = "~"
    NONE = "-"
    NOT_APPLICABLE = "n/a"
    """Nothing failed there."""
    NOT_PLAYED = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A cell, and why it is not full."""

    mark: Mark
    reason: str = ""
    faults: tuple[str, ...] = ()
    """What a collector should not have done: a row though nothing failed, more than one occurrence of a death."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is to grade a mode by."""

    mode: Mode
    pool: str
    token: str
    ids: frozenset[str]
    is_alone: bool
    """Whether every record of the worker belongs to this mode."""
    notes: Sequence[Note]
    is_ours: bool
    """The peers are graded by what they tell of the deaths; ours has to be without faults too."""

    def own(self, records: Iterable[Record]) -> list[Record]:
        """Return the records that belong to the mode."""
        return [r for r in records if self.is_alone or r.task_id in self.ids or self.token in r.text]

    def names(self, record: Record, task: str) -> bool:
        """Tell whether a record names a task, by its own field or anywhere in what was kept."""
        return _is_name(record.task, task) or (not record.task and task in record.text)


def grade(evidence: Evidence, records: Iterable[Record]) -> Grade:
    """Grade what a collector kept of a mode."""
    own = evidence.own(records)
    deaths = evidence.mode.deaths_in(evidence.pool)
    faults = tuple(_repeated(evidence, own)) if evidence.is_ours else ()
    if not deaths:
        return Grade(mark=Mark.NOT_APPLICABLE, faults=(*faults, *(_unwanted(own) if evidence.is_ours else ())))
    left, missing, found_any = list(own), [], False
    for death in deaths:
        best = min(left, key=lambda record: len(_lacks(evidence, death, record)), default=None)
        if best is None:
            missing.append(f"nothing of {_title(evidence, death)}")
            continue
        left.remove(best)
        found_any = True
        missing += _lacks(evidence, death, best)
        missing += _lacks_attempts(evidence, death, best, own)
    mark = Mark.NONE if not found_any else Mark.PART if missing else Mark.FULL
    return Grade(mark=mark, reason="; ".join(missing) if mark is not Mark.NONE else "", faults=faults)


def _lacks(evidence: Evidence, death: Death, record: Record) -> list[str]:
    """Return what a record does not tell of a death."""
    task = evidence.mode.task if death.task == "" else death.task
    lacks = []
    if task and not evidence.names(record, task):
        lacks.append(f"names the task {record.task!r}" if record.task else "names no task")
    if death.exceptions and not any(_is_name(record.short_exception, name) for name in death.exceptions):
        lacks.append(f"says {record.short_exception or 'no exception'} instead of {' or '.join(death.exceptions)}")
    if death.shows and death.shows not in record.traceback:
        lacks.append("shows no traceback" if 'File "' not in record.traceback else f"traceback without {death.shows!r}")
    if death.needs_arguments and evidence.token not in record.arguments:
        lacks.append("shows no arguments")
    if death.outcomes and record.outcome not in death.outcomes:
        lacks.append(f"says {record.outcome or 'nothing'} instead of {' or '.join(death.outcomes)}")
    if not death.outcomes and record.outcome == "retry":
        lacks.append("says retry of a task that failed for good")
    return lacks


def _lacks_attempts(evidence: Evidence, death: Death, best: Record, own: list[Record]) -> list[str]:
    """Return whether a story of retries was told with fewer attempts than it had; asked of ours alone."""
    if death.attempts == 1 or not evidence.is_ours:
        return []
    count = sum(1 for record in own if record.task_id == best.task_id)
    return [f"{count} of {death.attempts} attempts"] if count < death.attempts else []


def _repeated(evidence: Evidence, own: list[Record]) -> Iterable[str]:
    """Yield the deaths that have more than one occurrence: a run can die but once."""
    runs = Counter((n.task_id, n.attempt) for n in evidence.notes if n.signal == "task_prerun")
    rows = Counter((r.task_id, r.attempt) for r in own if r.task_id and r.outcome not in SAYINGS)
    for (task_id, attempt), count in rows.items():
        if count > max(1, runs[task_id, attempt]):
            kinds = [r.outcome for r in own if (r.task_id, r.attempt) == (task_id, attempt)]
            yield f"{count} occurrences of one death ({', '.join(kinds)})"


def _unwanted(own: list[Record]) -> Iterable[str]:
    for record in own:
        # The worker may fail in a mode in which its task does not.
        if record.outcome != "worker_failed":
            yield f"a row though nothing failed ({record.outcome} {record.short_exception} {record.task})"


def _is_name(found: str, name: str) -> bool:
    """Compare names of types or tasks; of a very long one its head is enough."""
    return found == name or (
        len(name) > MAX_NAME_CHARACTERS and found[:MAX_NAME_CHARACTERS] == name[:MAX_NAME_CHARACTERS]
    )


def _title(evidence: Evidence, death: Death) -> str:
    return (
        death.task or (evidence.mode.task if death.task == "" else "") or " or ".join(death.exceptions + death.outcomes)
    )
