"""Tasks that fail with the database in their hands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import redis
from django.contrib.auth.models import Group
from django.db import OperationalError, connection, transaction

from matrix.expectations import failed, told
from matrix.mode import FRESH, POOLS, mode

if TYPE_CHECKING:
    from matrix.stage import Stage


@mode("20a", "fails inside atomic(), rolled back", failed("ValueError", shows="in in_atomic"), is_listed=True)
def in_atomic(token: str) -> None:
    with transaction.atomic():
        Group.objects.create(name=token)
        raise ValueError(f"broke {token}")


@mode("20b", "IntegrityError inside atomic()", failed("IntegrityError", shows="in integrity"), is_listed=True)
def integrity(token: str) -> None:
    with transaction.atomic():
        Group.objects.create(name=token)
        Group.objects.create(name=token)


@mode("20c", "fails with an atomic() left open", failed("ValueError", shows="in left_open"), is_listed=True, **FRESH)
def left_open(token: str) -> None:
    transaction.atomic().__enter__()
    Group.objects.create(name=token)
    raise ValueError(f"broke {token}")


@mode("20c2", "succeeds with an atomic() left open", told("open_transaction"), **FRESH)
def left_open_in_success(token: str) -> str:
    transaction.atomic().__enter__()
    Group.objects.create(name=token)
    return "done"


@mode("20d", "fails with autocommit off", failed("ValueError", shows="in no_autocommit"), **FRESH)
def no_autocommit(token: str) -> None:
    transaction.set_autocommit(False)
    Group.objects.create(name=token)
    raise ValueError(f"broke {token}")


@mode("20e", "fails with needs_rollback set", failed("ValueError", shows="in needs_rollback"), is_listed=True, **FRESH)
def needs_rollback(token: str) -> None:
    transaction.atomic().__enter__()
    transaction.set_rollback(True)
    raise ValueError(f"broke {token}")


@mode("20f", "an on_commit callback raises", failed("ZeroDivisionError", shows="in _divide"), is_listed=True)
def on_commit(token: str) -> None:
    with transaction.atomic():
        transaction.on_commit(_divide)


def _twice(stage: Stage) -> None:
    """Let the one process of the pool meet the first failure, then another one."""
    for number in range(2):
        stage.send(number)
        stage.until_running()
        stage.settle()


@mode(
    "20g",
    "the next failure after an atomic() left open",
    failed("ValueError", shows="in after_left_open"),
    failed("KeyError", shows="in after_left_open"),
    alone=POOLS,
    options=("--concurrency", "1"),
    play=_twice,
)
def after_left_open(token: str, number: int) -> None:
    if not number:
        transaction.atomic().__enter__()
        Group.objects.create(name=token)
        raise ValueError(f"broke {token}")
    raise KeyError(token)


@mode(
    "20h",
    "the database connection was closed under the task",
    failed("ProgrammingError", "InterfaceError", shows="in closed"),
    **FRESH,
)
def closed(token: str) -> None:
    connection.ensure_connection()
    connection.connection.close()
    Group.objects.count()


@mode("20i", "the database is locked", failed("OperationalError", shows="in locked"))
def locked(token: str) -> None:
    raise OperationalError("database is locked")


@mode("20j", "a connection pool is exhausted", failed("MaxConnectionsError", "ConnectionError", shows="in exhausted"))
def exhausted(token: str) -> None:
    pool = redis.ConnectionPool.from_url(os.environ["MATRIX_BROKER_URL"], max_connections=1)
    with redis.Redis(connection_pool=pool).pubsub() as listener:
        listener.subscribe(token)
        redis.Redis(connection_pool=pool).ping()


def _divide() -> None:
    _ = 1 / 0
