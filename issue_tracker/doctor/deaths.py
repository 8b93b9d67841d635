"""Tasks that die on purpose, each in its own way: what `issues doctor --send` sends through the real worker.

Safe where they should not run: each is good for a few minutes after it was sent, so that a message found again later
does nothing; none does harm in a redelivered run or in a process that is no child of a prefork pool; none can be sent
again from the admin. They are acknowledged early whatever the host's settings say: one that kills its process must not
be handed back. Right of the seam.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Final

from billiard.process import current_process
from celery import current_task, shared_task
from celery.exceptions import Reject

import issue_tracker
from issue_tracker.rules import TRIAL_PREFIX

PREFIX: Final = TRIAL_PREFIX
"""How the names of these tasks begin, and so the tasks of their issues. No host has tasks of this name."""
SOFT_SECONDS: Final = 1
HARD_SECONDS: Final = 1
LONG_SECONDS: Final = 4
"""How long a task runs that its time limit should have ended."""

_EARLY: Final[dict[str, Any]] = {
    "ignore_result": True,
    "acks_late": False,
    "reject_on_worker_lost": False,
    "issue_tracker_requeue": "never",
    "issue_tracker_retries": "all",
}


class DoctorError(Exception):
    """Raised on purpose, to see whether it is captured."""


def _refused(until: float) -> bool:
    """Tell whether the task must do nothing: too late, or not the first run of its message, or no worker's."""
    request: Any = current_task.request
    delivery = request.delivery_info or {}
    return time.time() > until or request.is_eager or request.called_directly or bool(delivery.get("redelivered"))


def _is_pool_child() -> bool:
    """Tell whether this process runs one task at a time and is replaced when it dies."""
    return "PoolWorker" in str(current_process().name)


def _outlive(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.05)


@shared_task(name=f"{PREFIX}failure", **_EARLY)
def failure(until: float) -> None:
    """Raise."""
    if not _refused(until):
        raise DoctorError("Sent by `manage.py issues doctor`: it should be captured, then removed.")


@shared_task(name=f"{PREFIX}retry", bind=True, max_retries=1, **_EARLY)
def retry(self: Any, until: float) -> None:
    """Fail once, be tried again, succeed."""
    if not _refused(until) and not self.request.retries:
        raise self.retry(exc=DoctorError("The first attempt fails on purpose."), countdown=0.2)


@shared_task(name=f"{PREFIX}soft_time_limit", soft_time_limit=SOFT_SECONDS, time_limit=60, **_EARLY)
def soft_time_limit(until: float) -> None:
    """Run longer than the soft limit."""
    if not _refused(until):
        _outlive(LONG_SECONDS)


@shared_task(name=f"{PREFIX}time_limit", time_limit=HARD_SECONDS, **_EARLY)
def time_limit(until: float) -> None:
    """Run longer than the hard limit."""
    if not _refused(until) and _is_pool_child():
        _outlive(LONG_SECONDS)


@shared_task(name=f"{PREFIX}worker_lost", **_EARLY)
def worker_lost(until: float) -> None:
    """Be killed as by the kernel when memory runs out."""
    if not _refused(until) and _is_pool_child():
        os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name=f"{PREFIX}exited", **_EARLY)
def exited(until: float) -> None:
    """End the process."""
    if not _refused(until) and _is_pool_child():
        raise SystemExit(3)


@shared_task(name=f"{PREFIX}rejected", **{**_EARLY, "acks_late": True})
def rejected(until: float) -> None:
    """Reject its own message, which Celery hears of late acknowledgement only."""
    if not _refused(until):
        raise Reject("on purpose", requeue=False)


@shared_task(name=f"{PREFIX}report", **_EARLY)
def report(until: float) -> None:
    """Report a warning, and succeed."""
    if not _refused(until):
        issue_tracker.report("Doctor's report", task=f"{PREFIX}report", error_message="Sent by `issues doctor`.")


@shared_task(name=f"{PREFIX}expired", **_EARLY)
def expired(until: float) -> None:
    """Do nothing: it is sent too late to run."""


@shared_task(name=f"{PREFIX}revoked", **_EARLY)
def revoked(until: float) -> None:
    """Do nothing: it is revoked before it runs."""
