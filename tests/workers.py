"""Real `celery worker` processes for tests: started with a chosen pool, watched, stopped or killed by pid."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from celery import Celery

from tests.processes import (
    ROOT,
    children_of,
    descendants_of,
    end,
    open_files_of,
    parent_of,
    processes_with,
    send,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from celery.result import AsyncResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where a worker lives: its broker, its database, its spool. Two workers of one Host share a node's spool."""

    directory: Path
    """Holds the spool and the logs; a test's tmp_path."""
    broker_url: str
    database_url: str
    result_backend: str = ""
    """Empty: none, as hosts that keep no results have it."""
    celery: Mapping[str, Any] = field(default_factory=dict)
    """Settings of Celery, such as {"task_acks_late": True}."""
    issue_tracker: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the app, such as {"DEDUP_WINDOW": 0}."""

    @property
    def spool_dir(self) -> Path:
        """The directory of the spool."""
        return self.directory / "spool"

    def environment(self) -> dict[str, str]:
        """Return the environment of a process of this host: a worker, or `python -m django` by hand."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "BROKER_URL": self.broker_url,
            "RESULT_BACKEND": self.result_backend,
            "DATABASE_URL": self.database_url,
            "SPOOL_DIR": str(self.spool_dir),
            "CELERY_CONF": json.dumps(dict(self.celery)),
            "ISSUE_TRACKER": json.dumps(dict(self.issue_tracker)),
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *arguments: str, timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `python -m <arguments>` to its end in the environment of this host."""
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
        )

    def send(self, task: str, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Send a task of `tests.project.tasks` by its short name, or any task by its full one."""
        return self.send_with({}, task, *args, **kwargs)

    def send_with(self, options: Mapping[str, Any], task: str, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Send a task with options of `send_task`, such as {"expires": 0, "countdown": 1, "queue": "slow"}."""
        name = task if "." in task else f"tests.project.tasks.{task}"
        with self.client() as app:
            return app.send_task(name, args=args, kwargs=kwargs, **options)

    def processes(self) -> list[int]:
        """Return every process of this host, also one whose parent was killed: its environment names the spool."""
        return processes_with(f"SPOOL_DIR={self.spool_dir}")

    def drainer(self) -> int | None:
        """Return the process that holds the drain lock of this host's spool."""
        for pid in self.processes():
            if any(name.startswith(str(self.spool_dir)) and name.endswith(".lock") for name in open_files_of(pid)):
                return pid
        return None

    def keeper(self) -> int | None:
        """Return the process of this host that keeps the drainer."""
        drainer, family = self.drainer(), self.processes()
        return next((pid for pid in family if drainer and pid == parent_of(drainer)), None)

    def client(self) -> Celery:
        """Return an app that sends and asks, and is nobody's current app."""
        return Celery("client", broker=self.broker_url, backend=self.result_backend or None, set_as_current=False)


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running worker: its main process, and what it started."""

    host: Host
    process: subprocess.Popen[bytes]
    log: Path
    keeper: int = field(init=False)
    """The process that keeps its drainer: the first that it forked."""

    def __post_init__(self) -> None:
        """Name the keeper; 0 where the worker ended before it had one."""
        self.keeper = next(iter(children_of(self.pid)), 0)

    @property
    def pid(self) -> int:
        """The main process."""
        return self.process.pid

    def log_text(self) -> str:
        """Return all it has written to stdout and stderr."""
        return self.log.read_text(errors="replace")

    def children(self) -> list[int]:
        """Return its pool's processes, oldest first; the keeper of its drainer is none of them."""
        return [pid for pid in children_of(self.pid) if pid != self.keeper]

    def drainer(self) -> int | None:
        """Return the process that holds the drain lock of this host's spool, if it is this worker's."""
        found = self.host.drainer()
        return found if found in set(descendants_of(self.pid)) else None

    def stop(self, *, timeout_seconds: float = 15) -> int:
        """Warm shutdown by SIGTERM: running tasks end first. Returns the exit code."""
        return self._end(signal.SIGTERM, timeout_seconds)

    def stop_cold(self, *, timeout_seconds: float = 15) -> int:
        """Cold shutdown by SIGQUIT: running tasks are ended. Returns the exit code."""
        return self._end(signal.SIGQUIT, timeout_seconds)

    def kill(self) -> None:
        """Kill -9 the main process alone; what it started notices by itself."""
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """Kill -9 the main process and all it started, at one moment, as a machine that goes down does."""
        family = [self.pid, *descendants_of(self.pid)]
        for pid in family:
            send(pid, signal.SIGSTOP)
        for pid in family:
            send(pid, signal.SIGKILL)
        self.process.wait()

    def _end(self, number: signal.Signals, timeout_seconds: float) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"the worker did not end within {timeout_seconds} s:\n{self.log_text()}") from error


def start(
    host: Host,
    *,
    name: str = "worker",
    pool: str = "prefork",
    concurrency: int = 2,
    include: str = "tests.project.tasks",
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Worker:
    """Start a worker and return once it takes tasks. `include` names further modules of tasks, separated by commas."""
    command = [sys.executable, "-m", "celery", "-A", "tests.project.celery", "worker", "--hostname", f"{name}@test"]
    command += ["--pool", pool, "--concurrency", str(concurrency), "--include", include, "--loglevel", "INFO", *options]
    log = host.directory / f"{name}.log"
    with log.open("ab") as output:
        offset = output.tell()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**host.environment(), **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        until(
            lambda: process.poll() is not None or _is_ready(log, offset), why="the worker is ready", timeout_seconds=40
        )
    except AssertionError as error:
        end(process)
        raise AssertionError(f"{error}\n{log.read_text(errors='replace')}") from None
    worker = Worker(host=host, process=process, log=log)
    if process.poll() is not None:
        raise AssertionError(f"the worker ended with {process.returncode}:\n{worker.log_text()}")
    return worker


@contextlib.contextmanager
def running(host: Host, **choices: Any) -> Iterator[Worker]:
    """Run a worker for the length of a block, with the keywords of `start`; whatever is left of it is killed after."""
    worker = start(host, **choices)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            end(worker.process)
        for pid in host.processes():
            send(pid, signal.SIGKILL)


def _is_ready(log: Path, offset: int) -> bool:
    with log.open("rb") as stream:
        stream.seek(offset)
        return b" ready.\n" in stream.read()
