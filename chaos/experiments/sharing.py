"""Two workers, each with a drainer, on one spool; the one that drains is killed or stopped now and then."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from chaos.play import playing
from tests.processes import send, until

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage


def play(stage: Stage, finding: Finding) -> None:
    """Send to both; kill the drainer that serves: the other one takes over. Counts are exact."""
    host = stage.host("sharing", stage.sqlite())
    with playing(host) as play:
        play.start()
        play.start()
        play.send(stage.scale.failures // 4)
        until(lambda: len(play.noted()) > 10, why="tasks begin")
        serving = until(host.drainer, why="one drains")
        send(serving, signal.SIGKILL)
        finding.faults["kill -9 of the drainer that serves"] += 1
        play.await_begun()
        finding.figures["rows after the takeover"] = f"{play.await_rows():.1f} s"
        serving = until(host.drainer, why="the other drains")
        send(serving, signal.SIGSTOP)
        finding.faults["SIGSTOP of the drainer that serves"] += 1
        play.send(stage.scale.failures // 4)
        play.await_begun()
        send(serving, signal.SIGCONT)
        play.await_rows()
        finding.faults["two drainers on one spool"] += 1
        finding.tally += play.tally()
