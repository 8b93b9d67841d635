"""Transactions that a task leaves open: found when its run ends, before Celery closes the connection.

Right of the seam.
"""

from __future__ import annotations

from django.db import connections


def left_open() -> str:
    """Name the database on which an `atomic()` block is still open, outside Django's TestCase; else an empty text."""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block and not all(
            getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
        ):
            return f"a transaction left open on the database {connection.alias!r}"
    return ""
