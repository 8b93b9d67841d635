"""Shutdown: how much longer a worker takes with us, and how long a drainer stays whose database hangs."""

from __future__ import annotations

import signal
import statistics
import time
from typing import TYPE_CHECKING, Final

from chaos.play import playing
from tests.processes import is_running, send, until

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage

PAIRS: Final = 3
MORE_SECONDS: Final = 0.1
NOISE_SECONDS: Final = 0.15
"""Between two equal shutdowns on a busy machine (measured)."""
END_SECONDS: Final = 5.5
"""Five, and the poll in which it is noticed."""


def play(stage: Stage, finding: Finding) -> None:
    """Stop workers with and without us in turn; then end drainers whose database is frozen."""
    with_us, without = [], []
    for _ in range(PAIRS):
        without.append(_stop(stage, is_enabled=False))
        with_us.append(_stop(stage, is_enabled=True))
    more = statistics.median(with_us) - statistics.median(without)
    finding.figures["warm shutdown, without and with us"] = (
        f"{statistics.median(without):.2f} s, {statistics.median(with_us):.2f} s"
    )
    finding.at_most("warm shutdown takes longer by", more, MORE_SECONDS + NOISE_SECONDS, "s")
    finding.faults["warm shutdown"] += 2 * PAIRS
    _end_while_frozen(stage, finding)


def _stop(stage: Stage, *, is_enabled: bool) -> float:
    host = stage.host("shutdown", stage.sqlite(), issue_tracker={"ENABLED": is_enabled})
    with playing(host) as play:
        worker = play.start()
        play.send(10)
        play.await_begun()
        began = time.monotonic()
        worker.stop()
        return time.monotonic() - began


def _end_while_frozen(stage: Stage, finding: Finding) -> None:
    server, url = stage.server(), stage.postgresql()
    host = stage.host("shutdown", url)
    with playing(host) as play:
        worker = play.start()
        play.send(10)
        play.await_begun()
        play.await_rows()
        drainer = until(host.drainer, why="a drainer serves")
        server.freeze()
        try:
            play.send(10)
            play.await_begun()
            began = time.monotonic()
            send(drainer, signal.SIGTERM)
            until(lambda: not is_running(drainer), why="the drainer ends", timeout_seconds=15)
            finding.at_most("drainer's end, database frozen", time.monotonic() - began, END_SECONDS, "s")
        finally:
            server.thaw()
        finding.faults["SIGTERM of a drainer, database frozen"] += 1
        worker.stop()
        play.start()
        play.await_rows()
        finding.tally += play.tally()
