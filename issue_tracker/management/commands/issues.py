"""`manage.py issues`: triage from the command line.

Exit codes: 0 done, 1 nothing matched or something was refused, 2 wrong usage.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Count, Sum
from django.utils import timezone

from issue_tracker import conf, selection
from issue_tracker.drain import Drained, OutageError, drain
from issue_tracker.fingerprint import parts
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.plain import issue_text, table
from issue_tracker.requeue import MAX_AT_ONCE, requeue_all, why_not
from issue_tracker.requeue import jobs as requeue_jobs
from issue_tracker.spool import SpoolError, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from issue_tracker.lifecycle import IssueQuerySet


class Command(BaseCommand):
    """One command with subcommands; each method `do_…` is one of them."""

    help = "Look at, triage and requeue what the issue tracker has captured."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        subs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
        self._verb(subs, "list", "issues, those seen last first", filters=True).add_argument(
            "--limit", type=int, default=50
        )
        show = self._verb(subs, "show", "one issue, whole")
        show.add_argument("id", type=int)
        explain = self._verb(subs, "explain", "why its failures are one issue: the parts of its key")
        explain.add_argument("id", type=int)
        for verb, what in (("resolve", "resolve issues"), ("reopen", "open issues again"), ("mute", "silence issues")):
            sub = self._verb(subs, verb, what, filters=True)
            sub.add_argument("ids", nargs="*", type=int, metavar="ID")
            sub.add_argument("--note", default="")
            if verb == "mute":
                sub.add_argument("--until", metavar="DATE", help="a date, or a date with time")
                sub.add_argument("--more", type=int, metavar="N", help="until N more occurrences")
        send = self._verb(subs, "requeue", "send failed tasks again, each once", filters=True)
        send.add_argument("ids", nargs="*", type=int, metavar="ID")
        send.add_argument(
            "--dry-run", action="store_true", help="say what would be sent, and what would be refused and why"
        )
        send.add_argument(
            "--background", action="store_true", help=f"let a worker do it; always for more than {MAX_AT_ONCE}"
        )
        send.add_argument("--note", default="")
        self._verb(subs, "stats", "how many, of what, since when; and the state of the spool")
        work = self._verb(subs, "drain", "empty this host's spool into the database")
        work.add_argument("--follow", action="store_true", help="go on until SIGTERM or Ctrl-C, as a side-car")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the subcommand; a usage that makes no sense ends with 2."""
        do: Callable[[dict[str, Any]], int] = getattr(self, f"do_{verb}")
        try:
            code = do(options)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        if code:
            sys.exit(code)

    # ---- looking

    def do_list(self, options: dict[str, Any]) -> int:
        """Print issues."""
        issues = list(selection.chosen(options)[: max(1, options["limit"])])
        rows = [
            {
                "id": issue.pk,
                "severity": issue.severity,
                "status": issue.status,
                "count": issue.occurrence_count,
                "last_seen": issue.last_seen_at,
                "name": issue.name,
                "task": issue.task,
                "message": issue.error_message,
            }
            for issue in issues
        ]
        self._print(rows, options)
        return 0 if rows else 1

    def do_show(self, options: dict[str, Any]) -> int:
        """Print one issue."""
        issue = self._issue(options["id"])
        if options["format"] == "json":
            self._print_json(_whole(issue))
        else:
            self.stdout.write(issue_text(issue))
        return 0

    def do_explain(self, options: dict[str, Any]) -> int:
        """Print what made an issue's key."""
        issue = self._issue(options["id"])
        hashed = parts(
            task=issue.task,
            exception_type=issue.exception_type or issue.name,
            culprit=issue.culprit,
            message=issue.error_message,
        )
        found = {
            **hashed,
            "fingerprint": issue.fingerprint,
            "version": issue.fingerprint_version or "given by the host's code",
        }
        if options["format"] == "json":
            self._print_json(found)
        else:
            self.stdout.write("\n".join(f"{key:>16}  {value}" for key, value in found.items()))
        return 0

    def do_stats(self, options: dict[str, Any]) -> int:
        """Print counts and the state of collection."""
        using = conf.current().database
        issues = OperationalIssue.objects.using(using)
        spool = current()
        found: dict[str, Any] = {
            "issues": {row["status"]: row["n"] for row in issues.order_by().values("status").annotate(n=Count("pk"))},
            "open by severity": {
                row["severity"]: row["n"] for row in issues.open().order_by().values("severity").annotate(n=Count("pk"))
            },
            "occurrences": issues.aggregate(total=Sum("occurrence_count"))["total"] or 0,
            "spool": {
                "directory": str(spool.directory),
                "waiting": spool.depth(),
                "quarantined": spool.quarantine_count(),
            },
            "discards": spool.reserve.counts(),
        }
        if options["format"] == "json":
            self._print_json(found)
        else:
            for key, value in found.items():
                text = (
                    ", ".join(f"{name}: {number}" for name, number in value.items())
                    if isinstance(value, dict)
                    else value
                )
                self.stdout.write(f"{key:>16}  {text or '–'}")
        return 0

    # ---- changing

    def do_resolve(self, options: dict[str, Any]) -> int:
        """Resolve issues."""
        return self._changed("resolved", self._those(options).resolve(note=options["note"]))

    def do_reopen(self, options: dict[str, Any]) -> int:
        """Open issues again."""
        return self._changed("reopened", self._those(options, default_status="all").reopen(note=options["note"]))

    def do_mute(self, options: dict[str, Any]) -> int:
        """Mute issues."""
        until = selection.moment(options["until"]) if options["until"] else None
        if until is not None and until <= timezone.now():
            raise ValueError("--until must be a time to come.")
        return self._changed(
            "muted", self._those(options).mute(until=until, more=options["more"], note=options["note"])
        )

    def do_requeue(self, options: dict[str, Any]) -> int:
        """Send failed tasks again."""
        issues = self._those(options)
        occurrences = requeue_jobs.sendable(issues).select_related("issue")
        if options["dry_run"]:
            return self._would_send(list(occurrences))
        if options["background"] or occurrences.count() > MAX_AT_ONCE:
            job = requeue_jobs.start(issues, note=options["note"])
            job.refresh_from_db()
            self.stdout.write(f"Job {job.pk}: {job.total_count:,} to send. {job.stopped_by or 'A worker has it.'}")
            return int(bool(job.stopped_by))
        done = requeue_all(occurrences, note=options["note"], confirmed=True)
        for reason, count in done.refused.items():
            self.stderr.write(f"{count:,} × {reason}")
        if done.stopped_by:
            self.stderr.write(f"Stopped: {done.stopped_by}")
        self.stdout.write(f"{len(done.sent):,} sent.")
        return int(not done.sent or bool(done.refused) or bool(done.stopped_by))

    def do_drain(self, options: dict[str, Any]) -> int:
        """Empty the spool."""
        ending: list[int] = []
        if options["follow"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda signum, _frame: ending.append(signum))
        while True:
            code = self._drain_once()
            if not options["follow"] or ending:
                return code
            time.sleep(0.5 if code == 0 else 5)

    # ---- parts

    def _drain_once(self) -> int:
        try:
            done = drain()
        except (OutageError, SpoolError) as error:
            self.stderr.write(f"Nothing is lost, but nothing was drained: {error}")
            return 1
        if done != Drained():
            self.stdout.write(
                f"{done.stored:,} stored, {done.merged:,} merged, {done.quarantined:,} put into quarantine."
            )
        return 0

    def _would_send(self, occurrences: list[Occurrence]) -> int:
        refused = [(occurrence, reason) for occurrence in occurrences if (reason := why_not(occurrence))]
        for occurrence, reason in refused:
            self.stdout.write(f"would be refused: {occurrence.issue.task} {occurrence.task_id}: {reason}")
        self.stdout.write(f"{len(occurrences) - len(refused):,} would be sent, {len(refused):,} refused.")
        return 0

    def _those(self, options: dict[str, Any], *, default_status: str = "open") -> IssueQuerySet:
        filters = ("task", "severity", "status", "kind", "since", "search")
        if options["ids"]:
            named: IssueQuerySet = OperationalIssue.objects.using(conf.current().database)
            return named.filter(pk__in=options["ids"])
        if not any(options.get(name) for name in filters):
            raise ValueError("Name issues by id, or choose them by a filter such as --task or --since.")
        return selection.chosen(options, default_status=default_status)

    def _issue(self, pk: int) -> OperationalIssue:
        issue: OperationalIssue | None = OperationalIssue.objects.using(conf.current().database).filter(pk=pk).first()
        if issue is None:
            raise CommandError(
                f"There is no issue {pk}. `manage.py issues list --status all` lists them.", returncode=1
            )
        return issue

    def _changed(self, what: str, count: int) -> int:
        self.stdout.write(f"{count:,} {what}.")
        return int(not count)

    def _print(self, rows: list[dict[str, Any]], options: dict[str, Any]) -> None:
        if options["format"] == "json":
            self._print_json(rows)
        else:
            self.stdout.write(table(rows) if rows else "No issues.")

    def _print_json(self, value: Any) -> None:
        self.stdout.write(json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2, default=str))

    def _verb(self, subs: Any, name: str, text: str, *, filters: bool = False) -> CommandParser:
        sub: CommandParser = subs.add_parser(name, help=text)
        sub.add_argument("--format", choices=["table", "json"], default="table")
        if filters:
            selection.add_filters(sub)
        return sub


def _whole(issue: OperationalIssue) -> dict[str, Any]:
    fields = {field.name: getattr(issue, field.attname) for field in issue._meta.concrete_fields}
    latest = issue.occurrences.all()[:20].values(
        "occurred_at", "kind", "task_id", "attempt", "worker", "queue", "args", "kwargs", "outcome"
    )
    return {**fields, "latest_occurrences": list(latest)}
