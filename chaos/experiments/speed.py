"""What a task waits for, and what giants cost: figures of P1, P2 and P15. Wide margins: no benchmark, but a bound."""

from __future__ import annotations

import functools
import os
import pickle
import random
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

from benchmarks import figures
from chaos.play import playing
from issue_tracker.event import MAX_RECORD_BYTES, Kind, encode
from issue_tracker.recording import Failure, event_of
from issue_tracker.scrubber import scrub
from issue_tracker.serializer import scrubbed_text_of
from issue_tracker.tracebacks import describe, format_exception
from tests.unit.test_scrubber import SCREWS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.finding import Finding
    from chaos.stage import Stage

P50_MS, P99_MS = 0.5, 5.0
GIANT_MS, GIANT_MIB = 50.0, 8.0
SCRUB_64K_MS, SCRUB_10M_MS, GROWTH = 50.0, 100.0, 2.5
TRIES: Final = 3
"""The quickest of so many counts: the machine may be busy."""
MORE_TRIES: Final = 20
"""So many where the first ones pass a bound: what is too slow stays so."""


def receivers(stage: Stage, finding: Finding) -> None:
    """Time the signal `task_failure` in a worker's children, the database healthy and frozen."""
    server, url = stage.server(), stage.postgresql()
    for state in ("healthy", "frozen"):
        host = stage.host("receivers", url)
        times = host.directory / "times"
        with playing(host) as play:
            play.start(environment={"CHAOS_STOPWATCH": str(times)})
            play.send(50)
            play.await_begun()
            play.await_rows()
            if state == "frozen":
                server.freeze()
            play.send(stage.scale.failures)
            play.await_begun()
            server.thaw()
            play.await_rows()
            finding.tally += play.tally()
        finding.faults[f"failures, database {state}"] += stage.scale.failures
        _judge_times(finding, state, times.read_text().splitlines()[50:])


def _judge_times(finding: Finding, state: str, lines: list[str]) -> None:
    """Hold the clock against the bounds; its tail on an idle machine only, for a busy one makes everybody wait."""
    clock, cpu = zip(*([int(part) / 1e6 for part in line.split()] for line in lines), strict=True)
    finding.at_most(f"receiver p50, database {state}", figures.median(clock), P50_MS, "ms")
    finding.at_most(f"receiver p99, CPU, database {state}", figures.percentile(cpu, 99), P99_MS, "ms")
    p99, load = figures.percentile(clock, 99), os.getloadavg()[0]
    if load <= (os.cpu_count() or 1):
        finding.at_most(f"receiver p99, database {state}", p99, P99_MS, "ms")
    else:
        finding.figures[f"receiver p99, database {state}"] = (
            f"{p99:.3g} ms, not judged: {load:.1f} processes wait for CPU"
        )


# ---- giants


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def _chained(count: int) -> BaseException:
    error: BaseException = ValueError("first")
    for number in range(count):
        later = ValueError(f"cause {number}")
        later.__cause__ = error
        error = later
    return error


def _groups(depth: int) -> BaseException:
    error: Exception = ValueError("deep")
    for _ in range(depth):
        error = ExceptionGroup("group", [error])
    return error


def _noted(count: int) -> BaseException:
    error = ValueError("with notes")
    error.__notes__ = ["a note"] * count
    return error


def _recursed() -> BaseException:
    def deeper(depth: int) -> None:
        if depth:
            deeper(depth - 1)
        raise ValueError("deep")

    try:
        deeper(800)
    except ValueError as error:
        return error
    raise AssertionError("it raises")


GIANTS: Final[dict[str, Callable[[], tuple[Any, Any]]]] = {
    "a text of 10 MB": lambda: ("x" * 10**7, ValueError("x")),
    "bytes of 10 MB": lambda: (b"x" * 10**7, ValueError("x")),
    "a list of 1,000,000 items": lambda: (list(range(10**6)), ValueError("x")),
    "a dict of 300,000 items": lambda: ({f"key {n}": n for n in range(300_000)}, ValueError("x")),
    "100,000 levels": lambda: (_nested(100_000), ValueError("x")),
    "a message of 10 MB": lambda: (1, ValueError("x" * 10**7)),
    "a message of 10 MB full of secrets": lambda: (1, ValueError("password=hunter2 " * 600_000)),
    "an integer of 1,000,000 bits": lambda: (1 << 10**6, ValueError(1 << 10**6)),
    "100,000 causes": lambda: (1, _chained(100_000)),
    "groups in groups, 500 deep": lambda: (1, _groups(500)),
    "a group of 100,000": lambda: (1, ExceptionGroup("wide", [ValueError("x")] * 100_000)),
    "100,000 notes": lambda: (1, _noted(100_000)),
    "a stack of 800 frames": lambda: (1, _recursed()),
}


