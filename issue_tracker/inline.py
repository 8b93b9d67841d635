"""The drain of processes without a drainer: web, shell, management command, eager tasks, tests. Right of the seam.

No thread and no process: a record is drained at the first safe point. A safe point is any moment at which the host's
connection is in no `atomic` block (Django's TestCase does not count as one): at once, on commit, when a request ends, when
issues are read, at exit. Whatever goes wrong stays in the spool and is tried again at the next one.
"""

from __future__ import annotations


def drain_pending() -> None:
    """Drain what this process has recorded, if there is anything and the connection may be used. Never raises."""
