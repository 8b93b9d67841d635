"""Runs with other versions of Celery, or another broker: a summary of each, kept in docs/coverage-elsewhere.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from . import runs
from .again import differing
from .collectors import OURS
from .grading import Mark

FILE: Final = Path(__file__).resolve().parent.parent / "docs" / "coverage-elsewhere.json"


def load() -> dict[str, Any]:
    """Return the summaries: where → pool → what was found."""
    return runs.load(FILE)


def add(where: str, findings: dict[str, Any]) -> None:
    """Keep a summary of what ours found, in the place of what was found there before on the same pools."""
    kept = load()
    for pool, found in findings.get(OURS.name, {}).items():
        kept.setdefault(where, {})[pool] = {
            "full": sum(entry["mark"] == Mark.FULL for entry in found.values()),
            "part": _ids(found, Mark.PART),
            "none": _ids(found, Mark.NONE),
            "faults": sum(len(entry["faults"]) for entry in found.values()),
            "otherwise": ", ".join(mode.id for mode, on, _ in differing(findings) if on == pool),
        }
    runs.store(FILE, kept)


def _ids(found: dict[str, Any], mark: Mark) -> str:
    return ", ".join(mode_id for mode_id, entry in found.items() if entry["mark"] == mark)