def giants(_stage: Stage, finding: Finding) -> None:
    """Describe and serialize each giant, timed alone and then under tracemalloc, in a process of its own."""
    slowest, largest, longest = ("", 0.0), ("", 0.0), 0
    for name, make in GIANTS.items():
        millis, mib, size = _in_child(functools.partial(_measured, make))
        slowest, largest, longest = (
            max(slowest, (name, millis), key=_second),
            max(largest, (name, mib), key=_second),
            max(longest, size),
        )
        finding.faults[name] += 1
        finding.require(millis <= GIANT_MS, f"{name}: {millis:.0f} ms, more than {GIANT_MS:g}")
        finding.require(mib <= GIANT_MIB, f"{name}: {mib:.1f} MiB, more than {GIANT_MIB:g}")
    finding.figures["slowest"] = f"{slowest[1]:.0f} ms, {slowest[0]} (≤ {GIANT_MS:g})"
    finding.figures["most memory"] = f"{largest[1]:.1f} MiB, {largest[0]} (≤ {GIANT_MIB:g})"
    finding.at_most("largest record", longest / 1024, MAX_RECORD_BYTES / 1024, "KiB")


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


def _measured(make: Callable[[], tuple[Any, Any]]) -> tuple[float, float, int]:
    value, error = make()
    best = min(_timed(lambda: _recorded(value, error)) for _ in range(TRIES))
    tracemalloc.start()
    size = len(_recorded(value, error))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return best, peak / 2**20, size


def _recorded(value: Any, error: Any) -> bytes:
    told = describe(error)
    failure = Failure(
        kind=Kind.FAILURE, name=told.short_name, task="t", message=told.message, traceback=format_exception(error),
        exception_type=told.type_name, task_id="id", args=[value], kwargs={"value": value},
    )  # fmt: skip
    return encode(event_of(failure, "error"))


def _in_child(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a forked process, so that its memory and its recursion are its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        body = b""
        try:
            body = pickle.dumps(function())
        finally:
            os.write(writing, struct.pack("=I", len(body)) + body)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        [size] = struct.unpack("=I", stream.read(4))
        body = stream.read(size)
    os.waitpid(pid, 0)
    if not body:
        raise AssertionError("the process that measured a giant died")
    return pickle.loads(body)  # noqa: S301  written by the child that we forked


# ---- patterns


def linear(stage: Stage, finding: Finding) -> None:
    """Mask texts of every awkward piece, and of pieces mixed by lot, in doubling sizes."""
    worst, worst_growth, giant = 0.0, 0.0, 0.0
    for piece in [*SCREWS, *_mixed(stage.chance("linear"))]:
        small, large = (_scrubbed(piece, size) for size in (2**15, 2**16))
        if large > min(SCRUB_64K_MS, GROWTH * small):
            small, large = (_scrubbed(piece, size, MORE_TRIES) for size in (2**15, 2**16))
        worst = max(worst, large)
        if large > 4:  # below, the clock's own grain decides
            worst_growth = max(worst_growth, large / small)
        giant = max(giant, _timed(lambda piece=piece: scrubbed_text_of(piece * (10**7 // len(piece)), max_chars=8_192)))
        finding.faults["texts"] += 3
    finding.at_most("64 KiB", worst, SCRUB_64K_MS, "ms of CPU")
    finding.at_most("10 MB, cut first", giant, SCRUB_10M_MS, "ms of CPU")
    finding.at_most("growth per doubling", worst_growth, GROWTH, "×")


def _mixed(chance: random.Random) -> list[str]:
    return ["".join(chance.choices(SCREWS, k=chance.randint(2, 4))) for _ in range(30)]


def _scrubbed(piece: str, size: int, tries: int = TRIES) -> float:
    text = (piece * (size // len(piece) + 1))[:size]
    return min(_timed(lambda: scrub(text)) for _ in range(tries))


def _timed(function: Callable[[], object]) -> float:
    """Return the CPU time of a call, in milliseconds."""
    began = time.process_time()
    function()
    return 1e3 * (time.process_time() - began)
