"""Celery's texts of a task's arguments as a slot may hold them: masked before they reach disk, and bounded.

Left of the seam. Every task that runs passes here, also those that succeed: the scrubber remembers harmless arguments
but for their numbers, so that those of a task that runs all day cost 0.5 µs.
"""

from __future__ import annotations

from typing import Any, Final

from issue_tracker.scrubber import is_plain, scrub
from issue_tracker.serializer import scrubbed_text_of, serialize

MAX_CHARACTERS: Final = 1_200
"""Of each of Celery's `argsrepr` and `kwargsrepr` (itself cut at 1,024), so that a slot stays within its page."""


def slot_text(request: Any) -> str:
    """Return what a slot holds of the arguments of a request: those by place, a NUL, those by name; no secret.

    At most MAX_CHARACTERS of either.
    """
    args: Any = getattr(request, "argsrepr", None)
    kwargs: Any = getattr(request, "kwargsrepr", None)
    try:
        both: str = args + "\0" + kwargs
        if len(both) <= MAX_CHARACTERS and is_plain(both):  # mostly; and one look is half of two
            return both
    except (TypeError, AttributeError):  # no texts
        pass
    return f"{_masked(args, request.args)}\0{_masked(kwargs, request.kwargs)}"


def _masked(text: object, arguments: object) -> str:
    """Mask one of the texts. Clients in other languages send none; it is made of the arguments then."""
    if text is None and arguments is not None:
        text = serialize(arguments).tree
    text = text if type(text) is str else str(text or "")
    if len(text) > MAX_CHARACTERS:
        return scrubbed_text_of(text, max_chars=MAX_CHARACTERS)
    return scrub(text)[:MAX_CHARACTERS]
