"""`issues requeue`: failed tasks sent again, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from issue_tracker import selection
from issue_tracker.requeue import MAX_AT_ONCE, asking_first, requeue_all, why_not
from issue_tracker.requeue import jobs as requeue_jobs

from .verb import Console, Verb, add_ids, those

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from issue_tracker.lifecycle import IssueQuerySet
    from issue_tracker.models import Occurrence


def requeue(options: dict[str, Any], console: Console) -> int:
    """Send failed tasks again."""
    issues = those(options)
    occurrences = requeue_jobs.sendable(issues).select_related("issue")
    if options["dry_run"]:
        return _would_send(list(occurrences), console)
    who = selection.person(options)
    asking = (
        [] if options["yes"] else asking_first(occurrences.order_by().values_list("issue__task", flat=True).distinct())
    )
    if asking:
        console.complain(f"Not sent: {', '.join(asking)} asks for a confirmation. Look with --dry-run, then add --yes.")
        return 1
    if options["background"] or occurrences.count() > MAX_AT_ONCE:
        return _start_job(issues, who, console)
    done = requeue_all(occurrences, **who, confirmed=True)
    for reason, count in done.refused.items():
        console.complain(f"{count:,} × {reason}")
    if done.stopped_by:
        console.complain(f"Stopped: {done.stopped_by}")
    console.say(f"{len(done.sent):,} sent.")
    return int(not done.sent or bool(done.refused) or bool(done.stopped_by))


def _start_job(issues: IssueQuerySet, who: dict[str, Any], console: Console) -> int:
    job = requeue_jobs.start(issues, **who)
    job.refresh_from_db()
    console.say(f"Job {job.pk}: {job.total_count:,} to send. {job.stopped_by or 'A worker has it.'}")
    return int(bool(job.stopped_by))


def _would_send(occurrences: list[Occurrence], console: Console) -> int:
    refused = [(occurrence, reason) for occurrence in occurrences if (reason := why_not(occurrence))]
    for occurrence, reason in refused:
        console.say(f"would be refused: {occurrence.issue.task} {occurrence.task_id}: {reason}")
    console.say(f"{len(occurrences) - len(refused):,} would be sent, {len(refused):,} refused.")
    return 0


def _declare(parser: CommandParser) -> None:
    add_ids(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be sent, and what would be refused and why"
    )
    parser.add_argument(
        "--background", action="store_true", help=f"let a worker do it; always for more than {MAX_AT_ONCE}"
    )
    parser.add_argument("--yes", action="store_true", help="send tasks, too, whose policy asks for a confirmation")
    selection.add_person(parser)


VERBS = (
    Verb(name="requeue", help="send failed tasks again, each once", run=requeue, declare=_declare, has_filters=True),
)
