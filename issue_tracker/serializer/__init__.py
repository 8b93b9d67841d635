"""Any value as a bounded, scrubbed tree of plain JSON values, or a line of clean text. Left of the seam."""

from __future__ import annotations

from .limits import Limits
from .trees import EXACT, Serialized, clean, name_of, scrubbed_text_of, serialize, text_of

__all__ = [
    "EXACT",
    "Limits",
    "Serialized",
    "clean",
    "name_of",
    "scrubbed_text_of",
    "serialize",
    "text_of",
]
