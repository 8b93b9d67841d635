"""Clocks that jump, back and forth, in the processes that fail and in the one that drains."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import time_machine
from django.db import connections

from chaos.finding import compared
from chaos.play import playing
from chaos.stage import emptied, miscounted
from issue_tracker.drain import drain
from issue_tracker.event import encode
from issue_tracker.models import Occurrence
from issue_tracker.spool import Spool
from tests.events import an_event

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage

TIMES: Final = (0.0, -1e12, 1e15, 4_102_444_800.0, 86_400.0 * 365, float(2**31), 253_402_300_799.0)
"""Seconds since the epoch that a broken clock tells; the present is drawn too."""


def play(stage: Stage, finding: Finding) -> None:
    """Draw the time of each event and of each drain by lot; then fail in tasks whose process's clock jumped."""
    _drained(stage, finding)
    host = stage.host("clocks", stage.sqlite())
    now = time.time()
    with playing(host) as play:
        play.start()
        for moment in (now - 86_400 * 400, now + 86_400 * 400, now - 3_600, now + 3_600, 86_400.0, 4_102_444_800.0):
            play.send(4, "chaos.tasks.fail_at_another_time", moment)
            finding.faults["a task's clock jumps"] += 4
        play.await_begun()
        play.await_rows()
        finding.tally += play.tally()


def _drained(stage: Stage, finding: Finding) -> None:
    chance = stage.chance("clocks")
    spool = Spool(stage.place("clocks") / "spool")
    sent = []
    with emptied():
        for number in range(stage.scale.rounds):
            now = time.time()
            occurred_at = chance.choice([now, *TIMES, now + chance.uniform(-1e8, 1e8)])
            event = an_event(task_id=f"task-{number}", fingerprint=f"{number % 3}" * 64, occurred_at=occurred_at)
            spool.append(encode(event), key=event.fingerprint, stub=lambda event=event: encode(event))
            sent.append(event.task_id)
            if chance.random() < 0.3:
                with time_machine.travel(now + chance.uniform(-1e8, 1e8), tick=True):
                    drain(spool)
                finding.faults["the drainer's clock jumps"] += 1
        drain(spool)
        finding.faults["an event of another time"] += len(sent)
        found = list(Occurrence._base_manager.values_list("task_id", flat=True))
        finding.tally += compared(sent, found, torn=miscounted() + spool.quarantine_count())
    connections.close_all()
