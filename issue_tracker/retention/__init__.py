"""Retention: what the `PRUNE_…` settings let go is deleted, in batches that nobody waits for. Right of the seam.

Guarantees: never a muted issue, never an open one unless `PRUNE_OPEN_AFTER` says so, and never the newest occurrence of
an issue that stays; the counts of an issue are of all that was ever seen, so they don't change. A batch of BATCH rows
is deleted in small transactions that wait for no lock: a prune may be killed anywhere, and several may run at once.
What is to go is decided by a time and a place in the order of occurrences, not by a number still to delete, so two
prunes together delete what one would.
"""

from __future__ import annotations

from .pruning import BATCH, Pruned, prune

__all__ = ["BATCH", "Pruned", "prune"]
