"""Requeue from the admin: a page that says what would be sent, the POST that sends it, and the jobs of large groups.

The permission `requeue` is asked by every view; nothing is sent by GET, and nothing without the confirmation page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from issue_tracker.admin.pages import IssuePages
from issue_tracker.admin.paginator import MAX_COUNTED, shown
from issue_tracker.models import Occurrence, OperationalIssue, RequeueJob
from issue_tracker.requeue import MAX_AT_ONCE, policy_of, requeue_all, warnings_of, why_not
from issue_tracker.requeue import jobs as requeue_jobs

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

MAX_NOTE: Final = 255
"""Characters of the note that a job keeps."""

JOBS_SHOWN: Final = 50
"""Latest jobs in the list."""


@dataclass(slots=True, kw_only=True)
class Preview:
    """What would happen, told from the first MAX_AT_ONCE occurrences."""

    count: int
    """Occurrences that would be tried; more than MAX_COUNTED are not counted."""
    tasks: dict[str, str] = field(default_factory=dict)
    """The policy of each task."""
    sendable_count: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """How many would be refused, by reason; no Counter, whose `items` a template takes for a missing key."""
    warnings: dict[str, int] = field(default_factory=dict)

    @property
    def shown_count(self) -> str:
        """The count as shown: "37", "10,000+"."""
        return shown(self.count)

    @property
    def is_job(self) -> bool:
        """Whether it is too much for one request, so that a worker does it in the background."""
        return self.count > MAX_AT_ONCE

    @property
    def is_sample(self) -> bool:
        """Whether reasons and warnings were told from a part only."""
        return self.count > MAX_AT_ONCE


def preview(occurrences: QuerySet[Occurrence]) -> Preview:
    """Say what sending these again would mean; sends nothing."""
    found = Preview(count=occurrences.order_by()[: MAX_COUNTED + 1].count())
    for occurrence in occurrences.select_related("issue")[:MAX_AT_ONCE]:
        found.tasks.setdefault(occurrence.issue.task, policy_of(occurrence.issue.task))
        if reason := why_not(occurrence):
            found.refused[reason] = found.refused.get(reason, 0) + 1
        else:
            found.sendable_count += 1
            for warning in warnings_of(occurrence):
                found.warnings[warning] = found.warnings.get(warning, 0) + 1
    return found


@admin.action(description=gettext_lazy("Requeue"), permissions=["requeue"])
def requeue_selected(
    modeladmin: RequeuePages, request: HttpRequest, queryset: QuerySet[OperationalIssue]
) -> HttpResponse | None:
    """Send what failed in the selected issues again, once it is confirmed."""
    if request.POST.get("confirmed"):
        return modeladmin.send_again(request, requeue_jobs.sendable(queryset), issues=queryset)
    hidden = [(name, value) for name in ("action", "select_across") if (value := request.POST.get(name))]
    selected = request.POST.getlist("_selected_action")
    hidden += [("_selected_action", pk) for pk in selected]
    return modeladmin.confirmation(
        request, requeue_jobs.sendable(queryset), hidden=hidden, back=request.get_full_path()
    )


class RequeuePages(IssuePages):
    """The part of OperationalIssueAdmin that sends tasks again."""

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of requeue."""
        return [
            self._path("<int:pk>/requeue/", self.requeue_view, "requeue"),
            self._path("<int:pk>/occurrences/<int:occurrence_pk>/requeue/", self.requeue_view, "requeue_one"),
            self._path("requeue-jobs/", self.jobs_view, "requeue_jobs"),
            self._path("requeue-jobs/<int:pk>/", self.job_view, "requeue_job"),
            *super().get_urls(),
        ]

    def get_issue_context(
        self, request: HttpRequest, issue: OperationalIssue, occurrence: Occurrence | None
    ) -> dict[str, Any]:
        """Add what the page needs to offer it."""
        return {
            **super().get_issue_context(request, issue, occurrence),
            "may_requeue": self.has_requeue_permission(request),
            "requeue_url": self._url(request, "requeue", issue.pk),
            "requeue_one_url": self._url(request, "requeue_one", issue.pk, occurrence.pk) if occurrence else "",
        }

    def requeue_view(self, request: HttpRequest, pk: int, occurrence_pk: int | None = None) -> HttpResponse:
        """Ask, by GET, and send, by POST, what failed in one issue, or one occurrence of it."""
        issue = self._issue(request, pk)
        self._must_requeue(request)
        occurrences = requeue_jobs.sendable([issue])
        if occurrence_pk is not None:
            occurrences = Occurrence.objects.using(issue._state.db).filter(issue=issue, pk=occurrence_pk)
            if not occurrences.exists():
                raise Http404(_("This occurrence is not stored (any more)."))
        back = self._url(request, "change", pk)
        if request.method == "POST":
            answer = self.send_again(request, occurrences, issues=[issue])
            return answer or HttpResponseRedirect(back)
        return self.confirmation(request, occurrences, hidden=[], back=back, issue=issue)

    def jobs_view(self, request: HttpRequest) -> HttpResponse:
        """List the latest jobs."""
        self._must_requeue(request)
        jobs = RequeueJob.objects.select_related("created_by").order_by("-pk")[:JOBS_SHOWN]
        return self._render(
            request, "requeue_jobs", {"title": _("Requeue jobs"), "jobs": self._with_urls(request, list(jobs))}
        )

    def job_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show how far a job is, by GET; stop or resume it, by POST."""
        self._must_requeue(request)
        job = get_object_or_404(RequeueJob.objects.select_related("created_by"), pk=pk)
        if request.method == "POST":
            verb = {"stop": requeue_jobs.stop, "resume": requeue_jobs.resume}.get(request.POST.get("verb", ""))
            if verb is None or not verb(job):
                self.message_user(request, _("There was nothing to change."), messages.INFO)
            return HttpResponseRedirect(self._url(request, "requeue_job", pk))
        job.done_count = job.sent_count + job.refused_count  # type: ignore[attr-defined]
        title = _("Requeue job %(id)s") % {"id": pk}
        return self._render(
            request, "requeue_job", {"title": title, "job": job, "jobs_url": self._url(request, "requeue_jobs")}
        )

    def confirmation(
        self,
        request: HttpRequest,
        occurrences: QuerySet[Occurrence],
        *,
        hidden: list[tuple[str, str]],
        back: str,
        issue: OperationalIssue | None = None,
    ) -> TemplateResponse:
        """Return the page that says what would be sent and asks whether to."""
        context = {
            "title": _("Requeue"),
            "preview": preview(occurrences),
            "hidden": hidden,
            "back_url": back,
            "issue": issue,
        }
        return self._render(request, "requeue_confirmation", context)

    def send_again(
        self,
        request: HttpRequest,
        occurrences: QuerySet[Occurrence],
        *,
        issues: QuerySet[OperationalIssue] | list[OperationalIssue],
    ) -> HttpResponse | None:
        """Send these, each once: a few at once, many as a job, to whose page it then leads."""
        note, user = request.POST.get("note", "").replace("\x00", "").strip()[:MAX_NOTE], _user(request)
        if occurrences.order_by()[: MAX_AT_ONCE + 1].count() > MAX_AT_ONCE:
            job = requeue_jobs.start(issues, by=user, note=note)
            return HttpResponseRedirect(self._url(request, "requeue_job", job.pk))
        done = requeue_all(occurrences.select_related("issue"), by=user, note=note, confirmed=True)
        n = len(done.sent)
        if n:
            self.message_user(request, ngettext("%d task sent again.", "%d tasks sent again.", n) % n, messages.SUCCESS)
        for reason, count in done.refused.most_common(5):
            self.message_user(request, f"{count:,} × {reason}", messages.WARNING)
        if done.stopped_by:
            self.message_user(request, _("Stopped: %(reason)s") % {"reason": done.stopped_by}, messages.ERROR)
        if not (n or done.refused or done.stopped_by):
            self.message_user(request, _("There was nothing to send again."), messages.INFO)
        return None

    def _with_urls(self, request: HttpRequest, jobs: list[RequeueJob]) -> list[tuple[RequeueJob, str]]:
        return [(job, self._url(request, "requeue_job", job.pk)) for job in jobs]

    def _must_requeue(self, request: HttpRequest) -> None:
        if not (self.has_requeue_permission(request) and self.has_view_or_change_permission(request)):
            raise PermissionDenied

    def _render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> TemplateResponse:
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])  # type: ignore[return-value]
        request.current_app = self.admin_site.name
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        shared["list_url"] = self._url(request, "changelist")
        template = f"admin/issue_tracker/operationalissue/{name}.html"
        return TemplateResponse(request, template, {**shared, **context})


def _user(request: HttpRequest) -> User | AnonymousUser:
    return request.user
