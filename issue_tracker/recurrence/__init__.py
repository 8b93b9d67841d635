"""How a problem comes back, in words and figures: pure functions over times, and the queries that feed them.

Right of the seam.
"""

from __future__ import annotations

from .patterns import DAYS, Recurrence, Rhythm, regular_gap, rhythm_of, runs_of, since_release, summarise
from .queries import (
    INCIDENT,
    RECENT_TIMES,
    Known,
    counts_by_hour,
    family_of,
    incident_of,
    of_issue,
    release_facts,
    release_of,
)
from .sentences import gap_words, words

__all__ = [
    "DAYS",
    "INCIDENT",
    "RECENT_TIMES",
    "Known",
    "Recurrence",
    "Rhythm",
    "counts_by_hour",
    "family_of",
    "gap_words",
    "incident_of",
    "of_issue",
    "regular_gap",
    "release_facts",
    "release_of",
    "rhythm_of",
    "runs_of",
    "since_release",
    "summarise",
    "words",
]
