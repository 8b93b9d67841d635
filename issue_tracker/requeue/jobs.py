"""Large groups sent again in the background: a RequeueJob worked off in batches by a Celery task of ours.

Right of the seam. A batch is claimed by moving the job's cursor before anything is sent, so two workers never take the
same one; each occurrence is claimed by itself as well. A kill in mid-batch leaves the rest of that batch unsent and
unclaimed: starting a job anew finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob

from .again import MAX_AT_ONCE, Requeued, requeue_all

if TYPE_CHECKING:
    from django.db.models import QuerySet

BATCH: Final = MAX_AT_ONCE
MAX_NOTE_CHARACTERS: Final = 255
"""Of a job's note: the column's."""
SENDABLE: Final = (Occurrence.Outcome.NONE,)


def sendable(issues: QuerySet[OperationalIssue] | list[OperationalIssue]) -> QuerySet[Occurrence]:
    """Return the occurrences of these issues that have not come to any end yet, in the order of their keys.

    An attempt that Celery retried is not among them: its task went on by itself.
    """
    found = Occurrence.objects.using(conf.current().database).filter(
        issue__in=issues, requeued_as="", outcome__in=SENDABLE
    )
    return found.exclude(kind="retry").exclude(task_id="").order_by("pk")


def start(issues: QuerySet[OperationalIssue] | list[OperationalIssue], *, by: Any = None, note: str = "") -> RequeueJob:
    """Make a job for these issues and hand its first batch to a worker.

    Where the issues have a database of their own, the user is none of its rows: the note names who it was.
    """
    using = conf.current().database
    if by is not None and by._state.db != using:
        by, note = None, f"{by}: {note}".rstrip(": ")[:MAX_NOTE_CHARACTERS]
    with transaction.atomic(using=using):
        job = RequeueJob.objects.using(using).create(created_by=by, note=note, total_count=sendable(issues).count())
        job.issues.set(issues)
    hand_over(job)
    return job


def stop(job: RequeueJob) -> bool:
    """Stop a job after the batch that is on; returns whether it was running."""
    return bool(_jobs().filter(pk=job.pk, status="running").update(status="stopped", stopped_by="stopped by hand"))


def resume(job: RequeueJob) -> bool:
    """Go on with a stopped job; returns whether it was stopped."""
    changed = bool(_jobs().filter(pk=job.pk, status="stopped").update(status="running", stopped_by=""))
    if changed:
        hand_over(job)
    return changed


def hand_over(job: RequeueJob) -> None:
    """Ask a worker for the next batch; a broker that is away stops the job, with the reason."""
    from issue_tracker.tasks import work_off  # imports this module

    try:
        work_off.apply_async((job.pk,), retry=False)
    except Exception as error:  # noqa: BLE001  whatever the broker's client raises: the job says so and can be resumed
        _jobs().filter(pk=job.pk).update(
            status="stopped", stopped_by=f"no worker could be asked: {type(error).__name__}"
        )


def work_off_batch(job_id: int) -> bool:
    """Send one batch of a running job; returns whether there is more to do."""
    job = _jobs().filter(pk=job_id, status="running").first()
    if job is None:
        return False
    batch = list(sendable(list(job.issues.all())).filter(pk__gt=job.last_occurrence_id).select_related("issue")[:BATCH])
    if not batch:
        _jobs().filter(pk=job_id).update(status="done", finished_at=timezone.now())
        return False
    claimed = _jobs().filter(pk=job_id, status="running", last_occurrence_id=job.last_occurrence_id)
    if not claimed.update(last_occurrence_id=batch[-1].pk):
        return False  # another worker has this batch
    done = requeue_all(batch, by=job.created_by, note=job.note, confirmed=True)
    return _book(job_id, done)


def _book(job_id: int, done: Requeued) -> bool:
    with transaction.atomic(using=conf.current().database):
        job = _jobs().select_for_update().get(pk=job_id)
        job.sent_count += len(done.sent)
        job.refused_count += done.refused.total()
        for reason, count in done.refused.items():
            job.reasons[reason] = job.reasons.get(reason, 0) + count
        if done.stopped_by:
            job.status, job.stopped_by, job.last_occurrence_id = "stopped", done.stopped_by, 0
        job.save()
    return job.status == "running"


def _jobs() -> QuerySet[RequeueJob]:
    return RequeueJob.objects.using(conf.current().database).all()
