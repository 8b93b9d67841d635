"""Methods of the task's class and receivers of the host's that raise."""

from __future__ import annotations

from typing import Any, Final

from celery import Task, signals

from matrix.expectations import failed
from matrix.mode import SOLO, mode


class FailsOnFailure(Task):
    def on_failure(self, *_args: Any) -> None:
        raise RuntimeError("on_failure")


class FailsOnSuccess(Task):
    def on_success(self, *_args: Any) -> None:
        raise RuntimeError("on_success")


class FailsAfterReturn(Task):
    def after_return(self, *_args: Any) -> None:
        raise RuntimeError("after_return")


class FailsBeforeStart(Task):
    def before_start(self, *_args: Any) -> None:
        raise RuntimeError("before_start")


class FailsOnRetry(Task):
    def on_retry(self, *_args: Any) -> None:
        raise RuntimeError("on_retry")


class FailsInCall(Task):
    def __call__(self, *_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("__call__")


class ExitsOnFailure(Task):
    def on_failure(self, *_args: Any) -> None:
        raise SystemExit(4)


HOSTS: Final = "matrix.modes.hooks"


def _receiver(signal: Any, name: str, error: type[BaseException]) -> None:
    """Connect a receiver of the host's that raises for one task alone."""

    def receive(sender: Any = None, **_sent: Any) -> None:
        if getattr(sender, "name", "") == f"{HOSTS}.{name}":
            raise error(f"the receiver for {name}")

    signal.connect(receive, weak=False, dispatch_uid=f"matrix.hooks.{name}")


_receiver(signals.task_prerun, "prerun_raises", RuntimeError)
_receiver(signals.task_failure, "failure_receiver_raises", RuntimeError)
_receiver(signals.task_postrun, "postrun_raises", RuntimeError)
_receiver(signals.task_success, "success_receiver_raises", RuntimeError)
_receiver(signals.task_retry, "retry_receiver_raises", RuntimeError)
_receiver(signals.task_prerun, "prerun_exits", SystemExit)
_receiver(signals.task_failure, "failure_receiver_exits", SystemExit)


@mode("30a", "a receiver of task_prerun raises", failed("RuntimeError", shows="in receive"), is_listed=True)
def prerun_raises(token: str) -> str:
    return "done"


@mode(
    "30a2",
    "a receiver of task_failure raises",
    failed("ValueError", shows="in failure_receiver_raises"),
    is_listed=True,
)
def failure_receiver_raises(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode("30a3", "a receiver of task_postrun raises", failed("RuntimeError", shows="in receive"), is_listed=True)
def postrun_raises(token: str) -> str:
    return "done"


@mode("30a4", "a receiver of task_prerun raises SystemExit", failed("SystemExit", shows="in receive"), alone=SOLO)
def prerun_exits(token: str) -> str:
    return "done"


@mode(
    "30a5",
    "a receiver of task_failure raises SystemExit",
    failed("ValueError", shows="in failure_receiver_exits"),
    alone=SOLO,
)
def failure_receiver_exits(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "30b",
    "Task.on_failure raises",
    failed("ValueError", shows="in on_failure_raises"),
    task_options={"base": FailsOnFailure},
    alone=SOLO,
    is_listed=True,
)
def on_failure_raises(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "30b2",
    "Task.on_failure raises SystemExit",
    failed("ValueError", shows="in on_failure_exits"),
    task_options={"base": ExitsOnFailure},
    alone=SOLO,
)
def on_failure_exits(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "30c",
    "Task.before_start raises",
    failed("RuntimeError", shows="in before_start"),
    task_options={"base": FailsBeforeStart},
    is_listed=True,
)
def before_start_raises(token: str) -> str:
    return "done"


@mode(
    "30d",
    "Task.on_success raises",
    failed("RuntimeError", shows="in on_success"),
    task_options={"base": FailsOnSuccess},
    alone=SOLO,
)
def on_success_raises(token: str) -> str:
    return "done"


@mode(
    "30e",
    "Task.after_return raises",
    failed("RuntimeError", shows="in after_return"),
    task_options={"base": FailsAfterReturn},
    alone=SOLO,
)
def after_return_raises(token: str) -> str:
    return "done"


@mode(
    "30e2",
    "Task.after_return raises after a failure",
    failed("ValueError", shows="in after_return_raises_too"),
    task_options={"base": FailsAfterReturn},
    alone=SOLO,
)
def after_return_raises_too(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode(
    "30f",
    "Task.on_retry raises",
    failed("RuntimeError", shows="in on_retry"),
    failed("ValueError", shows="in on_retry_raises"),
    task_options={"base": FailsOnRetry, "bind": True, "max_retries": 1},
    is_listed=True,
)
def on_retry_raises(self: Any, token: str) -> None:
    try:
        raise ValueError(f"broke {token}")
    except ValueError as error:
        raise self.retry(exc=error, countdown=0.05) from error


@mode(
    "30g",
    "Task.__call__ raises",
    failed("RuntimeError", shows="in __call__"),
    task_options={"base": FailsInCall},
    is_listed=True,
)
def call_raises(token: str) -> str:
    return "done"


@mode("30h", "a receiver of task_success raises", failed("RuntimeError", shows="in receive"))
def success_receiver_raises(token: str) -> str:
    return "done"


@mode(
    "30i",
    "a receiver of task_retry raises",
    failed("RuntimeError", shows="in receive"),
    failed("ValueError", shows="in retry_receiver_raises"),
    task_options={"bind": True, "max_retries": 1},
)
def retry_receiver_raises(self: Any, token: str) -> None:
    raise self.retry(exc=ValueError(f"broke {token}"), countdown=0.05) from None
