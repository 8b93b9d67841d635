"""The spool: a durable local store of records between capture and drain. Bytes only; left of the seam."""

from __future__ import annotations

from .locks import ProcessLock, unlock
from .places import current
from .private_files import create_private_file, prepare_directory, problem_of
from .reserve import Entry
from .salvage import corrupt_files, put_away, readable_bodies
from .store import Record, Spool, SpoolError

__all__ = [
    "Entry",
    "ProcessLock",
    "Record",
    "Spool",
    "SpoolError",
    "corrupt_files",
    "create_private_file",
    "current",
    "prepare_directory",
    "problem_of",
    "put_away",
    "readable_bodies",
    "unlock",
]
