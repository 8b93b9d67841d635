"""The broker frozen, and restarted with its queues gone, under a worker whose tasks fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos.play import playing
from issue_tracker.models import Kind
from tests import brokers
from tests.processes import until

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.play import Play
    from chaos.stage import Stage
    from tests.workers import Worker

TASKS = 60


def play(stage: Stage, finding: Finding) -> None:
    """What began before, meanwhile and after has a row, and a worker goes on."""
    with brokers.running() as broker:
        host = stage.host("broker", stage.sqlite())
        host = type(host)(directory=host.directory, broker_url=broker.url, database_url=host.database_url)
        with playing(host) as play:
            worker = play.start()
            play.send(TASKS)
            broker.freeze()
            finding.faults["broker frozen"] += 1
            time.sleep(stage.scale.hold_seconds)  # the fault lasts; nothing is waited for
            broker.thaw()
            play.await_begun()
            play.send(TASKS)
            broker.stop()
            revived = brokers.start(port=broker.port)
            broker.process = revived.process
            finding.faults["broker restarted, its queue gone"] += 1
            begun = len(play.noted())
            play.send(TASKS)
            _take_up_again(play, worker, begun + TASKS, finding)
            play.await_rows()
            finding.tally += play.tally()


def _take_up_again(play: Play, worker: Worker, wanted: int, finding: Finding) -> None:
    """Wait until so many tasks have begun; where the worker ended instead, its end has a row, and another goes on.

    Without us a busy worker can end so, too: while it puts back what was not acknowledged, kombu's Redis transport
    meets a closed connection with an AttributeError, which Celery takes for unrecoverable. A supervisor starts it anew.
    """

    def is_taken() -> bool:
        return len(play.noted()) >= wanted

    def is_ended() -> bool:
        return worker.process.poll() is not None

    until(
        lambda: is_ended() or is_taken(),
        why="a worker takes tasks after the broker's restart, or ends",
        timeout_seconds=40,
    )
    if is_ended():
        finding.faults["worker ended by Celery over it"] += 1
        play.start()
        play.send(TASKS)
        until(
            lambda: any(row.kind == Kind.WORKER_FAILED and "AttributeError" in row.issue.name for row in play.rows()),
            why="the end of a worker has a row",
        )
        until(is_taken, why="the next worker takes tasks", timeout_seconds=40)
