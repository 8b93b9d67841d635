"""Measures issue_tracker side by side with bare Celery and the peers: the command line of `python -m benchmarks`."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass

from .contenders import BARE, BY_NAME, Contender

USUAL = ("cpu", "latency", "drain", "storm", "scale", "visible", "memory", "admin", "prune", "problems")
ON_DEMAND = ("instructions",)
"""Slow, and not about what a user pays: only when named."""
MEASUREMENTS = (*USUAL, *ON_DEMAND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure."""

    measurements: tuple[str, ...]
    pairs: int
    tasks: int
    events: int | None
    """For the measurements that count events; None: as many as each thinks right."""
    pools: tuple[str, ...]
    databases: tuple[str, ...]
    loads: tuple[str, ...]
    contenders: tuple[Contender, ...]
    is_written: bool
    command: str
    """The command line, as the page shows it."""


def parse(arguments: list[str]) -> Options:
    """Read the command line; ends the process with a message when it is wrong."""
    given = _parser().parse_args(arguments)
    return Options(
        measurements=tuple(given.measurement) or USUAL,
        pairs=given.pairs,
        tasks=given.tasks,
        events=given.events,
        pools=_chosen(given.pool, ("prefork", "threads")),
        databases=_chosen(given.database, ("sqlite", "postgresql")),
        loads=_chosen(given.load, ("fail", "succeed")),
        contenders=_contenders(given.only),
        is_written=given.write,
        command=shlex.join(["python", "-m", "benchmarks", *arguments]),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("measurement", nargs="*", choices=[*MEASUREMENTS, []], help=f"default: {' '.join(USUAL)}")
    parser.add_argument("--pairs", type=int, default=5, help="rounds; every contender runs once in each (default 5)")
    parser.add_argument("--tasks", type=int, default=3000, help="tasks a run (default 3000)")
    parser.add_argument(
        "--events", type=int, help="events for drain (default 20000), storm and scale (100000), admin (1000000)"
    )
    parser.add_argument("--pool", choices=["prefork", "threads"], help="default: both")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="default: both")
    parser.add_argument("--load", choices=["fail", "succeed"], help="default: both")
    parser.add_argument("--only", nargs="+", choices=list(BY_NAME), help="contenders beside bare Celery; default: all")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md, too")
    return parser


def _chosen(one: str | None, every: tuple[str, ...]) -> tuple[str, ...]:
    return (one,) if one else every


def _contenders(names: list[str] | None) -> tuple[Contender, ...]:
    chosen = [BY_NAME[name] for name in names or BY_NAME]
    return (BARE, *(contender for contender in chosen if contender is not BARE))
