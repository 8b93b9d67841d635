"""The drain: a spool emptied into the database, by a worker's drainer or inline. Right of the seam."""

from __future__ import annotations

from .batches import Drained, OutageError, drain, inode_of, lock_path, takes_rows
from .folding import Folded, fold

__all__ = [
    "Drained",
    "Folded",
    "OutageError",
    "drain",
    "fold",
    "inode_of",
    "lock_path",
    "takes_rows",
]
