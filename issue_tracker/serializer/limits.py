"""How much of a value is kept: what people are shown, and what a requeue needs. Left of the seam; imports nothing of
ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a value is kept."""

    max_bytes: int
    """Of the tree as JSON in UTF-8."""
    max_shown_depth: int
    """Levels kept as containers; what lies deeper becomes one line of JSON."""
    max_walked_depth: int
    """Levels looked at."""
    max_items: int
    """Items of one container."""
    max_nodes: int
    """Items of all containers."""
    max_key_characters: int
    max_string_characters: int
    max_integer: int
    """Beyond plus or minus this an integer becomes text."""
    is_all_or_nothing: bool = False
    """Give up at the first cut: a part would be of no use."""

    def tighter(self) -> Limits:
        """Return smaller limits for a tree that came out too big; breadth is kept before length."""
        return replace(
            self,
            max_items=max(5, self.max_items // 2),
            max_nodes=max(16, self.max_nodes // 3),
            max_key_characters=max(32, self.max_key_characters // 2),
            max_string_characters=max(64, self.max_string_characters // 3),
        )


SHOWN: Final = Limits(
    max_bytes=16 * 1024,  # Sentry's databag
    max_shown_depth=5,  # Sentry
    max_walked_depth=20,
    max_items=50,
    max_nodes=1_000,
    max_key_characters=128,
    max_string_characters=1_024,
    max_integer=2**53 - 1,  # what JavaScript can read
)
"""For people."""

EXACT: Final = Limits(
    max_bytes=64 * 1024,
    max_shown_depth=20,
    max_walked_depth=20,
    max_items=20_000,
    max_nodes=20_000,
    max_key_characters=1_024,
    max_string_characters=64 * 1024,
    max_integer=2**63 - 1,  # what every JSON column keeps; ids of other services are that long
    is_all_or_nothing=True,
)
"""For a requeue."""
