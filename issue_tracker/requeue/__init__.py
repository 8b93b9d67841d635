"""Run it again: failed tasks sent anew with their original arguments, once each. Right of the seam."""

from __future__ import annotations

from .again import MAX_AT_ONCE, asking_first, policy_of, requeue_all, warnings_of, why_not
from .sending import connect

__all__ = [
    "MAX_AT_ONCE",
    "asking_first",
    "connect",
    "policy_of",
    "requeue_all",
    "warnings_of",
    "why_not",
]
