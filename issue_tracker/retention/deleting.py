"""Rows deleted in transactions that nobody waits for. Right of the seam.

Each takes what nobody else holds, and waits for nobody.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from django.db import connections, transaction
from django.db.models.deletion import Collector

from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.turns import until_it_wins, wait_for_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from django.db.models import QuerySet

T = TypeVar("T")

CHUNK: Final = 500
"""Rows in one transaction, and keys in one statement: SQLite takes 999 parameters at the least."""
IN_ONE_STATEMENT: Final = """
WITH quickly AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
held AS MATERIALIZED (SELECT o.id FROM {table} o, quickly WHERE o.id = ANY(%s) FOR UPDATE OF o SKIP LOCKED)
DELETE FROM {table} WHERE id IN (SELECT id FROM held)
"""
"""Locks, deletes and lets go without a word from the client in between and without a wait for the disk.

Measured in turns, 3 times, with a load of 15 to 18 on 2 cores: 500 rows were held for 8 ms in the median (96 at most)
instead of 27 to 45 (330) in a transaction of three statements.
A prune that a crash of the server undoes is done by the next one.
"""


def delete_occurrences(ids: Sequence[int], *, using: str) -> int:
    """Delete those of these occurrences that nobody else holds, CHUNK in a transaction; returns how many."""
    return sum(_delete_some(some, using) for some in chunks(ids))


def delete_issues(those: QuerySet[OperationalIssue], *, using: str) -> tuple[int, int]:
    """Delete those of these issues that nobody else holds, in one transaction, with what came to them meanwhile.

    Returns how many issues and how many occurrences.
    """
    return _in_turn(partial(_delete_issues, those, using), using)


def chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """Part keys into as many as one statement takes."""
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _delete_some(ids: Sequence[int], using: str) -> int:
    if _takes_one_statement(using):
        return _delete_in_one_statement(ids, using)
    return _in_turn(partial(_delete_held, ids, using), using)


def _takes_one_statement(using: str) -> bool:
    """Tell whether PostgreSQL may do it alone: the host has hung nothing of its own on occurrences, and no transaction
    of the caller is open.
    """
    connection = connections[using]
    is_alone = connection.vendor == "postgresql" and not connection.in_atomic_block
    return is_alone and Collector(using=using).can_fast_delete(Occurrence.objects.using(using))


def _delete_in_one_statement(ids: Sequence[int], using: str) -> int:
    connection = connections[using]
    table = connection.ops.quote_name(Occurrence._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(IN_ONE_STATEMENT.format(table=table), [list(ids)])
        return int(cursor.rowcount)


def _delete_held(ids: Sequence[int], using: str) -> int:
    rows = Occurrence.objects.using(using).order_by()
    return rows.filter(pk__in=_held(rows.filter(pk__in=ids), using)).delete()[0]


def _delete_issues(those: QuerySet[OperationalIssue], using: str) -> tuple[int, int]:
    held = _held(those, using)
    # Only the key is read: a traceback of 32 KiB for each of 100 issues would be 3 MiB.
    found = OperationalIssue._base_manager.using(using).filter(pk__in=held).only("pk")
    by_model = found.delete()[1]
    return by_model.get(OperationalIssue._meta.label, 0), by_model.get(Occurrence._meta.label, 0)


def _in_turn(delete: Callable[[], T], using: str) -> T:
    """Delete in one transaction that waits for its turn among the writers, again where it lost against another."""

    def transact() -> T:
        with transaction.atomic(using=using):
            wait_for_turn(OperationalIssue, using=using)
            _wait_for_no_disk(using)
            return delete()

    return until_it_wins(transact, using=using)


def _wait_for_no_disk(using: str) -> None:
    connection = connections[using]
    if connection.vendor == "postgresql" and len(connection.atomic_blocks) == 1:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")


def _held(those: QuerySet[Any], using: str) -> list[int]:
    """Lock those that nobody else has locked, and that are still as the query wants them; returns their keys."""
    can_skip = connections[using].features.has_select_for_update_skip_locked
    return list(those.select_for_update(skip_locked=can_skip).values_list("pk", flat=True))
