"""Exceptions that come out of what tasks use: threads, processes, coroutines, Django."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from celery.exceptions import TaskRevokedError
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.http import Http404

from matrix.expectations import NOTHING, failed
from matrix.mode import GREEN, PREFORK, mode


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


def _broken(token: str) -> None:
    raise ValueError(f"broke {token}")


async def _coroutine(token: str) -> None:
    await asyncio.sleep(0)
    raise ValueError(f"broke {token}")


@mode("35d", "a thread that dies after its task has ended", failed("ValueError", shows="in _die_later"))
def thread_outlives(token: str) -> str:
    threading.Thread(target=_die_later, args=(token,)).start()
    return "done"


@mode("42k", "an exception set from another thread", failed("KeyError", shows="in shot_at"), on={GREEN: NOTHING})
def shot_at(token: str) -> None:
    target = ctypes.c_ulong(threading.get_ident())
    threading.Timer(0.05, ctypes.pythonapi.PyThreadState_SetAsyncExc, (target, ctypes.py_object(KeyError))).start()
    for _ in range(200):
        time.sleep(0.01)


def _die_later(token: str) -> None:
    time.sleep(0.05)
    raise ValueError(f"broke {token}")
