"""Tasks whose process vanishes under them: exits, signals, crashes."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrix.expectations import NOTHING, failed, stopped, vanished
from matrix.mode import FRESH, ONE_PROCESS, PREFORK, mode
from tests.processes import is_running, send

if TYPE_CHECKING:
    from matrix.stage import Stage

ATTEMPTS = "attempts"


def count_attempt(token: str) -> int:
    """Return how often this was called with a token, over all processes of a host."""
    path = Path(os.environ["MATRIX_WITNESS"]).parent / token
    with path.open("a") as stream:
        stream.write("x")
    return path.stat().st_size


def be_accepted() -> None:
    """Give the main process the time to acknowledge: what dies sooner leaves its message with the broker, or not."""
    wait(0.3)


def wait(seconds: float) -> None:
    """Be busy with nothing, in small steps."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.02)


@mode("07a", "os._exit(1)", vanished(), alone=ONE_PROCESS, is_listed=True)
def exit_at_once(token: str) -> None:
    be_accepted()
    os._exit(1)


@mode("07b", "SIGKILL of the child", vanished(), alone=ONE_PROCESS, is_listed=True)
def kill(token: str) -> None:
    be_accepted()
    os.kill(os.getpid(), signal.SIGKILL)


@mode(
    "07c",
    "SIGKILL, acks_late",
    vanished(),
    alone=ONE_PROCESS,
    task_options={"acks_late": True},
    leaves_messages=False,
    is_listed=True,
)
def kill_late(token: str) -> None:
    be_accepted()
    os.kill(os.getpid(), signal.SIGKILL)


@mode(
    "07d",
    "SIGKILL twice, acks_late and reject_on_worker_lost, then success",
    vanished(attempts=2),
    on={ONE_PROCESS: (vanished(),)},
    alone=ONE_PROCESS,
    task_options={"acks_late": True, "reject_on_worker_lost": True},
    max_seconds=25,
    is_listed=True,
)
def kill_and_reject(token: str) -> str:
    if count_attempt(token) <= 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


@mode("07e", "os._exit(0)", vanished(), alone=ONE_PROCESS)
def exit_in_peace(token: str) -> None:
    be_accepted()
    os._exit(0)


@mode("07f", "os._exit in a thread of the task", vanished(), alone=ONE_PROCESS)
def thread_exits(token: str) -> None:
    be_accepted()
    import threading

    threading.Thread(target=os._exit, args=(1,)).start()
    wait(30)


@mode("08a", "segfault (ctypes)", vanished(), alone=ONE_PROCESS)
def segfault(token: str) -> None:
    be_accepted()
    ctypes.string_at(0)


@mode("08b", "os.abort()", vanished(), alone=ONE_PROCESS)
def abort(token: str) -> None:
    be_accepted()
    os.abort()


@mode("08c", "recursion in C (the stack overflows)", vanished(), alone=ONE_PROCESS)
def c_recursion(token: str) -> None:
    be_accepted()
    sys.setrecursionlimit(10**9)
    tree: Any = []
    for _ in range(300_000):
        tree = [tree]
    repr(tree)


@mode(
    "08d", "SIGTERM to its own process", vanished(), on={ONE_PROCESS: NOTHING}, alone=ONE_PROCESS, ends_on=ONE_PROCESS
)
def terminate_self(token: str) -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    wait(1)
    return "done"


@mode(
    "08e",
    "SIGUSR1 to its own process (Celery's soft limit)",
    failed("SoftTimeLimitExceeded"),
    on={ONE_PROCESS: NOTHING},
    alone=ONE_PROCESS,
)
def signal_self(token: str) -> str:
    os.kill(os.getpid(), signal.SIGUSR1)
    wait(1)
    return "done"


@mode("08f", "SIGXCPU to its own process", vanished(), alone=ONE_PROCESS)
def cpu_limit(token: str) -> None:
    be_accepted()
    os.kill(os.getpid(), signal.SIGXCPU)
    wait(10)


@mode("08g", "forks, and both die", vanished(), alone=ONE_PROCESS)
def fork_and_die(token: str) -> None:
    be_accepted()
    os.fork()
    os.kill(os.getpid(), signal.SIGKILL)


@mode("08h", "forks, and the fork dies while the task goes on")
def fork_dies(token: str) -> str:
    pid = os.fork()
    if not pid:
        os._exit(1)
    os.waitpid(pid, 0)
    return "done"


def _stop_then_limit(stage: Stage) -> None:
    """Stop the child by SIGSTOP, and leave it to its hard limit."""
    stage.send()
    pid = stage.until_running()
    if pid != stage.worker.pid:
        send(pid, signal.SIGSTOP)


@mode(
    "08i",
    "SIGSTOP of the child, then its hard limit",
    stopped("TimeLimitExceeded"),
    pools=PREFORK,
    alone=PREFORK,
    play=_stop_then_limit,
    task_options={"time_limit": 1},
    max_seconds=20,
)
def stopped_child(token: str) -> None:
    wait(60)


def _kill_from_outside(stage: Stage) -> None:
    stage.send()
    pid = stage.until_running()
    stage.until_accepted()
    send(pid, signal.SIGKILL)
    assert stage.pool != "prefork" or is_running(stage.worker.pid)  # noqa: S101


@mode(
    "08j",
    "SIGKILL from outside while it sleeps",
    vanished(),
    alone=ONE_PROCESS,
    play=_kill_from_outside,
    max_seconds=15,
)
def killed_from_outside(token: str) -> None:
    time.sleep(60)


@mode("08k", "all file descriptors closed", vanished(), max_seconds=15, **FRESH)
def close_all(token: str) -> None:
    be_accepted()
    os.closerange(0, 4096)
    os._exit(1)


@mode("08l", "SIGKILL, no result backend", vanished(), alone=ONE_PROCESS, config={"result_backend": None})
def kill_no_backend(token: str) -> None:
    be_accepted()
    os.kill(os.getpid(), signal.SIGKILL)


@mode(
    "08m",
    "SIGKILL, result backend down",
    vanished(),
    alone=ONE_PROCESS,
    config={
        "result_backend": "redis://127.0.0.1:1/0",
        "result_backend_transport_options": {"retry_policy": {"max_retries": 1}},
    },
    max_seconds=15,
)
def kill_backend_down(token: str) -> None:
    be_accepted()
    os.kill(os.getpid(), signal.SIGKILL)
