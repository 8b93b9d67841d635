"""The drain of processes without a drainer: web, shell, management command, eager tasks, tests. Right of the seam.

No thread and no process: a record is drained at the first safe point. A safe point is any moment at which the host's
connection is in no `atomic` block (Django's TestCase does not count as one): at once, on commit, when a request ends,
when issues are read, at exit. Whatever goes wrong stays in the spool and is tried again at a later one. The first safe
point of a process drains what killed ones left behind.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import random
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from django.core.signals import request_finished, request_started
from django.db import connections

from issue_tracker import conf, context, lifecycle, recording
from issue_tracker.spool import SpoolError, current

from .batches import OutageError, drain

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("issue_tracker")

FIRST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 30.0
PAUSE_GROWTH: Final = 1.5
MAX_BATCHES: Final = 4
"""Batches that one safe point drains at most, so that a request never pays for a whole backlog."""


class _State:
    """What this process has waiting, and how long it leaves a database alone that failed."""

    __slots__ = ("is_busy", "is_pending", "not_before", "only_thread", "pause_seconds", "served_by_drainer")

    def __init__(self) -> None:
        # The first safe point looks for what others left: on a host without a worker, nobody else would ever drain what
        # a killed web process had recorded. Where nothing is left, that costs a few `stat` calls.
        self.is_pending = True
        self.is_busy = False
        self.served_by_drainer = False
        self.not_before = 0.0
        self.pause_seconds = FIRST_PAUSE_SECONDS
        self.only_thread = 0
        """The one thread that may drain, or 0: any."""

    def is_kept_from_us(self) -> bool:
        """Tell whether draining is another thread's alone."""
        return self.only_thread not in {0, threading.get_ident()}


_state = _State()


def install() -> None:
    """Drain what this process records, from now on. Called once, when the app is ready."""
    if drain_soon not in recording.listeners:
        recording.listeners.append(drain_soon)
        lifecycle.before_reading.append(drain_pending)
    request_started.connect(_on_request_started, dispatch_uid="issue_tracker.inline", weak=False)
    request_finished.connect(_on_request_finished, dispatch_uid="issue_tracker.inline", weak=False)
    atexit.register(drain_pending)


def leave_to_drainer() -> None:
    """Stop draining in this process and those that it forks: the worker's drainer does it."""
    _state.served_by_drainer = True


@contextmanager
def by_this_thread_alone() -> Iterator[None]:
    """Let no other thread drain during a block: for tests, whose transaction other threads neither see nor undo."""
    before = _state.only_thread
    _state.only_thread = threading.get_ident()
    _state.not_before = 0.0
    try:
        yield
    finally:
        _state.only_thread = before


def drain_soon() -> None:
    """Note that a record waits, and drain it now, or once the host's transaction commits."""
    if _state.served_by_drainer:
        return
    _state.is_pending = True
    if _in_event_loop() or _state.is_kept_from_us():
        return
    connection = connections[conf.current().database]
    if _is_free(connection):
        drain_pending()
    elif connection.in_atomic_block and not connection.needs_rollback:
        connection.on_commit(drain_pending, robust=True)


def drain_pending() -> None:
    """Drain what this process has recorded, if there is anything and the connection may be used. Never raises."""
    if not _state.is_pending or _state.is_busy or _state.served_by_drainer or _in_event_loop():
        return
    if _state.is_kept_from_us() or time.monotonic() < _state.not_before:
        return
    _state.is_busy = True
    try:
        if not _is_free(connections[conf.current().database]):
            return
        drain(max_batches=MAX_BATCHES)
        _state.is_pending = not current().is_empty()
        _state.pause_seconds = FIRST_PAUSE_SECONDS
    except Exception as error:  # noqa: BLE001  the host's request or shell must not see our trouble; the records stay in the spool
        _back_off(error)
    finally:
        _state.is_busy = False


def _back_off(error: Exception) -> None:
    _state.not_before = time.monotonic() + _state.pause_seconds * random.uniform(0.8, 1.2)  # noqa: S311  jitter, no secret  # nosec B311
    _state.pause_seconds = min(MAX_PAUSE_SECONDS, _state.pause_seconds * PAUSE_GROWTH)
    level = logging.WARNING if isinstance(error, OutageError | SpoolError) else logging.ERROR
    with suppress(Exception):
        logger.log(
            level, "issue_tracker: records stay in the spool for now: %s", error, exc_info=level == logging.ERROR
        )
    with suppress(Exception):
        _close_if_broken(connections[conf.current().database])


def _close_if_broken(connection: Any) -> None:
    """Close a connection that the database dropped: outside of requests nobody else would,
    and it would fail for ever.
    """
    if connection.connection is not None and not connection.in_atomic_block and not connection.is_usable():
        connection.close()


def _is_free(connection: Any) -> bool:
    """Tell whether a transaction of ours would be one of its own. TestCase's blocks are told by Django's own mark."""
    if connection.in_atomic_block:
        return not connection.needs_rollback and all(
            getattr(block, "_from_testcase", False) for block in connection.atomic_blocks
        )
    return connection.connection is None or connection.get_autocommit()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _on_request_started(**_kwargs: object) -> None:
    context.forget()


def _on_request_finished(**_kwargs: object) -> None:
    was_open = _has_connection()
    drain_pending()
    if not was_open:
        _close_own()
    context.forget()


def _has_connection() -> bool:
    alias = conf.current().database
    return any(one.alias == alias and one.connection is not None for one in connections.all(initialized_only=True))


def _close_own() -> None:
    """Close the connection that the drain opened after Django had closed the request's: this thread may end here."""
    for connection in connections.all(initialized_only=True):
        if connection.alias == conf.current().database and not connection.in_atomic_block:
            with suppress(Exception):
                connection.close()


def _begin_anew_in_child() -> None:
    _state.is_busy = False  # the thread that was draining is not there


os.register_at_fork(after_in_child=_begin_anew_in_child)
