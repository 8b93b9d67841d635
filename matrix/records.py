"""What a collector has kept, read from where it keeps it into one shape for all: a Record is one row, or one event."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .sink import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing kept of a failure."""

    task: str = ""
    task_id: str = ""
    exception: str = ""
    """Its type as the collector names it; qualified or short."""
    traceback: str = ""
    arguments: str = ""
    outcome: str = ""
    """What it says became of the task, in lower case: a kind, or a state."""
    attempt: int = 0
    text: str = ""
    """All that was kept, for finding the mode's token."""

    @property
    def short_exception(self) -> str:
        """The type without its module."""
        return self.exception.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Where the collectors of one worker keep what they have."""

    database: Path
    """SQLite."""
    sink: Sink
    dsn: str


OURS: Final = """
SELECT i.task, o.task_id, i.exception_type, o.kind, o.attempt, o.args, o.kwargs, o.context,
       coalesce(nullif(o.error_message, ''), i.error_message) AS message,
       coalesce(nullif(o.traceback, ''), i.traceback) AS traceback
  FROM issue_tracker_occurrence o JOIN issue_tracker_operationalissue i ON i.id = o.issue_id ORDER BY o.id
"""


def ours(store: Store) -> list[Record]:
    """Return issue_tracker's occurrences."""
    return [
        Record(
            task=row["task"],
            task_id=row["task_id"],
            exception=row["exception_type"],
            traceback=row["traceback"],
            arguments=f"{row['args']} {row['kwargs']}",
            outcome=row["kind"],
            attempt=row["attempt"],
            text=_text(row),
        )
        for row in _rows(store.database, OURS)
    ]


def naive(store: Store) -> list[Record]:
    """Return the rows of the handler that most projects write first."""
    found = []
    for row in _rows(store.database, "SELECT * FROM naive_failure ORDER BY id"):
        context = json.loads(row["context"])
        found.append(
            Record(
                task=row["task"],
                task_id=str(context.get("task_id") or ""),
                exception=row["name"],
                traceback=row["traceback"],
                arguments=f"{context.get('args')} {context.get('kwargs')}",
                outcome="retry" if row["severity"] == "warning" else "failure",
                text=_text(row),
            )
        )
    return found


def results(store: Store) -> list[Record]:
    """Return django-celery-results' rows of tasks that did not succeed."""
    query = "SELECT * FROM django_celery_results_taskresult WHERE status NOT IN ('SUCCESS', 'STARTED', 'PENDING')"
    return [
        Record(
            task=row["task_name"] or "",
            task_id=row["task_id"],
            exception=_exception_of_result(row["result"]),
            traceback=row["traceback"] or "",
            arguments=f"{row['task_args']} {row['task_kwargs']}",
            outcome=row["status"].lower(),
            text=_text(row),
        )
        for row in _rows(store.database, query)
    ]


def logs(store: Store) -> list[Record]:
    """Return django-celery-logs' rows of tasks that failed."""
    return [
        Record(
            task=row["task_name"],
            task_id=row["task_id"],
            exception=row["error_message"].partition(":")[0],
            traceback=_traceback_of_logs(row["traceback"]),
            arguments=f"{row['task_args']} {row['task_kwargs']}",
            outcome="failure",
            text=_text(row),
        )
        for row in _rows(store.database, "SELECT * FROM celery_log_tasklog WHERE status = 'FAILURE'")
    ]


def sentry(store: Store) -> list[Record]:
    """Return Sentry's events. A task counts as named wherever in an event its name stands."""
    return [_of_event(event) for event in store.sink.events(store.dsn)]


def none(_store: Store) -> list[Record]:
    """Return nothing: bare Celery keeps no failures."""
    return []


READERS: Final[dict[str, Callable[[Store], list[Record]]]] = {
    "ours": ours,
    "naive": naive,
    "results": results,
    "logs": logs,
    "sentry": sentry,
    "bare": none,
}


def _rows(path: Path, query: str) -> Iterator[sqlite3.Row]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        # A lone surrogate that got into a text column is no UTF-8.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield from connection.execute(query).fetchall()


def _text(row: sqlite3.Row) -> str:
    return " ".join(str(value) for value in row)


def _exception_of_result(result: str | None) -> str:
    with contextlib.suppress(ValueError, TypeError):
        value = json.loads(result or "")
        return str(value.get("exc_type") or "") if isinstance(value, dict) else ""
    return ""


def _traceback_of_logs(stored: str | None) -> str:
    frames = ((json.loads(stored or "null") or {}).get("exc_tb") or {}).get("frames") or []
    lines = [f'File "{f.get("module_path")}", line {f.get("lineno")}, in {f.get("func_name")}' for f in frames]
    return "\n".join([*lines, stored or ""]) if frames else ""


def _of_event(event: dict[str, Any]) -> Record:
    values = [value for value in (event.get("exception") or {}).get("values") or [] if value]
    job = (event.get("extra") or {}).get("celery-job") or {}
    text = json.dumps(event, ensure_ascii=False)
    tags = event.get("tags") or {}
    return Record(
        task=str(job.get("task_name") or ""),
        task_id=str(dict(tags).get("celery_task_id") or ""),
        exception=str(values[-1].get("type") or "") if values else "",
        traceback="\n".join(line for value in values for line in _lines_of_value(value)),
        arguments=f"{job.get('args')} {job.get('kwargs')}" if job else text,
        text=text,
    )


def _lines_of_value(value: dict[str, Any]) -> list[str]:
    frames = (value.get("stacktrace") or {}).get("frames") or []
    lines = [f'File "{f.get("filename")}", line {f.get("lineno")}, in {f.get("function")}' for f in frames]
    return [*lines, f"{value.get('type')}: {value.get('value')}"]
