"""What a process that we fork must let go of before it does anything else. Right of the seam."""

from __future__ import annotations

import os
import signal
import warnings
from typing import Any, Final

from django.db import connections

_ENDINGS: Final = (signal.SIGTERM, signal.SIGALRM)
_OTHERS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Meant for the process that we come from: a terminal sends Ctrl-C to all."""

_inherited: list[Any] = []


def fork() -> int:
    """Fork; as `os.fork`, but without Python's warning where the host has threads.

    Our children take no lock that a thread may hold but those which a fork renews, and one that hangs all the same is
    ended by the kernel.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def begin_anew(*, ends_within_seconds: float) -> None:
    """Make a forked child its own: no inherited connection or handler, and an end that the kernel sees to."""
    forget_connections()
    for number in _OTHERS:
        signal.signal(number, signal.SIG_IGN)
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    signal.setitimer(signal.ITIMER_REAL, ends_within_seconds)


def forget_connections() -> None:
    """Drop the connections inherited from the parent without closing them:
    closing would say goodbye on the parent's behalf.
    """
    for connection in connections.all(initialized_only=True):
        _inherited.append(connection.connection)
        connection.connection = None
