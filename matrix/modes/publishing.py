"""Publishing that fails: in a view, swallowed, unserialisable."""

from __future__ import annotations

import contextlib
from typing import Final

from celery import current_app
from kombu.exceptions import OperationalError

from matrix.expectations import NOTHING, failed
from matrix.mode import client
from matrix.urls import through_view

from .eager import PLAIN, plain

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
    return through_view(lambda: plain.delay())


@client("26d", "delay() that works", *NOTHING)
def works(token: str) -> object:
    return bool(current_app.send_task("matrix.elsewhere", args=(token,), queue="nobody"))
