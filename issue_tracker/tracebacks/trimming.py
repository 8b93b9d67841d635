"""An exception's arguments in writing, cut before they are written: str() of a list of a million takes 100 ms.

Left of the seam. Lists and dicts are opened, as Python does it: what an API answered is often the whole message.
Objects of foreign classes within them are not: their repr() may be huge, or a query. Nothing here raises.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from issue_tracker.scrubber import scrub
from issue_tracker.serializer import text_of

MAX_VALUES: Final = 1_000
"""Values that are written out, at all depths together."""
MAX_DEPTH: Final = 20
MAX_TEXT: Final = 1_024
"""Characters (or bytes) of a text within another value."""
OVERLAP: Final = 1_024
"""Characters beyond a cut that are read, masked and thrown away: a secret at the border is seen whole."""
MAX_CUT_TEXTS: Final = 16
"""Long texts that are shown; there is no room for more of them in a message."""
MAX_BITS: Final = 14_000
"""Of an integer; a longer one is told by its size. CPython refuses to write more than 4,300 digits."""

_TEXTS: Final[dict[type, str]] = {str: "characters", bytes: "bytes", bytearray: "bytes"}
_SCALARS: Final = frozenset({float, bool, complex, type(None)})
_OPENED: Final = frozenset({list, tuple, dict, set, frozenset})


def written(value: object) -> str:
    """Return what repr() writes of a plain value, with a mark and the original size where it was cut."""
    return repr(_trimmed(value, [MAX_VALUES, MAX_CUT_TEXTS], 0))


class _Said(str):
    """A text that repr() writes as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _trimmed(value: Any, left: list[int], depth: int) -> Any:
    kind = type(value)
    left[0] -= 1
    if kind in _TEXTS:
        return value if len(value) <= MAX_TEXT else _cut(value, left)
    if kind in _SCALARS or (kind is int and value.bit_length() <= MAX_BITS):
        return value
    if kind not in _OPENED:
        return _Said(text_of(value, max_chars=MAX_TEXT))
    if not value:
        return value
    return _opened(value, left, depth + 1)


def _cut(value: Any, left: list[int]) -> _Said:
    size = f"{len(value):,} {_TEXTS[type(value)]}"
    left[1] -= 1
    if left[1] < 0:
        return _Said(f"<{type(value).__name__} of {size}>")
    masked = scrub(repr(value[: MAX_TEXT + OVERLAP]))
    return _Said(f"{masked[: max(0, min(MAX_TEXT, len(masked) - OVERLAP))]}… [cut, {size}]")


def _opened(value: Any, left: list[int], depth: int) -> Any:
    kind = type(value)
    if left[0] <= 0 or depth > MAX_DEPTH:
        return _Said(f"<{kind.__name__} of {len(value):,} items>")
    first = list(islice(value.items() if kind is dict else value, left[0]))
    rest = len(value) - len(first)
    more = [_Said(f"… [cut, {len(value):,} items]")] if rest else []
    if kind is dict:
        shown = {_trimmed(key, left, depth): _trimmed(item, left, depth) for key, item in first}
        return shown | {mark: _Said("…") for mark in more}
    return kind([_trimmed(item, left, depth) for item in first] + more)
