"""Celery's text of a task's arguments as a slot may hold it: masked before it reaches disk, and bounded.

Left of the seam. Every task that runs passes here, also those that succeed: the scrubber remembers harmless arguments
but for their numbers, so that those of a task that runs all day cost 0.5 µs.
"""

from __future__ import annotations

from typing import Final

from issue_tracker.scrubber import scrub
from issue_tracker.serializer import scrubbed_text_of, serialize

MAX_CHARACTERS: Final = 1_200
"""Of each of Celery's `argsrepr` and `kwargsrepr` (itself cut at 1,024), so that a slot stays within its page."""


def slot_text(text: object, arguments: object = None) -> str:
    """Return what a slot holds of Celery's text of the arguments: no secret, at most MAX_CHARACTERS.

    Clients in other languages send no such text; it is made of the arguments then.
    """
    if text is None and arguments is not None:
        text = serialize(arguments).tree
    text = text if type(text) is str else str(text or "")
    if len(text) <= len("()"):
        return text
    if len(text) > MAX_CHARACTERS:
        return scrubbed_text_of(text, max_chars=MAX_CHARACTERS)
    return scrub(text)[:MAX_CHARACTERS]
