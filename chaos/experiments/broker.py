"""The broker frozen, and restarted with its queues gone, under a worker whose tasks fail."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos.play import playing
from tests import brokers

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage

TASKS = 60


def play(stage: Stage, finding: Finding) -> None:
    """What began before, meanwhile and after has a row, and the worker lives."""
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
            play.await_rows(begun + TASKS, timeout_seconds=40)
            play.await_rows()
            finding.tally += play.tally()
            finding.require(len(play.noted()) >= begun + TASKS, "the worker took no task after the broker's restart")
            finding.require(worker.process.poll() is None, "the worker ended")
