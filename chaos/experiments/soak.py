"""Everything mixed, for as long as the options say: failures all the while, a fault by lot every few seconds."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import redis

from chaos.play import playing
from tests.processes import children_of, open_files_of, send, until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from chaos.finding import Finding
    from chaos.play import Play
    from chaos.stage import Stage
    from tests.databases import Server

MAX_GROWTH_MIB: Final = 5.0
BATCH: Final = 30
"""Tasks a step."""
SETTLING_SHARE: Final = 0.25
"""The first quarter is left out of the comparison: caches fill."""


def play(stage: Stage, finding: Finding) -> None:
    """Feed one host on PostgreSQL while faults come by lot; compare memory and open files early and late."""
    server, chance = stage.server(), stage.chance("soak")
    host = stage.host("soak", stage.postgresql())
    with playing(host) as play:
        play.start(options=("--max-tasks-per-child", "1000"))
        until(host.drainer, why="a drainer serves", timeout_seconds=30)
        readings: list[tuple[float, int]] = []
        ends_at = time.monotonic() + stage.scale.soak_seconds
        while time.monotonic() < ends_at:
            play.send(BATCH)
            fault = chance.choice(FAULTS)
            finding.faults[fault.__name__.strip("_").replace("_", " ")] += 1
            fault(play, server, chance, stage)
            with contextlib.suppress(AssertionError):
                until(lambda: _is_settled(stage, play), why="all are stored", timeout_seconds=90, every_seconds=0.1)
            if drainer := host.drainer():
                readings.append((_resident_mib(drainer), len(open_files_of(drainer))))
        play.await_rows(timeout_seconds=120)
        _judge(finding, readings)
        finding.tally += play.tally()


def _is_settled(stage: Stage, play: Play) -> bool:
    """Tell whether the queue is empty and all that began is stored; what a killed worker had fetched never begins."""
    with redis.Redis.from_url(stage.broker.url) as client:
        return not client.llen("celery") and play.arrived() >= len(set(play.noted()))


def _judge(finding: Finding, readings: list[tuple[float, int]]) -> None:
    settled = readings[int(len(readings) * SETTLING_SHARE) :]
    if len(settled) < 4:
        finding.figures["memory and open files"] = f"too few readings ({len(settled)}) to compare"
        return
    half = len(settled) // 2
    early, late = settled[:half], settled[half:]
    growth = statistics.median(size for size, _files in late) - statistics.median(size for size, _files in early)
    finding.at_most("drainer's memory, later half against earlier", growth, MAX_GROWTH_MIB, "MiB")
    files = [statistics.median(count for _size, count in part) for part in (early, late)]
    finding.figures["drainer's open files, earlier and later"] = f"{files[0]:.0f}, {files[1]:.0f}"
    finding.require(files[1] <= files[0] + 1, "the drainer's open files grow")


def _resident_mib(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


# ---- the faults


def _nothing(_play: Play, _server: Server, chance: random.Random, _stage: Stage) -> None:
    time.sleep(chance.uniform(0, 1))  # a calm moment


def _kill_a_child(play: Play, _server: Server, chance: random.Random, _stage: Stage) -> None:
    if children := play.workers[-1].children():
        send(chance.choice(children), signal.SIGKILL)


def _stop_a_child(play: Play, _server: Server, chance: random.Random, _stage: Stage) -> None:
    if children := play.workers[-1].children():
        pid = chance.choice(children)
        send(pid, signal.SIGSTOP)
        time.sleep(chance.uniform(0, 1))  # the fault lasts
        send(pid, signal.SIGCONT)


def _kill_the_worker(play: Play, _server: Server, _chance: random.Random, _stage: Stage) -> None:
    play.workers[-1].kill()
    play.start(options=("--max-tasks-per-child", "1000"))


def _kill_the_drainer(play: Play, _server: Server, _chance: random.Random, _stage: Stage) -> None:
    """A worker gets no other drainer: the worker is stopped and started, as an operator would."""
    drainer = play.host.drainer()
    if drainer is None:
        return
    is_ours = drainer in children_of(play.workers[-1].pid)
    send(drainer, signal.SIGKILL)
    if is_ours:
        play.workers[-1].stop(timeout_seconds=60)
        play.start(options=("--max-tasks-per-child", "1000"))


def _freeze_the_database(_play: Play, server: Server, chance: random.Random, _stage: Stage) -> None:
    server.freeze()
    time.sleep(chance.uniform(0, 3))  # the fault lasts
    server.thaw()


def _restart_the_database(_play: Play, server: Server, chance: random.Random, _stage: Stage) -> None:
    server.crash()
    time.sleep(chance.uniform(0, 2))  # the fault lasts
    server.start_again()


def _freeze_the_broker(_play: Play, _server: Server, chance: random.Random, stage: Stage) -> None:
    stage.broker.freeze()
    time.sleep(chance.uniform(0, 2))  # the fault lasts
    stage.broker.thaw()


FAULTS: Final[tuple[Callable[[Play, Server, random.Random, Stage], None], ...]] = (
    _nothing,
    _kill_a_child,
    _kill_a_child,
    _stop_a_child,
    _kill_the_worker,
    _kill_the_drainer,
    _freeze_the_database,
    _restart_the_database,
    _freeze_the_broker,
)
