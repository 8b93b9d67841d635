"""Exceptions outside Exception: a pool lets them pass, ends by them, or says nothing."""

from __future__ import annotations

import asyncio
import sys

from celery.exceptions import WorkerShutdown, WorkerTerminate
from greenlet import GreenletExit

from matrix.expectations import failed
from matrix.mode import GREEN, POOLS, SOLO, mode


class OwnBaseError(BaseException):
    """A host's own exception outside Exception."""


@mode("03b", "BaseExceptionGroup", failed("BaseExceptionGroup", shows="in base_group"), alone=SOLO)
def base_group(token: str) -> None:
    raise BaseExceptionGroup(token, [KeyboardInterrupt(), ValueError(token)])


@mode("06a", "SystemExit(3)", failed("SystemExit", shows="in leave"), alone=SOLO, is_listed=True)
def leave(token: str) -> None:
    sys.exit(3)


@mode("06b", "KeyboardInterrupt", failed("KeyboardInterrupt", shows="in interrupt"), alone=SOLO, is_listed=True)
def interrupt(token: str) -> None:
    raise KeyboardInterrupt


@mode("06c", "GeneratorExit", failed("GeneratorExit", shows="in generator_exit"), alone=SOLO)
def generator_exit(token: str) -> None:
    raise GeneratorExit(token)


@mode("06d", "asyncio.CancelledError", failed("CancelledError", shows="in cancelled"), alone=SOLO)
def cancelled(token: str) -> None:
    raise asyncio.CancelledError(token)


@mode("06e", "a BaseException of the host's", failed("OwnBaseError", shows="in own_base"), alone=SOLO)
def own_base(token: str) -> None:
    raise OwnBaseError(token)


@mode("06f", "StopIteration", failed("StopIteration", shows="in stop_iteration"), is_listed=True)
def stop_iteration(token: str) -> None:
    raise StopIteration(token)


@mode("06g", "SystemExit with a text", failed("SystemExit", shows="in leave_with_text"), alone=SOLO)
def leave_with_text(token: str) -> None:
    sys.exit(f"goodbye {token}")


@mode(
    "06h",
    "GreenletExit",
    failed("GreenletExit", shows="in greenlet_exit"),
    pools=GREEN,
)
def greenlet_exit(token: str) -> None:
    raise GreenletExit(token)


@mode("06i", "WorkerShutdown raised by the task", failed("WorkerShutdown", shows="in worker_shutdown"), alone=POOLS)
def worker_shutdown(token: str) -> None:
    raise WorkerShutdown(0)


@mode("06j", "WorkerTerminate raised by the task", failed("WorkerTerminate", shows="in worker_terminate"), alone=POOLS)
def worker_terminate(token: str) -> None:
    raise WorkerTerminate(1)
