"""A second look at modes in which the worker behaved otherwise: each played again, alone, several times on both sides.

A kill that comes a moment earlier or later changes what Celery itself does. So what bare Celery does over several plays
is a set; ours interferes where it does something that is not in it, also when it is played alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from .behaviour import Behaviour
from .collectors import BARE, OURS
from .grading import Mark
from .modes import TABLE
from .playing import Group
from .runs import Theatre, play_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mode import Mode

PLAYS: Final = 4
"""How often each side plays a mode again."""
JOBS: Final = 2
"""So few at once, that the kills of one don't come late for the others."""


def differences(mode: Mode, ours: dict[str, Any], bare: dict[str, Any]) -> list[str]:
    """Return what ours did that bare Celery never did: in the second looks, where there were any."""
    seen = [_behaviour(one) for one in (bare["behaviour"], *bare.get("again", ()))]
    found = []
    for one in ours.get("again") or [ours["behaviour"]]:
        each = [_behaviour(one).differences(other, but=mode.varies) for other in seen]
        if all(each):
            found.append("; ".join(min(each, key=len)))
    return list(dict.fromkeys(found))


def compared(findings: dict[str, Any]) -> Iterator[tuple[Mode, str, dict[str, Any], dict[str, Any]]]:
    """Yield what was played with the app and without: mode, pool, and what was found of either."""
    ours, bare = findings.get(OURS.name, {}), findings.get(BARE.name, {})
    for pool, found in ours.items():
        for mode_id, entry in ((mode_id, entry) for mode_id, entry in found.items() if mode_id in TABLE):
            without = bare.get(pool, {}).get(mode_id)
            if without and Mark.NOT_PLAYED not in {entry["mark"], without["mark"]}:
                yield TABLE[mode_id], pool, entry, without


def differing(findings: dict[str, Any]) -> Iterator[tuple[Mode, str, list[str]]]:
    """Yield the modes in which a worker behaves otherwise than without the app, on which pool, and how."""
    for mode, pool, entry, without in compared(findings):
        found = differences(mode, entry, without)
        if found:
            yield mode, pool, found


def play_again(stage: Theatre, pool: str, modes: list[Mode], findings: dict[str, Any]) -> int:
    """Play those again that differ, and keep what both sides did; returns how many."""
    ours, bare = (findings.get(collector.name, {}).get(pool, {}) for collector in (OURS, BARE))
    chosen = [
        mode
        for mode in modes
        if mode.id in ours and mode.id in bare and differences(mode, ours[mode.id], bare[mode.id])
    ]
    with ThreadPoolExecutor(JOBS) as executor:
        list(executor.map(lambda mode: _play_both(stage, pool, mode, ours[mode.id], bare[mode.id]), chosen))
    return len(chosen)


def _play_both(stage: Theatre, pool: str, mode: Mode, ours: dict[str, Any], bare: dict[str, Any]) -> None:
    group = Group(place=mode.place, pool=pool, modes=(mode,), is_alone=True)
    for _ in range(PLAYS):
        for collector, entry in ((BARE, bare), (OURS, ours)):
            [outcome] = play_group(stage, collector, group)
            if outcome.behaviour.exit_code:  # else it could not be played
                entry.setdefault("again", []).append(asdict(outcome.behaviour))
                entry["faults"] = sorted({*entry["faults"], *outcome.grade.faults})


def _behaviour(values: dict[str, Any]) -> Behaviour:
    return Behaviour(**values)
