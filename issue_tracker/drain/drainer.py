"""The drainer: the one process of a worker node that empties the spool while the worker works. Right of the seam.

Forked when the worker is set up, before its pool and its threads, whatever the pool. It outlives a kill of the worker
long enough to drain what is left and to report the tasks that were running. Killed itself, it is forked again by its
keeper. While the database is away it waits 1 s to
30 s between tries, for ever.
"""

from __future__ import annotations

import atexit
import gc
import logging
import math
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from celery import bootsteps, signals
from django.db import connections
from django.db.backends.signals import connection_created

from issue_tracker import conf
from issue_tracker.complaints import complain
from issue_tracker.forking import forget_connections
from issue_tracker.guard import harmless
from issue_tracker.inflight.vanished import Sweep
from issue_tracker.notify import Sender
from issue_tracker.spool import SpoolError, current
from issue_tracker.turns import LOCK_SECONDS

from . import inline
from .batches import OutageError, drain_batch, drain_lock, drain_reserve, inode_of, lock_path, takes_rows
from .keeper import Employer, Keeper, become

if TYPE_CHECKING:
    from types import FrameType

    from issue_tracker.spool import Spool

logger = logging.getLogger("issue_tracker")

IDLE_CONNECTION_SECONDS: Final = 10.0
"""After so long without a record the drainer gives its database connection back."""
POLL_SECONDS: Final = 0.1
"""Between two looks at the spool (two `stat` calls). Idle, this is 0.1 % of a core."""
GATHER_SECONDS: Final = 1.0
"""Under a steady flow, the pause between two batches: larger batches cost the worker less.

A lone failure waits for a poll only.
"""
SWEEP_SECONDS: Final = 2.0
"""Between two looks for processes that vanished."""
FIRST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = 30.0
PAUSE_GROWTH: Final = 1.5
PROBE_SECONDS: Final = 3.0
"""In a long pause, between two looks whether the database takes rows again: one event stored and rolled back, no batch,
no line in the log. So a first row comes soon after an outage however long that was.
"""
LAST_DRAIN_SECONDS: Final = 5.0
"""How long a drainer that was told to end goes on with what is left."""
ORPHAN_SECONDS: Final = 20.0
"""How long a drainer whose worker was killed stays, to report what was running."""
STOP_WAIT_SECONDS: Final = 0.1
"""How long a worker that shuts down waits for its drainer; the drainer may go on by itself."""


