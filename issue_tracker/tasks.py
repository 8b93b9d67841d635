"""Celery tasks of our own, found by the host's `autodiscover_tasks()`. Right of the seam."""

from __future__ import annotations

from celery import shared_task

from . import retention
from .doctor import deaths  # noqa: F401  a worker knows the tasks of `issues doctor --send` by this import
from .requeue import jobs as requeue_jobs


@shared_task(name="issue_tracker.requeue", ignore_result=True)
def work_off(job_id: int) -> None:
    """Send the next batch of a RequeueJob, and ask for the one after it."""
    if requeue_jobs.work_off_batch(job_id):
        work_off.delay(job_id)


@shared_task(name="issue_tracker.prune", ignore_result=True)
def prune() -> None:
    """Delete what the retention settings let go. May be killed, and may run twice at once."""
    retention.prune()
