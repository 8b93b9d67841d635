"""What the admin's pages cost by the size of the tables, and how each grows: `admin_pages` at each size, in processes.

Each size has a PostgreSQL of its own, filled with ten occurrences an issue. CPU is client's and database's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from . import page, plots
from .bench import say
from .worker import ROOT

if TYPE_CHECKING:
    from .bench import Bench

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
"""Occurrences; `--events` leaves larger ones out."""
PAGES: Final = ("list, as it opens", "list, a search", "issue page", "issue page, the busiest", "overview")
REQUESTS: Final = 30
OCCURRENCES_AN_ISSUE: Final = 10

Figures = dict[str, dict[str, float]]
"""Median and CPU milliseconds of each page, by its name."""


def measure(bench: Bench) -> None:
    """Measure the pages at each size, the smallest first."""
    sizes = [size for size in SIZES if size <= (bench.options.events or SIZES[-1])] or [SIZES[0]]
    found = [_read(size) for size in sizes]
    heads = ["CPU ms (median ms)", *(f"{size:,}" for size in sizes), "CPU grows"]
    rows = [_row(name, [figures[name] for figures in found]) for name in PAGES]
    title = f"A page of the admin on PostgreSQL, by occurrences, {OCCURRENCES_AN_ISSUE} an issue"
    bench.publish("admin", title, page.table(heads, rows), database="postgresql", plot=_plot(sizes, found))


def _read(size: int) -> Figures:
    arguments = ["--occurrences", size, "--issues", size // OCCURRENCES_AN_ISSUE, "--requests", REQUESTS, "--json"]
    command = [sys.executable, "-m", "benchmarks.admin_pages", *map(str, arguments), "--only", *PAGES]
    done = subprocess.run(command, env=os.environ, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    for name in PAGES:
        say(f"admin {size:,}: {name}: {figures[name]['cpu_ms']:.1f} ms CPU, median {figures[name]['median_ms']:.1f} ms")
    return figures


def _row(name: str, by_size: list[dict[str, float]]) -> list[str]:
    cells = [f"{figures['cpu_ms']:.0f} ({figures['median_ms']:.0f})" for figures in by_size]
    return [name, *cells, f"× {by_size[-1]['cpu_ms'] / by_size[0]['cpu_ms']:.1f}"]


def _plot(sizes: list[int], found: list[Figures]) -> str:
    series = {name: [figures[name]["cpu_ms"] for figures in found] for name in PAGES}
    steps = [f"{size:,}" for size in sizes]
    title = "CPU of a page, client and database, milliseconds"
    return plots.Lines(title=title, steps=steps, step_title="occurrences", series=series, is_log=True).svg()
