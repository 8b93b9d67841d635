"""The guard round everything that the host calls or Celery sends: collecting must never harm a task. Left of the seam.

Two promises. An error of ours, whatever it is, ends here: it is said on stderr and counted. And what Celery sends a
process (soft time limit, terminate, shutdown) waits until the record is on disk, then takes its course: a `SystemExit`
that left a receiver half-way would end the child without its record; one swallowed would leave a task running that was
told to end.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

from celery.exceptions import SoftTimeLimitExceeded

from .complaints import complain
from .spool import current

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_NAMES: Final = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGALRM")
_HELD_BACK: Final = frozenset(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_CAN_HOLD_BACK: Final = hasattr(signal, "pthread_sigmask")

_bare: Final[Any] = sys.modules.get("_signal", signal)
"""The C module below `signal`, where there is one: `signal` makes enums of what comes and goes,
which takes ten times as long.
"""
_BLOCK: Final[int] = int(getattr(signal, "SIG_BLOCK", 0))
_SET: Final[int] = int(getattr(signal, "SIG_SETMASK", 0))
_other_threads: Final[Callable[[], int]] = getattr(_thread, "_count", lambda: threading.active_count() - 1)
"""Counts threads without `threading.Thread` as well (those of an event loop written in C, of execnet)."""
_OTHERS_ENDINGS: Final = ("gevent", "greenlet", "eventlet")
"""Packages whose exceptions end a greenlet from outside; they arrive where a lock switches,
and are not ours to swallow.
"""


def harmless(function: Callable[..., T]) -> Callable[..., T | None]:
    """Decorate a function so that nothing it does can leave it: it returns None instead. 1 µs.

    The signals of a worker's life wait meanwhile. One that was on its way already is raised at the end, like those that
    came meanwhile. Only the main thread ever runs their handlers.
    """
    name = function.__name__

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> T | None:
        is_holding = _CAN_HOLD_BACK and threading.get_ident() == threading.main_thread().ident
        early = noted = None
        try:
            if is_holding:
                before: set[int] = set()
                try:
                    before = _bare.pthread_sigmask(_BLOCK, _HELD_BACK)
                except BaseException as error:  # noqa: BLE001  raised by a handler that was due; raised again in the end
                    early = error
                # Where the main thread blocks a signal, the kernel gives it to another one, and Python runs the handler
                # in the main thread all the same: where there are others, the handlers step aside too.
                noted = _Noted() if _other_threads() else None
            return function(*args, **kwargs)
        except BaseException as error:  # signals are held back, so whatever arrives is of our own making
            if type(error).__module__.startswith(_OTHERS_ENDINGS):
                raise
            _own_up(name, error)
            return None
        finally:
            if is_holding:
                early = (noted.send_again() if noted is not None else None) or early
                _bare.pthread_sigmask(_SET, before)
                if early is not None:
                    raise early

    return guarded


def bear(where: str, error: Exception) -> None:
    """End an error of what every task passes, also one that succeeds; call it in `except Exception`.

    What a signal's handler raised leaves there at once, as it would leave Celery's own code; so what stands in such a
    `try` must bear to be cut short anywhere. Signals don't wait, which takes 4 µs: recording is for `harmless`.
    """
    if isinstance(error, SoftTimeLimitExceeded) or type(error).__module__.startswith(_OTHERS_ENDINGS):
        raise error
    _own_up(where, error)


class _Noted:
    """Handlers that only note what arrives, in the place of the process's own."""

    def __init__(self) -> None:
        """Put them in place."""
        self._arrived: list[int] = []
        self._early: BaseException | None = None
        self._handlers = {number: _bare.getsignal(number) for number in _HELD_BACK}
        for number, handler in self._handlers.items():
            if callable(handler):
                self._install(number, self._note)

    def send_again(self) -> BaseException | None:
        """Put the process's own back and send it what arrived, to this thread, which blocks it yet.

        Returns what a handler raised outside its time.
        """
        for number, handler in self._handlers.items():
            if callable(handler):
                self._install(number, handler)
        for number in self._arrived:
            signal.raise_signal(number)
        return self._early

    def _note(self, number: int, _frame: object) -> None:
        self._arrived.append(number)

    def _install(self, number: int, handler: Any) -> None:
        for _attempt in range(2):
            try:
                _bare.signal(number, handler)
            except BaseException as error:  # noqa: BLE001  a handler ran between two of these lines; what it raised waits
                self._early = error
            else:
                return


def _own_up(where: str, error: BaseException) -> None:
    with suppress(BaseException):
        complain(
            f"{where} failed with {type(error).__name__}; this failure is counted, not recorded. Please report it."
        )
        current().reserve.count(f"internal: {where}: {type(error).__name__}", 1)
