"""Transactions that a task leaves open: found when its run ends, before Celery closes the connection.

Right of the seam.
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

_created: list[str] = []
"""The alias of the first connection that this process, or its parent, made: without one there is nothing to look at."""


def left_open() -> str:
    """Name the database on which an `atomic()` block is still open, outside Django's TestCase; else an empty text."""
    if not _created:
        return ""
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block and not all(
            getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
        ):
            return f"a transaction left open on the database {connection.alias!r}"
    return ""


def _on_connection_created(*, connection: Any, **_kwargs: object) -> None:
    if not _created:
        _created.append(connection.alias)


connection_created.connect(_on_connection_created, dispatch_uid="issue_tracker.transactions", weak=False)
