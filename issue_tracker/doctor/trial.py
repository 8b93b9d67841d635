"""The trial: one task for each kind of death through the real worker, and how long each took to become a row.

Right of the seam. What the trial leaves behind is removed, also what an earlier one left that was broken off.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from issue_tracker import conf
from issue_tracker.event import Kind
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.requeue import connect

from .celery_side import is_configured, pools
from .deaths import PREFIX
from .findings import Finding, error, fine, said, warning

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from celery import Celery

AREA: Final = "deaths"
VALID_SECONDS: Final = 300
"""How long a task that was sent may die."""
SETTLE_SECONDS: Final = 2.0
"""Celery may tell of a death twice; what comes so long after the last arrival is removed with it."""
POLL_SECONDS: Final = 0.1
ENDS_A_PROCESS: Final = (Kind.SOFT_TIME_LIMIT, Kind.TIME_LIMIT, Kind.WORKER_LOST, Kind.EXITED)
"""Only tried on prefork, where a child that dies is replaced and takes no other task with it."""
OTHERS: Final = (Kind.RETRY, Kind.REJECTED, Kind.EXPIRED, Kind.REVOKED, Kind.UNKNOWN_TASK, Kind.REPORT)
ADVICE: Final = "Look at the worker's log, and at `manage.py issues stats` on its host."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One task that was sent to die."""

    kind: Kind
    task_id: str
    sent_at: float
    """By the monotonic clock."""


def is_of_trial(issue: OperationalIssue) -> bool:
    """Tell whether an issue is one that the doctor made on purpose; nobody need hear of it."""
    return issue.task.startswith(PREFIX)


def trial(app: Celery, *, queue: str = "", timeout_seconds: float = 30) -> Iterator[Finding]:
    """Send a failure; when it arrives, one task for each further kind. Yields what came of each, and removes the rows.

    Takes up to twice the timeout.
    """
    found = pools(app) if is_configured(app) else {}
    if not found:
        yield error(AREA, "Nothing was sent: no worker answers.", "See above.")
        return
    try:
        clean_up()
        yield from _tried(app, set(found.values()), queue, timeout_seconds)
        clean_up()
    except Exception as trouble:  # noqa: BLE001  whatever broker or database raise in the middle of it is the finding
        yield error(AREA, f"The trial broke off: {said(trouble)}", "Try again: what it left is removed then.")


def clean_up() -> int:
    """Remove the issues of trials; returns how many there were."""
    issues = OperationalIssue._base_manager.using(conf.current().database).filter(task__startswith=PREFIX)
    return issues.delete()[1].get(OperationalIssue._meta.label, 0)


def _tried(app: Celery, pools: set[str], queue: str, timeout_seconds: float) -> Iterator[Finding]:
    first = [_send(app, Kind.FAILURE, queue)]
    arrived = _arrivals(first, timeout_seconds)
    yield from _told(first, arrived, timeout_seconds)
    if not arrived:
        return  # the others would not arrive either
    if pools != {"prefork"}:
        yield warning(
            AREA,
            f"{', '.join(ENDS_A_PROCESS)} were not tried: a pool is {', '.join(sorted(pools - {'prefork'}))}.",
            "There they would end the worker, or nothing would.",
        )
    kinds = [*OTHERS, *(ENDS_A_PROCESS if pools == {"prefork"} else ())]
    sent = [_send(app, kind, queue) for kind in kinds if _is_recorded(kind)]
    yield from _told(sent, _arrivals(sent, timeout_seconds), timeout_seconds)
    time.sleep(SETTLE_SECONDS)


def _is_recorded(kind: Kind) -> bool:
    return conf.current().severities.get(kind, "") is not None


def _send(app: Celery, kind: Kind, queue: str) -> Sent:
    task_id = f"doctor-{uuid.uuid4()}"
    options: dict[str, Any] = {"queue": queue} if queue else {}
    if kind is Kind.EXPIRED:
        options["expires"] = 0
    if kind is Kind.REVOKED:
        options["countdown"] = 1  # so that the word of its revocation is there first
    with connect(app) as connection:
        if kind is Kind.REVOKED:
            app.control.revoke(task_id, connection=connection)
        app.send_task(
            f"{PREFIX}{kind}",
            args=[time.time() + VALID_SECONDS],
            task_id=task_id,
            connection=connection,
            retry=False,
            ignore_result=True,
            **options,
        )
    return Sent(kind=kind, task_id=task_id, sent_at=time.monotonic())


def _arrivals(sent: Collection[Sent], timeout_seconds: float) -> dict[str, float]:
    """Wait until a row of its kind is there for each; returns the seconds that took, by task id."""
    rows = Occurrence.objects.using(conf.current().database).order_by()
    arrived: dict[str, float] = {}
    deadline = time.monotonic() + timeout_seconds
    while len(arrived) < len(sent) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        there = set(rows.filter(task_id__in=[one.task_id for one in sent]).values_list("task_id", "kind"))
        for one in sent:
            if one.task_id not in arrived and (one.task_id, one.kind.value) in there:
                arrived[one.task_id] = time.monotonic() - one.sent_at
    return arrived


def _told(sent: Collection[Sent], arrived: dict[str, float], timeout_seconds: float) -> Iterator[Finding]:
    for one in sent:
        if one.task_id in arrived:
            yield fine(AREA, f"{one.kind} arrived after {arrived[one.task_id]:.1f} s.")
        else:
            yield error(AREA, f"{one.kind} did not arrive within {timeout_seconds:g} s.", ADVICE)
