"""Counts the failures that arrived where a contender keeps them, and waits for those still on their way."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from . import addresses, sink
from .contenders import SENTRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .worker import Setup

MAX_SECONDS = 300.0
QUIET_SECONDS = 3.0
"""A count that stood still that long will not grow any more."""
POLL_SECONDS = 0.05


def counter(setup: Setup) -> Callable[[], int]:
    """Return a function that counts the failures stored so far; for a contender that stores none it returns 0."""
    query = setup.contender.count_query
    if setup.contender is SENTRY:
        return lambda: sink.count(setup.environment["BENCHMARK_SINK"])
    return (lambda: _count(setup.database, query)) if query else (lambda: 0)


def wait(count: Callable[[], int], *, expected: int, quiet_seconds: float = QUIET_SECONDS) -> int:
    """Wait until that many are stored, or until no more come for a while; returns the last count."""
    deadline = time.monotonic() + MAX_SECONDS
    seen, changed_at = count(), time.monotonic()
    while seen < expected and time.monotonic() < min(deadline, changed_at + quiet_seconds):
        time.sleep(POLL_SECONDS)
        now = count()
        if now != seen:
            seen, changed_at = now, time.monotonic()
    return seen


def _count(database: str, query: str) -> int:
    with contextlib.closing(addresses.connect(database)) as connection:
        return int(addresses.value(connection, query))
