"""What is stored: OperationalIssue, the group that a person triages, and its Occurrences. Right of the seam.

The first eight fields of OperationalIssue are the seed's, to the letter: `OperationalIssue.objects.create(name=…,
task=…, error_message=…)` needs no other. State changes are verbs, on an issue and on a QuerySet alike.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .fingerprint import VERSION, fingerprint, parts
from .lifecycle import IssueManager, Verbs
from .notifications import Channel as Channel
from .notifications import Notification as Notification
from .tracebacks import retold


class Kind(models.TextChoices):
    """How a task died; the values are those of `event.Kind`."""

    FAILURE = "failure", _("Failure")
    RETRY = "retry", _("Retry")
    SOFT_TIME_LIMIT = "soft_time_limit", _("Soft time limit")
    TIME_LIMIT = "time_limit", _("Time limit")
    WORKER_LOST = "worker_lost", _("Worker lost")
    REVOKED = "revoked", _("Revoked")
    EXPIRED = "expired", _("Expired")
    UNKNOWN_TASK = "unknown_task", _("Unknown task")
    REJECTED = "rejected", _("Rejected")
    UNDECODABLE = "undecodable", _("Undecodable message")
    INTERNAL_ERROR = "internal_error", _("Internal error")
    RESULT_NOT_STORED = "result_not_stored", _("Result not stored")
    INTERRUPTED = "interrupted", _("Interrupted")
    NEVER_RAN = "never_ran", _("Never ran")
    NOT_PUBLISHED = "not_published", _("Not published")
    THREAD_DIED = "thread_died", _("Thread died")
    OPEN_TRANSACTION = "open_transaction", _("Transaction left open")
    HOOK_FAILED = "hook_failed", _("Hook failed")
    BEAT_FAILED = "beat_failed", _("Beat failed")
    WORKER_FAILED = "worker_failed", _("Worker failed")
    EXITED = "exited", _("Exited")
    REPORT = "report", _("Report")


class OperationalIssue(Verbs, models.Model):
    """A group of like failures: what is broken, since when and how often."""

    class Severity(models.TextChoices):
        """How bad it is; an issue takes the most severe of its occurrences."""

        ERROR = "error", _("Error")
        WARNING = "warning", _("Warning")
        INFO = "info", _("Info")

    class Status(models.TextChoices):
        """Where its triage stands."""

        OPEN = "open", _("Open")
        RESOLVED = "resolved", _("Resolved")
        MUTED = "muted", _("Muted")

    name = models.CharField(_("name"), max_length=255)
    task = models.CharField(_("task"), max_length=255)
    error_message = models.TextField(_("error message"))
    traceback = models.TextField(_("traceback"), blank=True, default="")
    context = models.JSONField(_("context"), blank=True, default=dict)
    severity = models.CharField(_("severity"), max_length=20, choices=Severity, default=Severity.ERROR)
    created_at = models.DateTimeField(_("recorded at"), auto_now_add=True)

    kind = models.CharField(_("kind"), max_length=32, choices=Kind, default=Kind.REPORT)
    exception_type = models.CharField(_("exception type"), max_length=255, blank=True, default="")
    culprit = models.CharField(_("culprit"), max_length=255, blank=True, default="")
    fingerprint = models.CharField(_("fingerprint"), max_length=64, blank=True, default="")
    fingerprint_version = models.PositiveSmallIntegerField(_("fingerprint version"), default=VERSION)
    grouping = models.JSONField(blank=True, default=dict, editable=False)
    """The parts that the fingerprint was made of when this issue was opened, as `issues explain` shows them."""
    open_key = models.CharField(max_length=64, null=True, default=None, editable=False)  # noqa: DJ001  NULLs may repeat, empty strings may not: uniqueness among open issues only
    """The fingerprint while this issue takes repeats, else NULL: one taker per fingerprint, held by the database."""

    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.OPEN)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True, default=None)
    muted_until = models.DateTimeField(_("muted until"), null=True, blank=True, default=None)
    muted_until_count = models.PositiveBigIntegerField(_("muted until count"), null=True, blank=True, default=None)
    """The occurrence_count at which the mute ends, or NULL."""

    occurrence_count = models.PositiveBigIntegerField(_("occurrences"), default=1)
    recovered_count = models.PositiveBigIntegerField(_("recovered"), default=0)
    """How many of its occurrences were retried, or sent again, with success."""
    discarded_count = models.PositiveBigIntegerField(_("discarded"), default=0)
    """Like failures that were seen but given up (spool or disk full): counted, without a row of their own."""
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    is_returned = models.BooleanField(_("returned"), default=False)
    previous = models.ForeignKey(
        "self",
        verbose_name=_("previous issue"),
        null=True,
        blank=True,
        default=None,
        on_delete=models.SET_NULL,
        related_name="returns",
    )
    """The issue of the same fingerprint that this one is the return of."""

    objects: ClassVar[IssueManager] = IssueManager()

    class Meta:
        """Newest first; indexes for the seed's questions and the admin's first page."""

        verbose_name = _("operational issue")
        verbose_name_plural = _("operational issues")
        ordering: ClassVar = ["-created_at", "-id"]
        permissions: ClassVar = [
            ("requeue", _("Can send failed tasks again")),
            ("view_payload", _("Can view arguments and context")),
        ]
        constraints: ClassVar = [
            # Not `unique=True`: on PostgreSQL that makes a second index, for LIKE, of 76 bytes a row.
            models.UniqueConstraint(fields=["open_key"], name="issue_open_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["created_at"], name="issue_created_at"),
            models.Index(fields=["task"], name="issue_task"),
            models.Index(fields=["severity"], name="issue_severity"),
            models.Index(fields=["status", "-last_seen_at", "-id"], name="issue_status_seen"),
            # Beyond its order this holds what the admin counts by, so that it never fetches a row to count it: the
            # list's facets over 20,000 issues take 10 ms instead of 80, and each repeat rewrites the entry anyway.
            models.Index(
                fields=[
                    "-last_seen_at",
                    "-id",
                    "status",
                    "severity",
                    "kind",
                    "is_returned",
                    "first_seen_at",
                    "occurrence_count",
                    "recovered_count",
                    "task",
                ],
                name="issue_seen",
            ),
            models.Index(fields=["fingerprint", "-last_seen_at"], name="issue_fingerprint"),
        ]

    def __str__(self) -> str:
        """Name and task, as the admin's titles show them."""
        return f"{self.name} ({self.task})" if self.task else self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store; an issue created by hand gets the fingerprint of what it says, so that its recurrence is seen."""
        if not self.fingerprint:
            pieces: Any = {
                "task": self.task,
                "exception_type": self.name,
                "culprit": "",
                "message": str(self.error_message),
            }
            self.fingerprint, self.grouping = fingerprint(**pieces), parts(**pieces)
        super().save(*args, **kwargs)

    def traceback_with(self, message: str) -> str:
        """Return the traceback of an occurrence that has none of its own, told with its message; "" is the issue's."""
        return retold(self.traceback, message=self.error_message, other=message or self.error_message)


