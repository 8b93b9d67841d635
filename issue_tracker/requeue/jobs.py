"""Large groups sent again in the background: a RequeueJob worked off in batches by a Celery task of ours.

Right of the seam. A batch is claimed by moving the job's cursor before anything is sent, so two workers never take the
same one; each occurrence is claimed by itself as well. What a kill in mid-batch left unsent is found at the end of the
job, which then goes over the whole once more; what had been sent by then is sent, but not in the job's count.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Count, Max
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob

from .again import MAX_AT_ONCE, Requeued, requeue_all
from .sending import NotSentError, Sender, UnconfirmedError

if TYPE_CHECKING:
    from django.db.models import QuerySet

BATCH: Final = MAX_AT_ONCE
MAX_NOTE_CHARACTERS: Final = 255
"""Of a job's note: the column's."""
SENDABLE: Final = (Occurrence.Outcome.NONE,)
_ANEW: Final[dict[str, Any]] = {"last_occurrence_id": 0, "refused_count": 0, "reasons": {}}
"""How a job begins again from its first occurrence."""


def sendable(issues: QuerySet[OperationalIssue] | list[OperationalIssue]) -> QuerySet[Occurrence]:
    """Return the occurrences of these issues that have not come to any end yet, in the order of their keys.

    An attempt that Celery retried is not among them: its task went on by itself.
    """
    found = Occurrence.objects.using(conf.current().database).filter(
        issue__in=issues, requeued_as="", outcome__in=SENDABLE
    )
    return found.exclude(kind="retry").exclude(task_id="").order_by("pk")


def start(issues: QuerySet[OperationalIssue] | list[OperationalIssue], *, by: Any = None, note: str = "") -> RequeueJob:
    """Make a job for what these issues hold now, and hand its first batch to a worker.

    Where the issues have a database of their own, the user is none of its rows: the note names who it was.
    """
    using = conf.current().database
    if by is not None and by._state.db != using:
        by, note = None, f"{by}: {note}".rstrip(": ")[:MAX_NOTE_CHARACTERS]
    with transaction.atomic(using=using):
        found = sendable(issues).aggregate(total=Count("pk"), last=Max("pk"))
        job = RequeueJob.objects.using(using).create(
            created_by=by, note=note, total_count=found["total"], end_occurrence_id=found["last"] or 0
        )
        job.issues.set(issues)
    hand_over(job.pk)
    return job


def stop(job: RequeueJob) -> bool:
    """Stop a job after the batch that is on; returns whether it was running."""
    return bool(_jobs().filter(pk=job.pk, status="running").update(status="stopped", stopped_by="stopped by hand"))


def resume(job: RequeueJob) -> bool:
    """Go on with a stopped job; returns whether it was stopped.

    It begins anew: what was sent is passed over, what was refused is asked and counted again.
    """
    changed = _jobs().filter(pk=job.pk, status="stopped").update(status="running", stopped_by="", **_ANEW)
    if changed:
        hand_over(job.pk)
    return bool(changed)


def hand_over(job_id: int) -> None:
    """Ask a worker for the next batch, within seconds; a broker that is away or frozen stops the job, with the reason.

    Where it is not known whether the message arrived, that does no harm: a worker leaves a stopped job alone.
    """
    from issue_tracker.tasks import work_off  # imports this module

    try:
        with Sender(work_off.app) as sender:
            task_id = str(uuid.uuid4())
            sender.send(name=work_off.name, args=[job_id], kwargs={}, task_id=task_id, headers={}, options={})
    except Exception as error:  # noqa: BLE001  whatever the broker's client raises: the job says so and can be resumed
        reason = str(error) if isinstance(error, NotSentError | UnconfirmedError) else type(error).__name__
        _jobs().filter(pk=job_id, status="running").update(
            status="stopped", stopped_by=f"no worker could be asked: {reason}"
        )


def work_off_batch(job_id: int) -> bool:
    """Send one batch of a running job; returns whether there is more to do."""
    job = _jobs().filter(pk=job_id, status="running").first()
    if job is None:
        return False
    left = sendable(list(job.issues.all())).filter(pk__lte=job.end_occurrence_id)
    batch = list(left.filter(pk__gt=job.last_occurrence_id).select_related("issue")[:BATCH])
    if not batch:
        return not _end(job, left.filter(pk__lte=job.last_occurrence_id).count())
    claimed = _jobs().filter(pk=job_id, status="running", last_occurrence_id=job.last_occurrence_id)
    if not claimed.update(last_occurrence_id=batch[-1].pk):
        return False  # another worker has this batch
    done = requeue_all(batch, by=job.created_by, note=job.note, confirmed=True)
    return _book(job_id, done)


def _end(job: RequeueJob, left_count: int) -> bool:
    """End a job that has come to its last occurrence; where a killed worker left some unsent, let it begin anew.

    What was refused is left, too, and counted anew then. Returns whether it has ended.
    """
    same = _jobs().filter(pk=job.pk, status="running", last_occurrence_id=job.last_occurrence_id)
    if left_count > job.refused_count:
        same.update(**_ANEW)
        return False
    same.update(status="done", finished_at=timezone.now())
    return True


def _book(job_id: int, done: Requeued) -> bool:
    with transaction.atomic(using=conf.current().database):
        job = _jobs().select_for_update().get(pk=job_id)
        job.sent_count += len(done.sent)
        job.refused_count += done.refused.total()
        for reason, count in done.refused.items():
            job.reasons[reason] = job.reasons.get(reason, 0) + count
        if done.stopped_by:
            job.status, job.stopped_by = "stopped", done.stopped_by
        job.save()
    return job.status == "running"


def _jobs() -> QuerySet[RequeueJob]:
    return RequeueJob.objects.using(conf.current().database).all()
