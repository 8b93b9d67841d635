"""Arguments and messages that are hard to keep: large, not text, not JSON; and arguments that pydantic refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from pydantic import BaseModel

from matrix.expectations import failed
from matrix.mode import mode

if TYPE_CHECKING:
    from matrix.stage import Stage

MEGABYTES_10 = 10 * 1024 * 1024
LONG_NAME = f"matrix.{'x' * 1000}"
RICH = (Decimal("1.5"), date(2026, 2, 28), datetime(2026, 2, 28, tzinfo=UTC), UUID(int=5))


class Order(BaseModel):
    """What the task wants."""

    number: int


def _send(*args: object) -> object:
    """Return a play that sends these after the token."""

    def play(stage: Stage) -> None:
        stage.send(*args)

    return play


def _send_wrong(stage: Stage) -> None:
    stage.ids.append(stage.app.send_task(stage.mode.task, args=[{"number": stage.token}]).id)


def _send_missing(stage: Stage) -> None:
    stage.ids.append(stage.app.send_task(stage.mode.task, args=[{"other": stage.token}]).id)


def _send_none(stage: Stage) -> None:
    stage.ids.append(stage.app.send_task(stage.mode.task).id)


@mode(
    "31a",
    "pydantic: wrong argument",
    failed("ValidationError"),
    play=_send_wrong,
    task_options={"pydantic": True},
    is_listed=True,
)
def order(order: Order) -> str:
    return "done"


@mode(
    "31b",
    "pydantic: missing field",
    failed("ValidationError"),
    play=_send_missing,
    task_options={"pydantic": True},
    is_listed=True,
)
def order_missing(order: Order) -> str:
    return "done"


@mode(
    "31c",
    "pydantic: no argument at all",
    failed("TypeError"),
    play=_send_none,
    task_options={"pydantic": True},
    is_listed=True,
)
def order_none(order: Order) -> str:
    return "done"


@mode(
    "32b",
    "arguments of 10 MB",
    failed("ValueError", shows="in large_argument"),
    play=_send("x" * MEGABYTES_10),
    is_listed=True,
)
def large_argument(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "32c", "a NUL in the arguments", failed("ValueError", shows="in nul_argument"), play=_send("a\x00b"), is_listed=True
)
def nul_argument(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "32d",
    "a lone surrogate in the arguments",
    failed("ValueError", shows="in surrogate_argument"),
    play=_send("a\ud800b"),
    is_listed=True,
)
def surrogate_argument(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@mode("32e", "a NUL in the message", failed("ValueError", shows="in nul_message"), is_listed=True)
def nul_message(token: str) -> None:
    raise ValueError(f"broke \x00 {token}")


@mode("32f", "a lone surrogate in the message", failed("ValueError", shows="in surrogate_message"))
def surrogate_message(token: str) -> None:
    raise ValueError(f"broke \ud800 {token}")


@mode("32g", "a message of 10 MB", failed("ValueError", shows="in large_message"), is_listed=True)
def large_message(token: str) -> None:
    raise ValueError(token + "x" * MEGABYTES_10)


@mode("32h", "bytes as the exception's argument", failed("ValueError", shows="in bytes_message"), is_listed=True)
def bytes_message(token: str) -> None:
    raise ValueError(b"\xff\xfe", token)


@mode(
    "32i",
    "NaN and Infinity in the arguments",
    failed("ValueError", shows="in nan_argument"),
    play=_send(float("nan"), float("inf")),
)
def nan_argument(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@mode("32j", "an integer of 5,000 digits in the message", failed("ValueError", shows="in large_number"))
def large_number(token: str) -> None:
    raise ValueError(token, 10**5000)


@mode(
    "32k",
    "arguments nested 300 deep",
    failed("ValueError", shows="in deep_argument"),
    play=lambda stage: _send_deep(stage),
)
def deep_argument(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "32l",
    "100,000 keyword arguments",
    failed("ValueError", shows="in many_keywords"),
    play=lambda stage: _send_many(stage),
)
def many_keywords(token: str, **kwargs: object) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "32m",
    "a secret in message and arguments",
    failed("ValueError", shows="in secret"),
    play=_send("password=hunter2hunter2"),
)
def secret(token: str, *args: object) -> None:
    raise ValueError(f"postgres://user:hunter2hunter2@host/db refused {token}")


def _send_deep(stage: Stage) -> None:
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    stage.send(deep)


def _send_many(stage: Stage) -> None:
    stage.send(kwargs={f"key{number}": number for number in range(100_000)})


@mode("32n", "an emoji in message and arguments", failed("ValueError", shows="in emoji"), play=_send("\U0001f4a5"))
def emoji(token: str, *args: object) -> None:
    raise ValueError(f"\U0001f4a5 {token}")


@mode(
    "32o", "dates, decimals and UUIDs as arguments", failed("ValueError", shows="in rich_arguments"), play=_send(*RICH)
)
def rich_arguments(token: str, *args: object) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "45a",
    "a task name of 1,000 characters",
    failed("ValueError", shows="in long_named"),
    task_options={"name": LONG_NAME},
)
def long_named(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "45b",
    "a task id of 1,000 characters",
    failed("ValueError", shows="in long_id"),
    play=lambda stage: _ignore(stage.send(task_id=f"{stage.token}-{'i' * 1000}")),
)
def long_id(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "45c",
    "a task id with quotes, markup and a line break",
    failed("ValueError", shows="in odd_id"),
    play=lambda stage: _ignore(stage.send(task_id=f"{stage.token}'\"<b>\n\u00e9")),
)
def odd_id(token: str) -> None:
    raise ValueError(f"broke {token}")


def _ignore(_value: object) -> None:
    """Let a lambda be a play."""
