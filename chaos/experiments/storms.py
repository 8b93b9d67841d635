"""Storms: ten thousand equal failures, and ten thousand different ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from django.db import connections

from chaos.finding import compared
from chaos.stage import emptied, miscounted
from issue_tracker.drain import drain
from issue_tracker.event import encode
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import Spool
from tests.events import an_event

if TYPE_CHECKING:
    from chaos.finding import Finding
    from chaos.stage import Stage

FAILURES: Final = 10_000
MAX_NEW_ISSUES: Final = 1_000


def play(stage: Stage, finding: Finding) -> None:
    """One issue for the equal ones; a thousand and the overflow for the different ones. All counted."""
    _storm(stage, finding, "equal", lambda _number: "f" * 64, most=1)
    _storm(stage, finding, "different", lambda number: f"{number:064}", most=MAX_NEW_ISSUES + 1)


def _storm(stage: Stage, finding: Finding, name: str, fingerprint_of: object, *, most: int) -> None:
    spool = Spool(stage.place("storm") / "spool")
    with emptied():
        for number in range(FAILURES):
            event = an_event(task_id=f"task-{number}", fingerprint=fingerprint_of(number))
            spool.append(encode(event), key=event.fingerprint, stub=lambda event=event: encode(event))
        began = time.monotonic()
        drain(spool)
        finding.figures[f"{FAILURES:,} {name} failures drained"] = f"{time.monotonic() - began:.1f} s"
        finding.faults[f"{name} failures"] += FAILURES
        wanted = [f"task-{number}" for number in range(FAILURES)]
        finding.tally += compared(
            wanted, list(Occurrence._base_manager.values_list("task_id", flat=True)), torn=miscounted()
        )
        finding.at_most(f"issues of {name} failures", OperationalIssue._base_manager.count(), most, "issues")
    connections.close_all()
