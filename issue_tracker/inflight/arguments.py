"""Celery's text of a task's arguments as a slot may hold it: masked before it reaches disk, and bounded.

Left of the seam. Every task that runs passes here, also those that succeed. Numbers and ids hold no secret, which one
regular expression tells in 1 µs; other arguments are masked, 3 to 8 µs for the usual ones, 60 ns a character for long
ones.
"""

from __future__ import annotations

import re
from typing import Final

from issue_tracker.scrubber import has_own_patterns, scrub_anew
from issue_tracker.serializer import scrubbed_text_of

MAX_CHARACTERS: Final = 1_200
"""Of each of Celery's `argsrepr` and `kwargsrepr` (itself cut at 1,024), so that a slot stays within its page."""

_PLAIN: Final = re.compile(
    r"(?:[()\[\],]++(?: (?! ))?+"
    r"|-?\d{1,11}+(?:\.\d{1,11}+)?+(?=[,)\]])"
    r"|'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'"
    r"|None|True|False|\{\})*+\Z"
)
"""Numbers too short for that of a card, UUIDs and constants, in tuples and lists."""


def slot_text(arguments: object) -> str:
    """Return what a slot holds of Celery's text of the arguments: no secret, at most MAX_CHARACTERS."""
    text = arguments if type(arguments) is str else str(arguments or "")
    if len(text) > MAX_CHARACTERS:
        return scrubbed_text_of(text, max_chars=MAX_CHARACTERS)
    if _PLAIN.match(text) and not has_own_patterns():
        return text
    return scrub_anew(text)[:MAX_CHARACTERS]
