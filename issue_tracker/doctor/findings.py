"""What the doctor finds: one sentence each, and what to do about it. Right of the seam."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from issue_tracker.scrubber import scrub


class Level(StrEnum):
    """How bad it is."""

    FINE = "ok"
    WARNING = "warning"
    """Works, but not as well as it should, or can't be told from here."""
    ERROR = "error"
    """Failures are not collected, or will be lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found."""

    area: str
    """What was looked at: "spool", "broker"."""
    level: Level
    text: str
    advice: str = ""
    """What to do; empty when all is well."""


def fine(area: str, text: str) -> Finding:
    """Say what is well."""
    return Finding(area=area, level=Level.FINE, text=text)


def warning(area: str, text: str, advice: str) -> Finding:
    """Say what should be looked at."""
    return Finding(area=area, level=Level.WARNING, text=text, advice=advice)


def error(area: str, text: str, advice: str) -> Finding:
    """Say what loses failures."""
    return Finding(area=area, level=Level.ERROR, text=text, advice=advice)


def said(trouble: BaseException) -> str:
    """Return what an exception says, in one line and without a secret."""
    return scrub(f"{type(trouble).__name__}: {str(trouble).strip().partition(chr(10))[0]}")
