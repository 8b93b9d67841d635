"""Tasks that run in the process that calls them: eager mode, `apply()`, a plain call."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from celery import Task, current_app, shared_task
from django.contrib.auth.models import Group
from django.db import transaction

from matrix.expectations import failed
from matrix.mode import client

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE: Final = "matrix.modes.eager"
PLAIN: Final = f"{HERE}.plain"
BROKEN: Final = failed("ValueError", shows="in plain", task=PLAIN)


class FailsOnFailure(Task):
    def on_failure(self, *_args: Any) -> None:
        raise RuntimeError("on_failure")


class ReprRaises:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@shared_task
def plain(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@shared_task
def leaves(token: str) -> None:
    raise SystemExit(3)


@shared_task(autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
def autoretry(token: str) -> None:
    raise ValueError(f"broke {token}")


@shared_task
def in_atomic(token: str) -> None:
    with transaction.atomic():
        Group.objects.create(name=token)
        raise ValueError(f"broke {token}")


@shared_task(base=FailsOnFailure)
def on_failure_raises(token: str) -> None:
    raise ValueError(f"broke {token}")


@shared_task(store_eager_result=True)
def stored(token: str) -> None:
    raise ValueError(f"broke {token}")


@contextlib.contextmanager
def eager(**settings: Any) -> Iterator[None]:
    """Let tasks run eagerly for the length of a block."""
    conf = current_app.conf
    chosen = {"task_always_eager": True, "task_eager_propagates": False, **settings}
    before = {key: conf[key] for key in chosen}
    conf.update(chosen)
    try:
        yield
    finally:
        conf.update(before)


@client("19a", "eager, no propagation", BROKEN, is_listed=True)
def eager_quiet(token: str) -> object:
    with eager():
        return plain.delay(token).state


@client("19b", "eager, propagated", BROKEN, is_listed=True)
def eager_loud(token: str) -> object:
    with eager(task_eager_propagates=True):
        return plain.delay(token)


@client("19c", "eager, result stored", failed("ValueError", shows="in stored", task=f"{HERE}.stored"), is_listed=True)
def eager_stored(token: str) -> object:
    with eager():
        return stored.delay(token).state


@client("19d", "apply()", BROKEN, is_listed=True)
def applied(token: str) -> object:
    return plain.apply((token,)).state


@client("19e", "apply(throw=True)", BROKEN, is_listed=True)
def applied_loud(token: str) -> object:
    return plain.apply((token,), throw=True)


@client(
    "19f",
    "eager autoretry, exhausted",
    failed("ValueError", shows="in autoretry", task=f"{HERE}.autoretry", attempts=3),
    is_listed=True,
)
def eager_autoretry(token: str) -> object:
    with eager():
        return autoretry.delay(token).state


@client(
    "19f2",
    "eager autoretry, propagated",
    failed("ValueError", shows="in autoretry", task=f"{HERE}.autoretry"),
    is_listed=True,
)
def eager_autoretry_loud(token: str) -> object:
    with eager(task_eager_propagates=True):
        return autoretry.delay(token)


@client(
    "19h",
    "eager, fails inside atomic()",
    failed("ValueError", shows="in in_atomic", task=f"{HERE}.in_atomic"),
    is_listed=True,
)
def eager_atomic(token: str) -> object:
    with eager():
        return in_atomic.delay(token).state


@client("19h2", "eager and propagated, the caller is in atomic() too", BROKEN)
def eager_outer_atomic(token: str) -> object:
    with eager(task_eager_propagates=True), transaction.atomic():
        return plain.delay(token)


@client("19i", "eager, an argument whose repr raises", is_listed=True)
def eager_odd_argument(token: str) -> object:
    with eager():
        return plain.delay(token, ReprRaises()).state


@client("19j", "called directly: task()", is_listed=True)
def called(token: str) -> object:
    return plain(token)


@client(
    "19k",
    "eager, Task.on_failure raises",
    failed("ValueError", shows="in on_failure_raises", task=f"{HERE}.on_failure_raises"),
    is_listed=True,
)
def eager_hook(token: str) -> object:
    with eager():
        return on_failure_raises.delay(token).state


@client("19l", "eager SystemExit", failed("SystemExit", shows="in leaves", task=f"{HERE}.leaves"))
def eager_exit(token: str) -> object:
    with eager():
        return leaves.delay(token)
