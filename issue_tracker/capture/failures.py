"""The records that are made of a run: what its request tells, with what was found out about its death.

Left of the seam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from issue_tracker import conf
from issue_tracker.event import Kind, Severity
from issue_tracker.recording import Failure

if TYPE_CHECKING:
    from issue_tracker.inflight import Request
    from issue_tracker.tracebacks import Described


def failure_of_run(request: Request, described: Described | None, *, kind: Kind, **more: Any) -> Failure:
    """Return the record of a run that died, by its request, its exception where there is one, and `more` fields."""
    if described is not None:
        more = {
            "name": described.short_name,
            "message": described.message,
            "exception_type": described.type_name,
            **more,
        }
    return Failure(
        kind=kind,
        task=request.task,
        task_id=request.task_id,
        attempt=request.attempt,
        run=request.run,
        args=request.args,
        kwargs=request.kwargs,
        worker=request.worker,
        queue=request.queue,
        options=request.options,
        **more,
    )


def interrupted(request: Request, *, is_sent_again: bool) -> Failure:
    """Return the record of a run that a shutdown or a lost connection cut short."""
    again = "The message was not acknowledged yet and will be delivered again."
    lost = (
        "Celery says RETRY, but the message was acknowledged when the run began: "
        "it is not sent again, the work is lost."
    )
    return failure_of_run(
        request,
        None,
        kind=Kind.INTERRUPTED,
        name="Interrupted",
        message=f"The run was cut short by a shutdown or a lost connection. {again if is_sent_again else lost}",
        severity=Severity.WARNING if is_sent_again else Severity.ERROR,
    )


def records_attempt(task: Any, attempt: int) -> bool:
    """Apply `RECORD_RETRIES`, or the task's own `issue_tracker_retries`: "all", "last", or from the n-th attempt on."""
    settings = conf.current()
    if settings.severities.get(Kind.RETRY, "") is None:
        return False
    policy = getattr(task, "issue_tracker_retries", None) or settings.record_retries
    return policy == "all" or (isinstance(policy, int) and attempt + 1 >= policy)
