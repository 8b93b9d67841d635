"""The spool's files damaged at random: what is left is drained, nothing torn is stored, and the next record comes."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

from django.db import connections

from chaos.finding import Tally
from chaos.stage import emptied
from issue_tracker.drain import drain
from issue_tracker.event import encode
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import Spool, SpoolError
from tests.events import an_event
from tests.spools import filled

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from chaos.finding import Finding
    from chaos.stage import Stage

RECORDS: Final = 30
NEXT_SECONDS: Final = 0.1
TRIES: Final = 5
"""Drains that may end with an error of the spool before one must pass: damage is met, set aside, and read elsewhere."""


def play(stage: Stage, finding: Finding) -> None:
    """Damage a copy, append, drain, and look."""
    chance = stage.chance("damage")
    events = [an_event(task_id=f"task-{number}", args=[f"task-{number}"] * 9) for number in range(RECORDS)]
    template = stage.place("damage") / "spool"
    filled(template, [encode(event).decode() for event in events])
    slowest, kept = 0.0, 0
    for number in range(stage.scale.rounds):
        directory = stage.place("damaged") / "spool"
        shutil.copytree(template, directory)
        what = _damage(chance, directory)
        finding.faults[what] += 1
        with emptied():
            seconds, whole = _live_on(finding, directory, f"{what}, round {number}")
        slowest, kept = max(slowest, seconds), kept + whole
        shutil.rmtree(directory.parent)
    finding.at_most("the next record drained, slowest round", slowest, NEXT_SECONDS, "s of CPU")
    total = stage.scale.rounds * RECORDS
    finding.figures["records still given back by the damaged files"] = f"{kept:,} of {total:,}"


def _damage(chance: random.Random, directory: Path) -> str:
    """Damage one of the spool's files; returns what was done."""
    files = [path for path in sorted(directory.iterdir()) if path.name != "drain.lock" and path.stat().st_size]
    path = chance.choice(files)
    body = bytearray(path.read_bytes())
    kind = chance.choice(["bits flipped", "cut", "zeroed", "noise"])
    at = chance.randrange(len(body))
    if kind == "bits flipped":
        for _ in range(chance.randint(1, 20)):
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del body[at:]
    else:
        length = min(chance.choice([1, 16, 512, 4096]), len(body) - at)
        body[at : at + length] = bytes(length) if kind == "zeroed" else chance.randbytes(length)
    path.write_bytes(body)
    return f"{path.name}: {kind}"


def _live_on(finding: Finding, directory: Path, what: str) -> tuple[float, int]:
    """Append a record and drain all; returns the CPU seconds of a later record's drain and how many old ones came."""
    spool = Spool(directory)
    first, later = (an_event(task_id=name, args=[name] * 9) for name in ("first", "later"))
    is_taken = spool.append(encode(first), key="k", stub=lambda: encode(first))
    _drain_all(finding, spool, what)
    began = time.process_time()  # by the clock, a busy machine would be measured
    spool.append(encode(later), key="k", stub=lambda: encode(later))
    _drain_all(finding, spool, what)
    seconds = time.process_time() - began
    stored = list(Occurrence._base_manager.values_list("task_id", "args"))
    found = [task_id for task_id, _args in stored]
    torn = sum(args != [task_id] * 9 for task_id, args in stored)
    missing = [name for name in ("first", "later") if name not in found]
    counted = sum(OperationalIssue._base_manager.values_list("discarded_count", flat=True))
    lost = max(0, len(missing) - counted)
    finding.require(is_taken or not lost, f"a record was refused and not counted: {what}")
    finding.tally += Tally(injected=2, captured=2 - lost, lost=lost, doubled=len(found) - len(set(found)), torn=torn)
    connections.close_all()
    return seconds, sum(name.startswith("task-") for name in found)


def _drain_all(finding: Finding, spool: Spool, what: str) -> None:
    for _ in range(TRIES):
        try:
            drain(spool)
        except SpoolError:
            continue
        if spool.is_empty():
            return
    finding.require(False, f"{spool.depth()} records still wait after {TRIES} drains: {what}")  # noqa: FBT003
