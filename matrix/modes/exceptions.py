"""Exceptions that a task raises: plain, chained, grouped, hostile to whoever looks at them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from celery import shared_task
from celery.exceptions import TaskRevokedError
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import Http404

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


class OwnBaseError(BaseException):
    """A host's own exception outside Exception."""


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


@mode("03b", "BaseExceptionGroup", failed("BaseExceptionGroup", shows="in base_group"), alone=SOLO)
def base_group(token: str) -> None:
    raise BaseExceptionGroup(token, [KeyboardInterrupt(), ValueError(token)])


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


@mode("27", "RecursionError", failed("RecursionError", shows="in recursion"), is_listed=True)
def recursion(token: str) -> None:
    recursion.run(token)  # type: ignore[attr-defined]


@mode("28", "MemoryError raised", failed("MemoryError", shows="in memory"), alone=(*PREFORK, *SOLO), is_listed=True)
def memory(token: str) -> None:
    raise MemoryError(token)


@mode("35", "exception in a thread started by the task", failed("ValueError", shows="in _die"), is_listed=True)
def thread_dies(token: str) -> str:
    def _die() -> None:
        raise ValueError(f"broke {token}")

    thread = threading.Thread(target=_die)
    thread.start()
    thread.join()
    return "done"


@mode("35b", "exception in a pool of threads, asked for", failed("ValueError", shows="in _broken"))
def executor(token: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_broken, token).result()


@mode(
    "35c",
    "a process pool in the task",
    failed("ValueError", shows="in _broken"),
    on={PREFORK: (failed("AssertionError"),)},
)
def process_pool(token: str) -> None:
    with ProcessPoolExecutor(1) as pool:
        pool.submit(_broken, token).result()


@mode("42a", "subprocess.CalledProcessError", failed("CalledProcessError", shows="in subprocess_fails"))
def subprocess_fails(token: str) -> None:
    subprocess.run([sys.executable, "-c", "raise SystemExit(5)"], check=True)


@mode("42b", "UnicodeDecodeError", failed("UnicodeDecodeError", shows="in undecodable"))
def undecodable(token: str) -> None:
    b"\xff\xfe\xfd".decode("ascii")


@mode("42c", "asyncio.run fails", failed("ValueError", shows="in _coroutine"))
def async_inside(token: str) -> None:
    asyncio.run(_coroutine(token))


@mode("42d", "Model.DoesNotExist", failed("DoesNotExist", shows="in no_row"))
def no_row(token: str) -> None:
    Group.objects.get(name=token)


@mode("42e", "Http404", failed("Http404", shows="in not_found"))
def not_found(token: str) -> None:
    raise Http404(token)


@mode("42f", "Django's ValidationError", failed("ValidationError", shows="in invalid"))
def invalid(token: str) -> None:
    raise ValidationError({"name": [token]})


@mode("42g", "an exception without any frame", failed("ValueError", shows="ValueError"))
def no_frames(token: str) -> None:
    def _raise() -> None:
        raise ValueError(f"broke {token}").with_traceback(None)

    _raise()


@mode("42h", "a class with a name of 10,000 characters", failed("E" * 10_000, shows="in long_name"))
def long_name(token: str) -> None:
    raise type("E" * 10_000, (Exception,), {})(token)


@mode("42i", "TaskRevokedError raised by the task", failed("TaskRevokedError", shows="in raises_revoked"))
def raises_revoked(token: str) -> None:
    raise TaskRevokedError(token)


@mode("42j", "assert", failed("AssertionError", shows="in asserts"))
def asserts(token: str) -> None:
    raise AssertionError


@mode("43", "a task that succeeds")
def succeeds(token: str) -> str:
    return token


@shared_task
def succeed(token: str, *args: Any, **kwargs: Any) -> str:
    """Be a part of other modes."""
    return token


def _broken(token: str) -> None:
    raise ValueError(f"broke {token}")


async def _coroutine(token: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(f"broke {token}")
