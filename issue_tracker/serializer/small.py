"""The usual arguments of a task, a few short texts and numbers, without the machinery for all that may come.

Guarantee: what is returned is what a walk would return, whole and without a secret. Left of the seam.
"""

from __future__ import annotations

from typing import Any, Final

from issue_tracker.scrubber import MASK, Verdict, scrub

from .leaves import known_key
from .plain_text import clean

MAX_ITEMS: Final = 10
MAX_CHARACTERS: Final = 256
"""Of a text; ten of them, escaped, are below the limit of a record."""
MAX_INTEGER: Final = 2**53 - 1
MAX_KEY_CHARACTERS: Final = 64


def small_tree(value: object) -> Any:
    """Return a short list, tuple or dict of plain scalars as JSON values, or None: it has to be walked."""
    cls = type(value)
    if cls is list or cls is tuple:
        return _small_list(value)
    return _small_dict(value) if cls is dict else None


def _small_list(items: Any) -> list[Any] | None:
    if len(items) > MAX_ITEMS:
        return None
    return list(items) if all(map(_is_plain, items)) else None


def _small_dict(items: Any) -> dict[str, Any] | None:
    # {"name": "password", "value": …} is a secret in two places.
    if len(items) > MAX_ITEMS or "value" in items:
        return None
    for key, value in items.items():
        if type(key) is not str or len(key) > MAX_KEY_CHARACTERS or known_key(key) != (key, Verdict.NEVER):
            return None
        if not _is_plain(value):
            return None
    return dict(items)


def _is_plain(value: object) -> bool:
    if type(value) is str:
        return len(value) <= MAX_CHARACTERS and clean(value) == value and scrub(value) == value and MASK not in value
    if type(value) is int:
        return -MAX_INTEGER <= value <= MAX_INTEGER
    return value is None or type(value) is bool
