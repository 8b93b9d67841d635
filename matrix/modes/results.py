"""The result: not serialisable, not stored, or not that of a body that ran."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from matrix.expectations import failed, told
from matrix.mode import SOLO, mode

if TYPE_CHECKING:
    from collections.abc import Iterator

DOWN: Final = {
    "result_backend": "redis://127.0.0.1:1/0",
    "result_backend_transport_options": {"retry_policy": {"max_retries": 1}},
}
"""A closed port, and an end to Celery's patience with it."""
UNREACHABLE: Final = ("ConnectionError", "OperationalError", "ConnectionRefusedError")
NO_BACKEND: Final = {"result_backend": None}


@mode("15a", "a result that can't be serialised", failed("EncodeError"), is_listed=True)
def unserialisable(token: str) -> object:
    return object()


@mode("15b", "the same with ignore_result", task_options={"ignore_result": True}, is_listed=True)
def unserialisable_ignored(token: str) -> object:
    return object()


@mode(
    "15c",
    "plain exception, ignore_result",
    failed("ValueError", shows="in ignored"),
    task_options={"ignore_result": True},
    is_listed=True,
)
def ignored(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode("15d", "plain exception, no result backend", failed("ValueError", shows="in no_backend"), config=NO_BACKEND)
def no_backend(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "16a",
    "result backend down, the task fails",
    failed("ValueError", shows="in backend_down"),
    config=DOWN,
    max_seconds=20,
    is_listed=True,
)
def backend_down(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "16b", "result backend down, the task succeeds", failed(*UNREACHABLE), config=DOWN, max_seconds=20, is_listed=True
)
def backend_down_success(token: str) -> str:
    return "done"


@mode(
    "16c",
    "result backend down, SystemExit",
    failed("SystemExit", shows="in backend_down_exit"),
    config=DOWN,
    max_seconds=20,
    alone=SOLO,
)
def backend_down_exit(token: str) -> None:
    raise SystemExit(3)


@mode("29a", "a generator as a task", failed("EncodeError"), is_listed=True)
def generator(token: str) -> Iterator[str]:
    yield token


@mode("29b", "an async def as a task", failed("EncodeError"), is_listed=True)
async def coroutine(token: str) -> str:
    return token


@mode("29c", "a generator as a task, no result backend", told("never_ran"), config=NO_BACKEND)
def generator_unseen(token: str) -> Iterator[str]:
    yield token


@mode("29d", "an async def as a task, no result backend", told("never_ran"), config=NO_BACKEND)
async def coroutine_unseen(token: str) -> str:
    return token


@mode("29e", "a task that returns another's coroutine, no result backend", told("never_ran"), config=NO_BACKEND)
def returns_coroutine(token: str) -> Any:
    return _coroutine()


@mode("15e", "a large result")
def large_result(token: str) -> str:
    return token * 100_000


async def _coroutine() -> None:
    pass