class Occurrence(models.Model):
    """One failure, stored once however often it was reported."""

    class Outcome(models.TextChoices):
        """What became of it."""

        NONE = "", _("Failed")
        RECOVERED = "recovered", _("Recovered")
        REQUEUED = "requeued", _("Sent again")
        SUCCEEDED = "succeeded", _("Succeeded when sent again")
        FAILED_AGAIN = "failed_again", _("Failed again")
        CLEARED = "cleared", _("Condition cleared")

    id = models.BigAutoField(primary_key=True)
    issue = models.ForeignKey(
        OperationalIssue, verbose_name=_("issue"), on_delete=models.CASCADE, related_name="occurrences", db_index=False
    )
    event_id = models.CharField(max_length=64, editable=False)
    occurred_at = models.DateTimeField(_("occurred at"))
    kind = models.CharField(_("kind"), max_length=32, choices=Kind)
    severity = models.CharField(_("severity"), max_length=20, choices=OperationalIssue.Severity)
    task_id = models.CharField(_("task id"), max_length=255, blank=True, default="")
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    worker = models.CharField(_("worker"), max_length=255, blank=True, default="")
    queue = models.CharField(_("queue"), max_length=255, blank=True, default="")
    args = models.JSONField(_("positional arguments"), null=True, blank=True, default=None)
    kwargs = models.JSONField(_("keyword arguments"), null=True, blank=True, default=None)
    context = models.JSONField(_("context"), blank=True, default=dict)
    error_message = models.TextField(_("error message"), blank=True, default="")
    """Its own message, only where it differs from the issue's."""
    traceback = models.TextField(_("traceback"), blank=True, default="")
    """Its own traceback, only where it differs from the issue's in more than the message (see `traceback_with`)."""
    release = models.CharField(_("release"), max_length=255, blank=True, default="")
    payload = models.JSONField(null=True, blank=True, default=None, editable=False)
    """{"args", "kwargs"} exactly as sent, only where they differ from what is shown."""
    payload_note = models.CharField(max_length=64, blank=True, default="", editable=False)
    """Why it can't be sent again; empty when it can."""
    options = models.JSONField(blank=True, default=dict, editable=False)
    """Routing key, exchange, priority, and which chain, group or chord the message belonged to."""
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, blank=True, default=Outcome.NONE)
    requeued_as = models.CharField(_("sent again as"), max_length=255, blank=True, default="")
    """The task id of its requeue."""

    class Meta:
        """Newest first within an issue."""

        verbose_name = _("occurrence")
        verbose_name_plural = _("occurrences")
        ordering: ClassVar = ["-occurred_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event_id"], name="occurrence_event_id"),  # see OperationalIssue
        ]
        indexes: ClassVar = [
            # Ascending, though it is read from its end: rows come in the order of their times, and an index that grows
            # at its end is full (40 bytes a row), one that grows at its beginning half empty (73).
            models.Index(fields=["issue", "occurred_at", "id"], name="occurrence_issue_at"),
            models.Index(fields=["task_id"], name="occurrence_task_id"),
            models.Index(fields=["occurred_at", "severity"], name="occurrence_at"),
        ]

    def __str__(self) -> str:
        """Kind, task id and attempt."""
        return f"{self.kind} {self.task_id} attempt {self.attempt}"


