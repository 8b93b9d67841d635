"""Publishing that fails: in a view, swallowed, unserialisable."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from celery import current_app, group
from django.db import transaction
from kombu.exceptions import OperationalError

from matrix.expectations import NOTHING, failed
from matrix.mode import client
from matrix.urls import through_view

from .eager import PLAIN, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

DOWN: Final = {"broker_url": "redis://127.0.0.1:1/0", "task_publish_retry_policy": {"max_retries": 1}}
UNREACHABLE: Final = failed("OperationalError", "ConnectionError", "ConnectionRefusedError", task=PLAIN)


@client("26a", "delay() with the broker down, in a view", UNREACHABLE, config=DOWN, is_listed=True)
def down(token: str) -> object:
    return through_view(lambda: plain.delay(token))


@client("26a2", "delay() with the broker down, swallowed by the view", UNREACHABLE, config=DOWN, is_listed=True)
def down_swallowed(token: str) -> object:
    def send() -> str:
        with contextlib.suppress(OperationalError):
            plain.delay(token)
        return "sent"

    return through_view(send)


@client(
    "26a3",
    "send_task with the broker down, outside any view",
    failed("OperationalError", "ConnectionError", "ConnectionRefusedError", task="matrix.elsewhere"),
    config=DOWN,
)
def down_by_name(token: str) -> object:
    return current_app.send_task("matrix.elsewhere", args=(token,))


@client(
    "26b",
    "delay() with an argument that can't be serialised, in a view",
    failed("EncodeError", "TypeError", task=PLAIN),
    is_listed=True,
)
def unserialisable(token: str) -> object:
    return through_view(lambda: plain.delay(token, object()))


@client("26c", "delay() with arguments that do not fit, in a view", failed("TypeError", task=PLAIN), is_listed=True)
def wrong_signature(token: str) -> object:
    return through_view(lambda: plain.delay(token, unknown=5))


@client("26e", "delay() to a queue that does not exist", failed("QueueNotFound", task=PLAIN))
def no_queue(token: str) -> object:
    with _setting(task_create_missing_queues=False):
        return plain.apply_async((token,), queue="nowhere")


@client("26f", "a group with the broker down", UNREACHABLE, config=DOWN)
def group_down(token: str) -> object:
    return group([plain.s(token), plain.s(token)]).apply_async()


@client("26g", "delay_on_commit with the broker down", UNREACHABLE, config=DOWN)
def down_on_commit(token: str) -> object:
    with transaction.atomic():
        transaction.on_commit(lambda: plain.delay(token))
    return "committed"


@client("26h", "delay() with the broker down, inside atomic() that is rolled back", UNREACHABLE, config=DOWN)
def down_in_atomic(token: str) -> object:
    with transaction.atomic():
        return plain.delay(token)


@client("26d", "delay() that works", *NOTHING)
def works(token: str) -> object:
    return bool(current_app.send_task("matrix.elsewhere", args=(token,), queue="nobody"))


@contextlib.contextmanager
def _setting(**settings: object) -> Iterator[None]:
    before = {key: current_app.conf[key] for key in settings}
    current_app.conf.update(settings)
    _forget_queues()
    try:
        yield
    finally:
        current_app.conf.update(before)
        _forget_queues()


def _forget_queues() -> None:
    for name in ("queues", "router"):
        current_app.amqp.__dict__.pop(name, None)
