"""Any value as a bounded, scrubbed tree of plain JSON values. Left of the seam; no database query comes from here.

Guarantees: never raises; never iterates what might query, block or be used up (querysets, generators); never
recurses; at most `Limits.max_bytes` of JSON whatever goes in, for work in proportion to that. Order: cap the raw
size, walk with limits of depth and breadth, scrub, cut to the final limit. Every cut leaves a mark with the original
size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from .leaves import NotWholeError
from .limits import EXACT, SHOWN, Limits
from .plain_text import clean, name_of, scrubbed_text_of, text_of, unprintable
from .small import small_tree
from .walk import Walk

__all__ = ["EXACT", "SHOWN", "Limits", "Serialized", "clean", "name_of", "scrubbed_text_of", "serialize", "text_of"]

MAX_TIGHTENINGS: Final = 4
"""Walks with tighter and tighter limits before a tree that is still too big becomes one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serialized:
    """A value as plain JSON values, and what was lost on the way."""

    tree: Any
    is_exact: bool
    """JSON gives the value back; a tuple as a list counts as the same."""
    is_scrubbed: bool
    is_cut: bool


def serialize(value: object, *, limits: Limits = SHOWN) -> Serialized:
    """Return a value as plain JSON values within the limits. Never raises, whatever the value does.

    With EXACT, which wants all or nothing, `tree` is None for what doesn't fit. Usual arguments cost 2 µs.
    """
    try:
        if limits is SHOWN and (tree := small_tree(value)) is not None:
            return Serialized(tree=tree, is_exact=True, is_scrubbed=False, is_cut=False)
        return _serialize(value, limits)
    except NotWholeError as error:
        return Serialized(tree=None, is_exact=False, is_scrubbed=bool(error.args[0]), is_cut=True)
    except BaseException as error:  # noqa: BLE001  MemoryError and RecursionError may come from anywhere
        return Serialized(tree=unprintable(value, error), is_exact=False, is_scrubbed=False, is_cut=True)


def _serialize(value: object, limits: Limits) -> Serialized:
    walk = Walk(limits)
    tree = walk.tree_of(value)
    is_scrubbed = walk.is_scrubbed
    for _ in range(MAX_TIGHTENINGS):
        if _fits(walk, tree, limits.max_bytes):
            break
        walk.note_cut()
        walk = Walk(walk.limits.tighter())
        tree = walk.tree_of(value)
        walk.note_cut()
        is_scrubbed = is_scrubbed or walk.is_scrubbed
    else:
        if not _fits(walk, tree, limits.max_bytes):
            tree = f"… [cut, {_size_of(tree):,} bytes]"
    return Serialized(tree=tree, is_exact=walk.is_exact, is_scrubbed=is_scrubbed, is_cut=walk.is_cut)


def _fits(walk: Walk, tree: object, max_bytes: int) -> bool:
    return walk.max_size() <= max_bytes or _size_of(tree) <= max_bytes


def _size_of(tree: object) -> int:
    return len(json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace"))
