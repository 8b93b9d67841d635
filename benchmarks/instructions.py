"""Instructions that a child spends on a task, counted by valgrind: noise-free, to compare two states of the code.

The difference between two runs of different length, so that start-up drops out. It knows nothing of caches and system
calls, and nothing of the main process or the drainer: for what a worker costs, see `cpu`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from . import page
from .bench import say
from .contenders import BARE, LOGS, NAIVE, OURS
from .worker import ROOT, environment

if TYPE_CHECKING:
    from .bench import Bench
    from .contenders import Contender

SHORT: Final = 50
LONG: Final = 250
HEADS: Final = ["", "a failing task", "more than bare", "a succeeding task", "more than bare"]


def measure(bench: Bench) -> None:
    """Count for the contenders that work on signals, on SQLite; says so where valgrind is missing."""
    if shutil.which("valgrind") is None:
        say("instructions: left out, valgrind is not installed")
        return
    contenders = [c for c in bench.options.contenders if c in {BARE, OURS, NAIVE, LOGS}]
    counts = {
        c.name: [_a_task(bench, c, task) for task in ("benchmarks.fail", "benchmarks.succeed")] for c in contenders
    }
    rows = [[c.title, *_cells(counts[c.name], counts[BARE.name])] for c in contenders]
    title = "Thousands of instructions in the child, for each task, SQLite"
    bench.publish("instructions", title, page.table(HEADS, rows), database="sqlite")


def _a_task(bench: Bench, contender: Contender, task: str) -> float:
    short, long = (_count(bench, contender, task, length) for length in (SHORT, LONG))
    thousands = (long - short) / (LONG - SHORT) / 1e3
    say(f"instructions {contender.name} {task}: {thousands:,.0f} thousand")
    return thousands


def _count(bench: Bench, contender: Contender, task: str, length: int) -> int:
    command = [sys.executable, "-m", "benchmarks.traced", task, str(length)]
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    with bench.setup(contender, pool="", database="sqlite") as setup:
        settings = os.environ | environment(setup) | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [*valgrind, *command], env=settings, cwd=ROOT, check=True, stderr=subprocess.PIPE, text=True
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"valgrind printed no count: {done.stderr[-500:]}")
    return int(found[1])


def _cells(mine: list[float], bare: list[float]) -> list[str]:
    return [text for a, b in zip(mine, bare, strict=True) for text in (f"{a:,.0f}", f"{a - b:+,.0f}")]
