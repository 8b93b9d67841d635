"""kill -9 at random over the pool's processes, the main process and the drainer, while tasks keep failing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from chaos.play import playing
from tests.prey import PATIENCE_SECONDS, Prey
from tests.processes import send, until

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage

SHARES: Final = {"child": 0.56, "main": 0.2, "drainer": 0.24}
"""Of each victim; fewer main processes, for those take seconds to start again."""


def play(stage: Stage, finding: Finding) -> None:
    """Kill as often as the scale says; then a row for each run that was noted, once."""
    chance = stage.chance("kills")
    victims = chance.choices(list(SHARES), weights=list(SHARES.values()), k=stage.scale.kills)
    host = stage.host("kills", stage.sqlite())
    with playing(host) as watched:
        prey = Prey(host=host, chance=chance)
        try:
            prey.start_worker()
            for victim in victims:
                prey.kill(victim)
            prey.kill("main")  # whoever comes last has a drainer, which tells all that is left
            finding.figures["settled after the last kill"] = f"{watched.await_rows(timeout_seconds=120):.1f} s"
            prey.worker.stop(timeout_seconds=PATIENCE_SECONDS)
            until(lambda: not host.processes(), why="every process has ended", timeout_seconds=PATIENCE_SECONDS)
        finally:
            for pid in host.processes():
                send(pid, signal.SIGKILL)
            prey.worker.process.wait()
        finding.faults.update({f"kill -9 of a {victim}": count for victim, count in prey.killed.items()})
        finding.tally += watched.tally()
