"""Measures what the command line names; with --write the tables go into docs/benchmarks.md."""

from __future__ import annotations

import signal
import sys

from . import (
    cpu,
    drain_rate,
    growth,
    instructions,
    latency,
    memory,
    options,
    problems,
    pruning,
    scale,
    storm,
    visible,
)
from .bench import bench

MEASURES = {
    "cpu": cpu.measure,
    "latency": latency.measure,
    "drain": drain_rate.measure,
    "visible": visible.measure,
    "memory": memory.measure,
    "problems": problems.measure,
    "storm": storm.measure,
    "scale": scale.measure,
    "admin": growth.measure,
    "prune": pruning.measure,
    "instructions": instructions.measure,
}


def main() -> None:
    """Run the chosen measurements one after the other."""
    chosen = options.parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by way of the blocks that end servers and workers
    with bench(chosen) as running:
        for name in chosen.measurements:
            MEASURES[name](running)


if __name__ == "__main__":
    main()
