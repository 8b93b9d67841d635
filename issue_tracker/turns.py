"""Transactions that wait for their turn among the writers, and not for ever. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from django.db import DatabaseError, connections

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db import models

    T = TypeVar("T")

LOCK_SECONDS: Final = 2
"""How long a statement of the drain waits for a lock on PostgreSQL, and of a drainer on MySQL: then it is an outage."""

ATTEMPTS: Final = 4
"""Tries of a transaction that lost against another one."""


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
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def until_it_wins(transaction: Callable[[], T], *, using: str) -> T:
    """Call what runs one transaction, again where it lost against another one (not inside one of the caller)."""
    for _attempt in range(ATTEMPTS - 1):
        try:
            return transaction()
        except DatabaseError as error:
            if connections[using].in_atomic_block or not is_deadlock(error):
                raise
    return transaction()


def is_deadlock(error: BaseException) -> bool:
    """Tell whether the transaction lost against another one, and may win when it is tried again at once."""
    return _sqlstate_of(error) in {"40001", "40P01"} or _number_of(error) == 1213


def is_locked(error: BaseException) -> bool:
    """Tell whether somebody holds what the statement needs, for longer than it waited."""
    return _sqlstate_of(error) == "55P03" or _number_of(error) == 1205 or "database is locked" in str(error)


def _sqlstate_of(error: BaseException) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _number_of(error: BaseException) -> object:
    cause = error.__cause__
    return cause.args[0] if cause is not None and cause.args else None
