"""The witness: notes every signal of Celery in a file, in every process of a worker, whatever the collector.

By it the matrix knows when a mode is over, and compares what a worker does with and without the app. It judges nobody.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from celery import signals

if TYPE_CHECKING:
    from pathlib import Path

BIRTHS: Final = {"task_prerun"}
ENDS: Final = {"task_postrun"}
REPORTS: Final = {"task_failure", "task_retry", "task_revoked"}
"""Signals by which a main process tells of a run that has no end of its own."""
NAMES: Final = (
    "task_prerun", "task_postrun", "task_success", "task_failure", "task_retry", "task_internal_error", "task_revoked",
    "task_unknown", "task_rejected", "before_task_publish", "after_task_publish", "worker_process_shutdown",
    "worker_shutting_down", "worker_shutdown", "beat_init",
)  # fmt: skip

FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT
_open: Final[list[int]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One signal."""

    signal: str
    pid: int
    task_id: str = ""
    root_id: str = ""
    attempt: int = 0
    detail: str = ""
    """Type of the exception, state, or how a task was revoked."""

    def brief(self, main_pid: int) -> str:
        """Return it in short: `failure(ValueError)@child`; `main` is the worker's own process."""
        name = self.signal.removeprefix("task_")
        return (
            f"{name}({self.detail})@{'main' if self.pid == main_pid else 'child'}"
            if self.detail
            else (f"{name}@{'main' if self.pid == main_pid else 'child'}")
        )


def install(path: str) -> None:
    """Note all signals of this process and its forks in a file that stays open: a mode may keep us from opening it."""
    _open.append(os.open(path, FLAGS, 0o600))
    for name in NAMES:
        getattr(signals, name).connect(_Receiver(path, name), weak=False, dispatch_uid=f"matrix.{name}")


def mark(path: str, text: str) -> None:
    """Note that a mode begins; for clients, which play many in one process."""
    _write(path, {"signal": "mark", "pid": os.getpid(), "detail": text})


def read(path: Path, offset: int = 0) -> list[Note]:
    """Return the notes of a file from an offset in bytes."""
    with suppress(FileNotFoundError), path.open("rb") as stream:
        stream.seek(offset)
        return [Note(**json.loads(line)) for line in stream.read().splitlines() if line.endswith(b"}")]
    return []


class _Receiver:
    """Notes one signal."""

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name

    def __call__(self, **sent: Any) -> None:
        with suppress(Exception):
            _write(self._path, {"signal": self._name, "pid": os.getpid(), **_facts(sent)})


def _facts(sent: dict[str, Any]) -> dict[str, Any]:
    request = (
        sent.get("request") or getattr(sent.get("task"), "request", None) or getattr(sent["sender"], "request", None)
    )
    headers = sent.get("headers") or getattr(sent.get("message"), "headers", None) or {}
    found = request if isinstance(request, dict) else getattr(request, "__dict__", {})
    task_id = sent.get("task_id") or sent.get("id") or found.get("id") or headers.get("id") or ""
    return {
        "task_id": str(task_id),
        "root_id": str(found.get("root_id") or headers.get("root_id") or ""),
        "attempt": found.get("retries") or 0,
        "detail": _detail(sent),
    }


def _detail(sent: dict[str, Any]) -> str:
    error = sent.get("exception") or getattr(sent.get("reason"), "exc", None) or sent.get("exc")
    if isinstance(error, BaseException):
        return type(error).__name__
    if "terminated" in sent:
        return "expired" if sent.get("expired") else "terminated" if sent.get("terminated") else ""
    return str(sent["state"]) if "state" in sent else ""


def _write(path: str, note: dict[str, Any]) -> None:
    line = json.dumps(note).encode() + b"\n"
    try:
        os.write(_open[-1], line)
    except (IndexError, OSError):
        with suppress(OSError):  # a mode has closed it, and may have left no way to open it
            _open.append(os.open(path, FLAGS, 0o600))
            os.write(_open[-1], line)
