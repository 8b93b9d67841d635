"""Transactions that wait for their turn among the writers, and not for ever. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.db import connections

if TYPE_CHECKING:
    from django.db import models

LOCK_TIMEOUT: Final = "2s"
"""How long a statement of the drain waits for a lock on PostgreSQL: then it is an outage,
and a drainer can end meanwhile.
"""


def begin_with_a_write(model: type[models.Model], *, using: str) -> None:
    """On SQLite, take the right to write before anything is read; nothing elsewhere. Call it first in a transaction.

    A transaction there that reads and then writes is refused at once when another one wrote in between, whatever the
    timeout; one that begins with a write waits for its turn.
    """
    if connections[using].vendor == "sqlite":
        model._base_manager.using(using).filter(pk=0).update(**{model._meta.pk.name: 0})


def wait_for_turn(model: type[models.Model], *, using: str) -> None:
    """Begin a transaction of the drain so that it waits for other writers, but not for ever."""
    connection = connections[using]
    begin_with_a_write(model, using=using)
    if connection.vendor == "postgresql" and len(connection.atomic_blocks) == 1:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
