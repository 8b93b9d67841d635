"""Celery tasks of our own, found by the host's `autodiscover_tasks()`. Right of the seam."""

from __future__ import annotations

from celery import shared_task

from . import retention
from .doctor import deaths  # noqa: F401  a worker knows the tasks of `issues doctor --send` by this import
from .requeue import jobs as requeue_jobs


@shared_task(name="issue_tracker.requeue", ignore_result=True, acks_late=True, reject_on_worker_lost=True)
def work_off(job_id: int) -> None:
    """Send the next batch of a RequeueJob, and ask for the one after it. May be killed, and may run twice at once."""
    if requeue_jobs.work_off_batch(job_id):
        requeue_jobs.hand_over(job_id)


@shared_task(name="issue_tracker.prune", ignore_result=True)
def prune() -> None:
    """Delete what the retention settings let go. May be killed, and may run twice at once."""
    retention.prune()
