"""Shutdowns and kills of the worker while a task runs."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from matrix.expectations import NOTHING, told, vanished
from matrix.mode import POOLS, PREFORK, THREADS, mode
from tests.processes import descendants_of, send

from .exits import wait

if TYPE_CHECKING:
    from matrix.stage import Stage

CUT_SHORT = told("interrupted", "worker_lost", needs_arguments=True)
LATE = {"acks_late": True}
LONG_SECONDS = 15.0
"""Longer than a cold shutdown takes on a loaded machine."""


def _signals(*numbers: signal.Signals) -> object:
    """Return a play that sends signals to the main process while the task runs."""

    def play(stage: Stage) -> None:
        stage.send()
        stage.until_accepted()
        for number in numbers:
            send(stage.worker.pid, number)
            stage.app.control.ping(timeout=0.5)  # wakes its loop, which sees a signal only then
        stage.until_gone()

    return play


@mode("24a", "warm shutdown while it runs", alone=POOLS, play=_signals(signal.SIGTERM), max_seconds=15, is_listed=True)
def warm(token: str) -> str:
    wait(1.5)
    return "done"


@mode(
    "24b",
    "SIGTERM, then SIGQUIT while it runs",
    CUT_SHORT,
    alone=POOLS,
    play=_signals(signal.SIGTERM, signal.SIGQUIT),
    max_seconds=40,
    is_listed=True,
)
def cold_after_warm(token: str) -> str:
    wait(LONG_SECONDS)
    return "done"


@mode(
    "24b2",
    "SIGTERM, then SIGQUIT while it runs, acks_late: handed back",
    alone=PREFORK,
    pools=PREFORK,
    play=_signals(signal.SIGTERM, signal.SIGQUIT),
    task_options=LATE,
    leaves_messages=True,
    max_seconds=40,
)
def cold_after_warm_late(token: str) -> str:
    wait(LONG_SECONDS)
    return "done"


@mode(
    "24c",
    "cold shutdown (SIGQUIT) while it runs",
    CUT_SHORT,
    on={THREADS: NOTHING},
    alone=POOLS,
    play=_signals(signal.SIGQUIT),
    max_seconds=40,
    is_listed=True,
)
def cold(token: str) -> str:
    wait(LONG_SECONDS)
    return "done"


@mode(
    "24c2",
    "cold shutdown while it runs, acks_late: handed back",
    alone=PREFORK,
    pools=PREFORK,
    play=_signals(signal.SIGQUIT),
    task_options=LATE,
    leaves_messages=True,
    max_seconds=40,
)
def cold_late(token: str) -> str:
    wait(LONG_SECONDS)
    return "done"


@mode(
    "24d",
    "SIGKILL of the main process",
    vanished(),
    alone=POOLS,
    play=_signals(signal.SIGKILL),
    leaves_messages=True,
    max_seconds=40,
    is_listed=True,
)
def main_killed(token: str) -> str:
    wait(60)
    return "done"


@mode(
    "24e",
    "SIGINT twice while it runs",
    CUT_SHORT,
    on={THREADS: NOTHING},
    pools=PREFORK,
    alone=PREFORK,
    play=_signals(signal.SIGINT, signal.SIGINT),
    max_seconds=40,
)
def interrupted_twice(token: str) -> str:
    wait(LONG_SECONDS)
    return "done"


def _kill_all(stage: Stage) -> None:
    """Kill everything of the worker at one moment, as a machine that goes down does."""
    stage.send()
    stage.until_running()
    family = [stage.worker.pid, *descendants_of(stage.worker.pid)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in family:
            send(pid, number)
    stage.until_gone()


@mode(
    "24g",
    "SIGKILL of everything, then a new worker",
    vanished(),
    alone=POOLS,
    play=_kill_all,
    restarts=1,
    leaves_messages=True,
    max_seconds=40,
)
def all_killed(token: str) -> str:
    wait(60)
    return "done"


@mode(
    "24h",
    "SIGKILL of everything, acks_late, then a new worker",
    vanished(),
    alone=POOLS,
    play=_kill_all,
    task_options=LATE,
    restarts=1,
    leaves_messages=True,
    max_seconds=40,
)
def all_killed_late(token: str) -> str:
    wait(60)
    return "done"