@dataclass(slots=True)
class Drainer:
    """One drainer's life: look, drain, sweep, rest; and an end that leaves nothing behind."""

    spool: Spool
    employer: Employer
    keeper_pid: int = 0
    """0: it has none."""
    ends_at: float = math.inf
    """When it ends at the latest, by the monotonic clock; finite once it was told to end or its worker is gone."""
    is_orphan: bool = False
    pause_seconds: float = FIRST_PAUSE_SECONDS
    next_sweep_at: float = 0.0
    last_drain_at: float = 0.0
    sweep: Sweep = field(default_factory=Sweep)
    sender: Sender = field(default_factory=Sender)

    def run(self) -> None:
        """Drain until told to end, until the worker is gone and nothing is left to do, or until the keeper is gone.

        Where another drainer serves this spool already, wait for its end.
        """
        while True:
            has_served = self._serve_if_free()
            if self._is_ending() or self.is_bereft():
                return
            if not has_served:
                self._rest(SWEEP_SECONDS)

    def end(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Drain what is left, for LAST_DRAIN_SECONDS at most, then end, be it in the middle of a query that hangs."""
        self.ends_at = min(self.ends_at, time.monotonic() + LAST_DRAIN_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, LAST_DRAIN_SECONDS + POLL_SECONDS)

    def _serve_if_free(self) -> bool:
        try:
            with drain_lock(self.spool) as is_ours:
                if is_ours:
                    self._serve()
                return is_ours
        except OSError as error:
            complain(f"nothing is drained for now: {error}")
            return False

    def is_bereft(self) -> bool:
        """Tell whether the keeper was killed while the worker lives: then this process takes its place."""
        return bool(self.keeper_pid) and os.getppid() != self.keeper_pid and not self._is_ending()

    def _serve(self) -> None:
        """Drain until the end, or until the spool's directory was removed,
        and with it the lock that keeps others out.
        """
        drained: tuple[int, ...] | None = None
        lock = inode_of(lock_path(self.spool))
        while inode_of(lock_path(self.spool)) == lock and not self.is_bereft():
            self._look_for_vanished()
            is_told = self._is_told()  # before the drain, so that what a run records as its last is drained
            stamp = self.spool.stamp()
            is_new = stamp != drained
            if is_new:
                drained = stamp if self._drain() else None
            if time.monotonic() >= self.ends_at or (is_told and drained is not None):
                self.sender.leave()
                return
            self.sender.look()
            self._rest(GATHER_SECONDS if is_new and drained else POLL_SECONDS)

    def _drain(self) -> bool:
        """Drain what waits now; returns False when that can't be done."""
        try:
            is_worth_another = True
            while is_worth_another:
                done = drain_batch(self.spool)
                is_worth_another = done.is_worth_another
                if done.records > done.deferred:
                    self.last_drain_at = time.monotonic()
                if is_worth_another and self.is_bereft():
                    return False
            drain_reserve(self.spool)
        except Exception as error:  # noqa: BLE001  a drainer that died would leave its worker without one
            connections.close_all()
            self._back_off(error)
            return False
        if time.monotonic() - self.last_drain_at > IDLE_CONNECTION_SECONDS:
            connections.close_all()
        self.pause_seconds = FIRST_PAUSE_SECONDS
        return True

    def _back_off(self, error: Exception) -> None:
        is_expected = isinstance(error, OutageError | SpoolError)
        logger.log(
            logging.WARNING if is_expected else logging.ERROR,
            "issue_tracker: records stay in the spool, next try in %.0f s: %s",
            self.pause_seconds,
            str(error).partition("\n")[0],
            exc_info=not is_expected,
        )
        self._pause(self.pause_seconds * random.uniform(0.8, 1.2), is_outage=isinstance(error, OutageError))  # noqa: S311  jitter, no secret  # nosec B311
        self.pause_seconds = min(MAX_PAUSE_SECONDS, self.pause_seconds * PAUSE_GROWTH)

    def _pause(self, seconds: float, *, is_outage: bool) -> None:
        """Rest for so long, or, while the database is away, until it is back."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0 and not self._is_ending():
            self._rest(min(left, PROBE_SECONDS if is_outage else left))
            if is_outage and left > PROBE_SECONDS and not self._is_ending():
                is_back = takes_rows(conf.current().database)
                connections.close_all()
                if is_back:
                    return

    def _rest(self, seconds: float) -> None:
        """Sleep in short steps, so that the end of the worker or the keeper is noticed within one."""
        until = time.monotonic() + seconds
        while True:
            time.sleep(POLL_SECONDS)
            if time.monotonic() >= until - POLL_SECONDS / 2 or self._is_ending() or self.is_bereft():
                return

    def _look_for_vanished(self) -> None:
        if time.monotonic() >= self.next_sweep_at:
            try:
                self.sweep.look()
            except Exception:  # a drainer that died would leave its worker without one
                logger.exception("issue_tracker: looking for lost tasks failed")
            self.next_sweep_at = time.monotonic() + SWEEP_SECONDS

    def _is_ending(self) -> bool:
        if self.ends_at == math.inf and self.employer.is_gone():
            self.is_orphan = True
            self.ends_at = time.monotonic() + ORPHAN_SECONDS
            self.next_sweep_at = 0.0
        return self.ends_at != math.inf

    def _is_told(self) -> bool:
        """Tell whether this drainer is ending and every run that its worker left behind is in the spool."""
        if not self._is_ending():
            return False
        if self.is_orphan:
            return self.next_sweep_at > 0 and not self.sweep.is_waiting()
        if not self.employer.is_gone():
            return False
        self.sweep.close(self.employer.pid)
        return True


class DrainerStep(bootsteps.Step):
    """Celery's extension point: forks the drainer when the worker's parts are made, before any of them starts."""

    label = "IssueTrackerDrainer"

    def create(self, _parent: Any) -> None:
        """Fork the drainer, and tell it to end when everything else of this process has."""
        pid = fork_drainer()
        if pid:
            atexit.register(stop_drainer, pid, os.getpid())


def install() -> None:
    """Give every worker that starts in this process a drainer."""
    signals.celeryd_init.connect(_on_celeryd_init, weak=False, dispatch_uid="issue_tracker.drainer")


@harmless
def _on_celeryd_init(*, instance: Any, **_kwargs: Any) -> None:
    instance.app.steps["worker"].add(DrainerStep)


@harmless
def fork_drainer() -> int:
    """Fork the keeper of this worker, which forks the drainer; returns the keeper's process id in the worker.

    What this process tree records is left to it.
    """
    spool = current()
    with suppress(OSError):  # a full disk, say: the drainer says so, and waits for better times
        spool.reserve.prepare()
    # What the worker has loaded stays as it is: collected once, then left alone by every later collection, here and in
    # the pool's processes. So the pages stay shared: 49 MiB private for a whole worker against 62 without us, and 105
    # without this (measured). CPython's own advice for programs that fork.
    gc.collect()
    gc.freeze()
    employer = Employer(pid=os.getpid())
    pid = os.fork()
    inline.leave_to_drainer()  # only now: without a fork there is nobody to leave it to
    if pid:
        return pid
    try:
        forget_connections()
        _serve_worker(spool, employer)
    finally:
        os._exit(0)


@harmless
def stop_drainer(pid: int, parent_pid: int) -> None:
    """Tell a keeper and its drainer to end, and wait STOP_WAIT_SECONDS; they drain what is left by themselves."""
    if os.getpid() != parent_pid:
        return  # a process that the worker forked ends: not the worker
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WAIT_SECONDS
    while time.monotonic() < deadline and os.waitpid(pid, os.WNOHANG) == (0, 0):
        time.sleep(0.005)


def _serve_worker(spool: Spool, employer: Employer) -> None:
    """Keep a drainer, or be the one where a keeper could not know of the worker's end."""

    def drain(keeper_pid: int) -> None:
        drainer = Drainer(spool=spool, employer=employer, keeper_pid=keeper_pid)
        become(drainer.end)
        connection_created.connect(_bound_waits, weak=False, dispatch_uid="issue_tracker.drainer")
        drainer.run()
        if drainer.is_bereft():
            connections.close_all()
            Keeper(employer=employer, drain=drain).run()

    if employer.watch():
        Keeper(employer=employer, drain=drain).run()
    else:
        drain(0)


def _bound_waits(*, connection: Any, **_kwargs: object) -> None:
    """Let no statement wait long for a lock: its driver hears no signal meanwhile, so this process could not end."""
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}, innodb_lock_wait_timeout = {LOCK_SECONDS}")
