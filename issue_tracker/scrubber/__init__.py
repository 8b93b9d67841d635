"""Masks secrets in texts and names the keys whose values are secret, before anything reaches disk. Left of the seam."""

from __future__ import annotations

from .formats import looks_random
from .masking import MASK, is_plain, is_secret_key, scrub, verdict_on
from .names import Verdict
from .pairs import are_names

__all__ = [
    "MASK",
    "Verdict",
    "are_names",
    "is_plain",
    "is_secret_key",
    "looks_random",
    "scrub",
    "verdict_on",
]
