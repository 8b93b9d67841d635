"""What an exception was, who is to blame for it, and its traceback as text, bounded. Left of the seam."""

from __future__ import annotations

from .blame import Described, bounded_text, causes_of, culprit_of, culprit_of_text, describe, format_exception
from .frames import Frame, Section, sections_of_text
from .retelling import retold

__all__ = [
    "Described",
    "Frame",
    "Section",
    "bounded_text",
    "causes_of",
    "culprit_of",
    "culprit_of_text",
    "describe",
    "format_exception",
    "retold",
    "sections_of_text",
]
