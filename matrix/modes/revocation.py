"""Tasks that were revoked, expired or held back: no exception tells of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from matrix.expectations import NOTHING, told
from matrix.mode import POOLS, SOLO, THREADS, mode
from tests.processes import until

from .exits import wait

if TYPE_CHECKING:
    from matrix.stage import Stage

UNSTOPPABLE = (*THREADS, *SOLO)


def _revoke_early(stage: Stage) -> None:
    """Revoke an id, and send it only when the worker knows that."""
    task_id = f"{stage.token}-id"
    stage.app.control.revoke(task_id)
    _until_revoked(stage, task_id)
    stage.send(task_id=task_id)


def _until_revoked(stage: Stage, task_id: str) -> None:
    inspect = stage.app.control.inspect(timeout=0.3)
    until(
        lambda: any(task_id in ids for ids in (inspect.revoked() or {}).values()),
        why="the worker knows what is revoked",
    )


@mode("17a", "revoked before it starts", told("revoked"), play=_revoke_early, is_listed=True)
def revoked(token: str) -> str:
    return "done"


def _terminate(stage: Stage, **options: object) -> None:
    task_id = stage.send()
    stage.until_accepted()
    stage.app.control.revoke(task_id, terminate=True, **options)


@mode(
    "17b",
    "revoke(terminate=True) while it runs",
    told("revoked"),
    on={UNSTOPPABLE: NOTHING},
    play=_terminate,
    max_seconds=15,
    is_listed=True,
)
def terminated(token: str) -> str:
    wait(3)
    return "done"


@mode(
    "17c",
    "revoke(terminate=True, signal=SIGKILL)",
    told("revoked"),
    on={UNSTOPPABLE: NOTHING},
    play=lambda stage: _terminate(stage, signal="SIGKILL"),
    max_seconds=15,
)
def terminated_hard(token: str) -> str:
    wait(3)
    return "done"


def _revoke_stamped(stage: Stage) -> None:
    stage.app.control.revoke_by_stamped_headers({"order": stage.token})
    inspect = stage.app.control.inspect(timeout=0.3)
    until(lambda: inspect.ping(), why="the worker answers")
    signature = stage.signature(stage.mode.task)
    signature.stamp(order=stage.token)
    stage.apply(signature)


@mode("17d", "revoked by a stamped header", told("revoked"), play=_revoke_stamped)
def revoked_by_header(token: str) -> str:
    return "done"


def _revoke_waiting(stage: Stage) -> None:
    """Revoke a task that the worker holds for its eta."""
    task_id = stage.send(countdown=1.0)
    inspect = stage.app.control.inspect(timeout=0.3)
    until(
        lambda: any(stage.token in str(held) for held in (inspect.scheduled() or {}).values()),
        why="the worker holds it",
    )
    stage.app.control.revoke(task_id)


@mode("17e", "revoked while it waits for its eta", told("revoked"), play=_revoke_waiting)
def revoked_waiting(token: str) -> str:
    return "done"


def _revoke_limited(stage: Stage) -> None:
    """Revoke a task that the worker holds back for its rate limit."""
    stage.send()
    task_id = stage.send()
    time.sleep(0.3)
    stage.app.control.revoke(task_id)


@mode(
    "17f",
    "rate-limited, and revoked meanwhile",
    told("revoked"),
    play=_revoke_limited,
    task_options={"rate_limit": "30/m"},
)
def limited(token: str) -> str:
    return "done"


@mode("21", "expired", told("expired", "revoked"), play=lambda stage: stage.send(expires=-10) and None, is_listed=True)
def expired(token: str) -> str:
    return "done"


@mode(
    "21b",
    "expired while it waits for its eta",
    told("expired", "revoked"),
    play=lambda stage: stage.send(countdown=1.5, expires=0.5) and None,
)
def expired_waiting(token: str) -> str:
    return "done"


@mode(
    "21c",
    "an eta far away",
    alone=POOLS,
    leaves_messages=True,
    play=lambda stage: stage.send(countdown=86_400) and None,
    max_seconds=1,
)
def far_away(token: str) -> str:
    return "done"


@mode("21d", "sent with a priority", play=lambda stage: stage.send(priority=9) and None)
def prioritised(token: str) -> str:
    return "done"
