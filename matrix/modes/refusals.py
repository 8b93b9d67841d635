"""Tasks that say themselves that they are not done: Reject, Ignore, `throws`, and what is not a failure."""

from __future__ import annotations

from typing import Any

from celery import current_app
from celery.exceptions import Ignore, Reject

from matrix.expectations import failed
from matrix.mode import mode

from .exits import count_attempt

LATE = {"acks_late": True}


class ExpectedError(Exception):
    """Declared by its task."""


@mode("12a", "Reject(requeue=False)", failed("Reject", "ValueError"), task_options=LATE, is_listed=True)
def reject(token: str) -> None:
    raise Reject(ValueError(token), requeue=False)


@mode("12b", "Reject(requeue=False), early acknowledged", failed("Reject", "ValueError"))
def reject_early(token: str) -> None:
    raise Reject(ValueError(token), requeue=False)


@mode("12c", "Reject(requeue=True) twice, then Ignore", task_options=LATE, is_listed=True)
def requeue(token: str) -> None:
    if count_attempt(token) <= 2:
        raise Reject("not now", requeue=True)
    raise Ignore


@mode("12d", "Ignore", is_listed=True)
def ignore(token: str) -> None:
    raise Ignore


@mode(
    "12e",
    "an exception that `throws` names",
    failed("ExpectedError", shows="in throws"),
    task_options={"throws": (ExpectedError,)},
    is_listed=True,
)
def throws(token: str) -> None:
    raise ExpectedError(token)


@mode(
    "12f",
    "self.replace with a task that fails",
    failed("ValueError", task="matrix.modes.exceptions.plain"),
    task_options={"bind": True},
)
def replaced(self: Any, token: str) -> None:
    raise self.replace(current_app.signature("matrix.modes.exceptions.plain", args=(token,)))


@mode(
    "12g",
    "self.replace with an unregistered task",
    failed("NotRegistered", "KeyError", task="matrix.nowhere"),
    task_options={"bind": True},
)
def replaced_by_nothing(self: Any, token: str) -> None:
    raise self.replace(current_app.signature("matrix.nowhere", args=(token,)))


@mode("12h", "update_state to FAILURE, then Ignore")
def own_state(token: str) -> None:
    raise Ignore
