"""Tasks killed in mid-run: their process alone, and the whole machine at once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from chaos.play import playing
from issue_tracker.models import Kind
from tests.processes import free_port, send

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage

ROW_SECONDS: Final = 30.0
RUN_SECONDS: Final = 60.0


def play(stage: Stage, finding: Finding) -> None:
    """Kill the pool's processes while each runs a task; then kill everything, and start a worker."""
    backends = {"none": "", "up": stage.broker.database(1), "down": f"redis://127.0.0.1:{free_port()}/0"}
    for state, url in backends.items():
        _children(stage, finding, state, url)
    host = stage.host("mid-run", stage.sqlite())
    with playing(host) as play:
        worker = play.start()
        play.send(2, "chaos.tasks.wait_noted", RUN_SECONDS)
        play.await_begun()
        worker.kill_all()
        finding.faults["kill -9 of all processes at once"] += 1
        play.start()
        finding.at_most("row after the next start", play.await_rows(timeout_seconds=60), ROW_SECONDS, "s")
        finding.tally += play.tally()


def _children(stage: Stage, finding: Finding, state: str, url: str) -> None:
    # The worker alone has the result backend: a client with one that is down could not send.
    host = stage.host("mid-run", stage.sqlite())
    with playing(host) as play:
        worker = play.start(environment={"RESULT_BACKEND": url})
        play.send(2, "chaos.tasks.wait_noted", RUN_SECONDS)
        play.await_begun()
        for pid in worker.children():
            send(pid, signal.SIGKILL)
            finding.faults[f"kill -9 of a running task, result backend {state}"] += 1
        finding.at_most(f"row, result backend {state}", play.await_rows(timeout_seconds=60), ROW_SECONDS, "s")
        finding.tally += play.tally()
        kinds = {row.kind for row in play.rows()}
        finding.require(kinds <= {Kind.WORKER_LOST}, f"told as {sorted(kinds)}, result backend {state}")