MAX_KEY: Final = 2**63 - 1


class RequeueJob(models.Model):
    """A group of failed tasks being sent again in the background, batch by batch; it can be stopped and resumed."""

    class Status(models.TextChoices):
        """Where it stands."""

        RUNNING = "running", _("Running")
        STOPPED = "stopped", _("Stopped")
        DONE = "done", _("Done")

    issues = models.ManyToManyField(OperationalIssue, verbose_name=_("issues"), related_name="requeue_jobs")
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.RUNNING)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, default=None)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("started by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    note = models.CharField(_("note"), max_length=255, blank=True, default="")
    total_count = models.PositiveBigIntegerField(_("to send"), default=0)
    sent_count = models.PositiveBigIntegerField(_("sent"), default=0)
    refused_count = models.PositiveBigIntegerField(_("refused"), default=0)
    reasons = models.JSONField(_("refused because"), blank=True, default=dict)
    """How many were refused, by reason."""
    last_occurrence_id = models.PositiveBigIntegerField(default=0, editable=False)
    """Where the next batch goes on; occurrences are taken in the order of their keys."""
    end_occurrence_id = models.PositiveBigIntegerField(default=MAX_KEY, editable=False)
    """The last one there was when the job began: what fails again, or anew, was confirmed by nobody."""
    stopped_by = models.TextField(_("stopped because"), blank=True, default="")

    class Meta:
        """Newest first."""

        verbose_name = _("requeue job")
        verbose_name_plural = _("requeue jobs")
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        """How far it is."""
        return f"{self.sent_count:,} of {self.total_count:,} sent"
