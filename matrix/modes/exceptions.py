"""Exceptions that a task raises: plain, chained, grouped, hostile to whoever looks at them."""

from __future__ import annotations

import threading
import time
from typing import Any

from celery import shared_task

from matrix.expectations import failed
from matrix.mode import PREFORK, SOLO, mode


class BadStrError(Exception):
    """Its text can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class CtorError(Exception):
    """Its constructor takes more than it tells pickle of."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")


class LockError(Exception):
    """Holds what no pickle takes."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class LyingError(Exception):
    """Says that it is of another class."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("no class")


class ExitingError(Exception):
    """Ends the process of whoever takes its text."""

    def __str__(self) -> str:
        raise SystemExit(7)

    __repr__ = __str__


class BadPickleError(Exception):
    """Raises something that is no Exception when it is pickled."""

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


class NotesError(Exception):
    """Its notes are no texts."""

    __notes__ = 5


@mode("01", "plain exception", failed("ValueError", shows="in plain"), is_listed=True)
def plain(token: str) -> None:
    raise ValueError(f"broke {token}")


@mode("02a", "chained (raise from)", failed("ValueError", shows="ZeroDivisionError"), is_listed=True)
def chained(token: str) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        raise ValueError(f"broke {token}") from error


@mode("02b", "raised while another was handled", failed("ValueError", shows="ZeroDivisionError"))
def in_context(token: str) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        raise ValueError(f"broke {token}")  # noqa: B904  that is the mode


@mode("02c", "__cause__ is a loop", failed("ValueError", shows="in cause_loop"))
def cause_loop(token: str) -> None:
    first, second = ValueError(f"broke {token}"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


@mode("02d", "a chain of 2,000 causes", failed("ValueError", shows="in long_chain"))
def long_chain(token: str) -> None:
    error: Exception = ValueError(f"broke {token}")
    last = error
    for number in range(2000):
        last.__cause__ = KeyError(number)
        last = last.__cause__
    raise error


@mode("03", "ExceptionGroup", failed("ExceptionGroup", shows="FileNotFoundError"), is_listed=True)
def group(token: str) -> None:
    raise ExceptionGroup(token, [ValueError(token), ExceptionGroup("inner", [TypeError("t"), FileNotFoundError("f")])])


@mode("04", "__str__ and __repr__ raise", failed("BadStrError", shows="in bad_str"), is_listed=True)
def bad_str(token: str) -> None:
    raise BadStrError(token)


@mode("04b", "__str__ and __repr__ raise SystemExit", failed("ExitingError", shows="in exiting_str"), alone=SOLO)
def exiting_str(token: str) -> None:
    raise ExitingError(token)


@mode("04c", "__class__ raises", failed("LyingError", shows="in lying_class"), alone=SOLO)
def lying_class(token: str) -> None:
    raise LyingError(token)


@mode("04d", "__notes__ is no list", failed("NotesError", shows="in odd_notes"))
def odd_notes(token: str) -> None:
    raise NotesError(token)


@mode("05a", "unpicklable: constructor's arguments", failed("CtorError", shows="in ctor_args"), is_listed=True)
def ctor_args(token: str) -> None:
    raise CtorError(5, token)


@mode("05b", "unpicklable: holds a lock", failed("LockError", shows="in holds_lock"), is_listed=True)
def holds_lock(token: str) -> None:
    raise LockError(token)


@mode("05c", "unpicklable: local class", failed("Local", shows="in local_class"), is_listed=True)
def local_class(token: str) -> None:
    class Local(Exception):  # noqa: N818
        pass

    raise Local(token)


@mode("05d", "KeyboardInterrupt while it is pickled", failed("BadPickleError", shows="in bad_pickle"), alone=SOLO)
def bad_pickle(token: str) -> None:
    raise BadPickleError(token)


@mode("27", "RecursionError", failed("RecursionError", shows="in recursion"), is_listed=True)
def recursion(token: str) -> None:
    recursion.run(token)  # type: ignore[attr-defined]


@mode(
    "28",
    "MemoryError raised",
    failed("MemoryError", shows="in memory"),
    alone=(*PREFORK, *SOLO),
    ends_on=(*PREFORK, *SOLO),
    is_listed=True,
)
def memory(token: str) -> None:
    raise MemoryError(token)


@mode("43", "a task that succeeds")
def succeeds(token: str) -> str:
    return token


@shared_task
def succeed(token: str, *args: Any, **kwargs: Any) -> str:
    """Be a part of other modes."""
    return token


class EndlessError(Exception):
    """Its text needs its text."""

    def __str__(self) -> str:
        return f"<{self}>"

    __repr__ = __str__


class NumberError(Exception):
    """Its text is a number."""

    def __str__(self) -> str:
        return 5  # type: ignore[return-value]

    __repr__ = __str__


class SlowError(Exception):
    """Takes its time to say what it is."""

    def __str__(self) -> str:
        time.sleep(0.2)
        return "slow"


@mode("04e", "__str__ recurses for ever", failed("EndlessError", shows="in endless_str"))
def endless_str(token: str) -> None:
    raise EndlessError(token)


@mode("04f", "__str__ returns a number", failed("NumberError", shows="in number_str"))
def number_str(token: str) -> None:
    raise NumberError(token)


@mode("04g", "__str__ takes its time", failed("SlowError", shows="in slow_str"))
def slow_str(token: str) -> None:
    raise SlowError(token)
