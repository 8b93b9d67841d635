"""`prune`, which is a program of its own with a PostgreSQL of its own, as one of the measurements."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from .worker import ROOT

if TYPE_CHECKING:
    from .bench import Bench

OCCURRENCES: Final = 1_000_000
OCCURRENCES_AN_ISSUE: Final = 10


def measure(bench: Bench) -> None:
    """Let it run; it prints its table, and writes it where that is asked for."""
    occurrences = bench.options.events or OCCURRENCES
    sizes = ["--occurrences", str(occurrences), "--issues", str(occurrences // OCCURRENCES_AN_ISSUE)]
    command = [sys.executable, "-m", "benchmarks.prune", *sizes, *(["--write"] * bench.options.is_written)]
    subprocess.run(command, env=os.environ, cwd=ROOT, check=True)
