"""What befalls the worker round a task: imports, recycled children, memory, its broker."""

from __future__ import annotations

import importlib
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matrix.expectations import failed, vanished
from matrix.mode import FRESH, ONE_PROCESS, POOLS, PREFORK, SOLO, mode, scene

from .exits import wait

if TYPE_CHECKING:
    from matrix.stage import Stage

CGROUP: Final = "MATRIX_MEMORY_CGROUP"


def _lacks_cgroup() -> str:
    chosen = os.environ.get(CGROUP, "")
    if chosen and os.access(f"{chosen}/cgroup.procs", os.W_OK):
        return ""
    return f"needs a memory cgroup with a limit, named by {CGROUP}"


@scene(
    "22a",
    "ImportError in a module of tasks at the worker's start",
    failed("ModuleNotFoundError", shows="broken_import", task=None),
    alone=POOLS,
    config={"imports": ["matrix.broken_import"]},
    has_worker=False,
    is_listed=True,
)
def import_fails(stage: Stage) -> None:
    stage.until_gone()


@mode("22b", "an import inside the task fails", failed("ModuleNotFoundError", shows="in lazy_import"), is_listed=True)
def lazy_import(token: str) -> None:
    importlib.import_module(f"no_module_{token}")


@mode(
    "23a",
    "--max-memory-per-child exceeded",
    pools=PREFORK,
    alone=PREFORK,
    options=("--max-memory-per-child", "1000"),
    is_listed=True,
)
def recycled_for_memory(token: str) -> str:
    return "done"


@mode(
    "23b",
    "--max-tasks-per-child 1, plain exception",
    failed("ValueError", shows="in recycled"),
    pools=PREFORK,
    is_listed=True,
    **FRESH,
)
def recycled(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "23c",
    "killed for memory (a cgroup's limit)",
    vanished(),
    alone=ONE_PROCESS,
    lacks=_lacks_cgroup,
    max_seconds=20,
    is_listed=True,
)
def out_of_memory(token: str) -> None:
    (Path(os.environ[CGROUP]) / "cgroup.procs").write_text(str(os.getpid()))
    hoard = []
    while True:
        hoard.append(bytearray(1 << 20))


@mode(
    "23d",
    "out of address space",
    failed("MemoryError", shows="in out_of_space"),
    alone=POOLS,
    ends_on=(*PREFORK, *SOLO),
)
def out_of_space(token: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, resource.RLIM_INFINITY))
    bytearray(3 << 30)


@mode(
    "23e",
    "--autoscale, plain exception",
    failed("ValueError", shows="in autoscaled"),
    pools=PREFORK,
    alone=PREFORK,
    options=("--autoscale", "3,1"),
)
def autoscaled(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "23f",
    "--max-tasks-per-child 1, SIGKILL",
    vanished(),
    pools=PREFORK,
    max_seconds=15,
    **FRESH,
)
def recycled_and_killed(token: str) -> None:
    os.kill(os.getpid(), 9)


def _number(stage: Stage) -> int:
    return int(stage.host.redis.connection_pool.connection_kwargs["db"])


def _cut_each(stage: Stage) -> None:
    """Kill every connection to the worker's part of the broker but our own, while the task runs."""
    stage.send()
    stage.until_running()
    own = stage.host.redis.client_id()
    for known in stage.host.redis.client_list():
        if int(known["db"]) == _number(stage) and int(known["id"]) != own:
            stage.host.redis.client_kill_filter(_id=known["id"])


@mode(
    "41a",
    "the broker's connections are killed while it runs",
    alone=POOLS,
    play=_cut_each,
    max_seconds=20,
    is_listed=True,
)
def cut_off(token: str) -> str:
    wait(1.5)
    return "done"


@mode(
    "41b",
    "the broker's connections are killed while it runs, acks_late",
    alone=POOLS,
    play=_cut_each,
    task_options={"acks_late": True},
    max_seconds=20,
)
def cut_off_late(token: str) -> str:
    wait(1.5)
    return "done"
