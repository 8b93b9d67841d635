"""The views of one issue: the page, its occurrences, its texts, and the POST that changes its state.

Each view asks for its permission itself; what needs `view_payload` is left out before a template sees it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from issue_tracker import collection, conf, notify
from issue_tracker.admin import actions, frames, overview, page, texts
from issue_tracker.admin.occurrences import chosen_occurrence
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.templatetags.issue_tracker import grouped

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.urls import URLPattern

    _Base = admin.ModelAdmin[OperationalIssue]
else:
    _Base = admin.ModelAdmin


DONE: Final = {
    "resolve": gettext_lazy("The issue is resolved."),
    "reopen": gettext_lazy("The issue is open."),
    "mute": gettext_lazy("The issue is muted."),
}
"""The verbs of the form, with the answer to each."""


SHORT_LISTS: Final = {
    "new": gettext_lazy("Newly opened"),
    "returned": gettext_lazy("Returned"),
    "recovered": gettext_lazy("Recovered"),
}
"""The short lists of the overview, with their headings."""


class IssuePages(_Base):
    """The part of OperationalIssueAdmin that shows and changes a single issue."""

    change_form_template = "admin/issue_tracker/operationalissue/change_form.html"
    overview_template = "admin/issue_tracker/operationalissue/overview.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the addresses of an issue to the admin's own."""
        return [
            self._path("overview/", self.overview_view, "overview"),
            self._path("<int:pk>/state/", self.state_view, "state"),
            self._path("<int:pk>/occurrences/<int:occurrence_pk>/", self.occurrence_view, "occurrence"),
            self._path("<int:pk>/issue.txt", self.text_view, "text"),
            self._path("<int:pk>/issue.md", self.markdown_view, "markdown"),
            self._path("<int:pk>/issue.json", self.json_view, "json"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[OperationalIssue]:
        """Return the issues of the database that the settings name; a subclass may leave some out, on all pages."""
        return super().get_queryset(request).using(conf.current().database)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the issue with its latest occurrence. There is no form: what was captured can't be changed."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        issue = self.get_object(request, object_id)
        if not self.has_view_or_change_permission(request, issue):
            raise PermissionDenied
        if issue is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        return self._page(request, issue, chosen_occurrence(issue, None), extra_context)

    def occurrence_view(self, request: HttpRequest, pk: int, occurrence_pk: int) -> HttpResponse:
        """Show the issue with one certain occurrence: its permalink."""
        issue = self._issue(request, pk)
        occurrence = chosen_occurrence(issue, occurrence_pk)
        if occurrence is None:
            raise Http404(_("This occurrence is not stored (any more)."))
        return self._page(request, issue, occurrence, {"is_permalink": True})

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """Show which tasks fail, what is new or came back, and how collection is doing."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        found = overview.gather(self.get_queryset(request))
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            **found,
            "title": _("Overview"),
            "opts": self.opts,
            "media": self.media,
            "list_url": self.issue_url("changelist"),
            "short_lists": [
                (title, self._linked(request, found["lists"][name])) for name, title in SHORT_LISTS.items()
            ],
            "trend_label": _("%(n)s since %(start)s")
            % {"n": grouped(found["trend"].total), "start": found["trend"].ends[0]},
            "collection": collection.look(),
            "notifying": notify.state(),
        }
        return TemplateResponse(request, self.overview_template, context)

    def state_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Resolve, reopen, mute or note, as the form says, and go back to the issue."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        issue = self._issue(request, pk)
        if not self.has_change_permission(request, issue):
            raise PermissionDenied
        level, text = _apply(request, issue)
        self.message_user(request, text, level)
        return HttpResponseRedirect(self._url(request, "change", issue.pk))

    def text_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the whole issue as plain text, uncut, for terminals, chats and mails."""
        return self._text(request, pk, texts.plain, "text/plain")

    def markdown_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the issue as Markdown, for a ticket."""
        return self._text(request, pk, texts.markdown, "text/plain")

    def json_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give all columns of the issue and of the occurrence as JSON."""
        issue, occurrence = self._chosen(request, pk)
        tree = page.as_json(issue, occurrence, with_payload=self.has_view_payload_permission(request))
        return _download(json.dumps(tree, indent=2, ensure_ascii=False), "application/json", f"issue-{pk}.json")

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may send failed tasks again."""
        return request.user.has_perm(f"{self.opts.app_label}.requeue")

    def has_view_payload_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may see arguments, context and locals."""
        return request.user.has_perm(f"{self.opts.app_label}.view_payload")

    def get_issue_context(
        self, request: HttpRequest, issue: OperationalIssue, occurrence: Occurrence | None
    ) -> dict[str, Any]:
        """Return what the template of the issue page gets; a subclass may add to it."""
        may_view_payload = self.has_view_payload_permission(request)
        pk = issue.pk
        return {
            **self.admin_site.each_context(request),
            "title": str(issue),
            "opts": self.opts,
            "original": issue,
            "media": self.media,
            "may_change": self.has_change_permission(request, issue),
            "may_view_payload": may_view_payload,
            "mutes": [(value, label) for value, (_length, label) in actions.MUTES.items()],
            "page": self._parts(request, issue, occurrence, may_view_payload=may_view_payload),
            "preserved_filters": self.get_preserved_filters(request),
            "list_url": self._url(request, "changelist"),
            "state_url": self._url(request, "state", pk),
            "previous_url": self._url(request, "change", issue.previous_id) if issue.previous_id else "",
            **{f"{name}_url": self._text_url(name, pk, occurrence) for name in ("text", "markdown", "json")},
            **self._steps(request, pk, occurrence),
        }

    def issue_url(self, name: str, *args: Any) -> str:
        """Return an address of this admin by its short name: changelist, change, occurrence, state, text, …"""
        view = f"admin:{self.opts.app_label}_{self.opts.model_name}_{name}"
        return reverse(view, args=args, current_app=self.admin_site.name)

    def _page(
        self,
        request: HttpRequest,
        issue: OperationalIssue,
        occurrence: Occurrence | None,
        extra_context: dict[str, Any] | None,
    ) -> TemplateResponse:
        request.current_app = self.admin_site.name
        context = {**self.get_issue_context(request, issue, occurrence), **(extra_context or {})}
        return TemplateResponse(request, self.change_form_template, context)

    def _parts(
        self, request: HttpRequest, issue: OperationalIssue, occurrence: Occurrence | None, *, may_view_payload: bool
    ) -> dict[str, Any]:
        issues = self.get_queryset(request)
        parts = page.gather(request.GET, issue, occurrence, issues=issues, may_view_payload=may_view_payload)
        for row in [*parts["occurrences"].rows, *parts["timeline"]]:
            row.url = self._url(request, "occurrence", row.issue_id, row.pk)
        for _title, issues in parts["related_groups"]:
            self._linked(request, issues)
        return {**parts, **frames.parts(issue, occurrence, with_locals=may_view_payload)}

    def _linked(self, request: HttpRequest, issues: list[OperationalIssue]) -> list[OperationalIssue]:
        for issue in issues:
            issue.url = self._url(request, "change", issue.pk)  # type: ignore[attr-defined]
        return issues

    def _steps(self, request: HttpRequest, pk: int, occurrence: Occurrence | None) -> dict[str, str]:
        ids = {
            "occurrence_url": occurrence.pk if occurrence else None,
            "older_url": getattr(occurrence, "older_id", None),
            "newer_url": getattr(occurrence, "newer_id", None),
        }
        return {name: self._url(request, "occurrence", pk, other) if other else "" for name, other in ids.items()}

    def _text(self, request: HttpRequest, pk: int, render: Any, content_type: str) -> HttpResponse:
        issue, occurrence = self._chosen(request, pk)
        url = request.build_absolute_uri(self.issue_url("change", pk))
        text = render(issue, occurrence, with_payload=self.has_view_payload_permission(request), url=url)
        return _download(text, content_type)

    def _text_url(self, name: str, pk: int, occurrence: Occurrence | None) -> str:
        return self.issue_url(name, pk) + (f"?occurrence={occurrence.pk}" if occurrence else "")

    def _chosen(self, request: HttpRequest, pk: int) -> tuple[OperationalIssue, Occurrence | None]:
        issue, wanted = self._issue(request, pk), request.GET.get("occurrence", "")
        is_number = wanted.isascii() and wanted.isdigit() and len(wanted) < 19
        return issue, chosen_occurrence(issue, int(wanted) if is_number else None)

    def _issue(self, request: HttpRequest, pk: int) -> OperationalIssue:
        issue = self.get_object(request, str(pk))
        if not self.has_view_or_change_permission(request, issue):
            raise PermissionDenied
        if issue is None:
            raise Http404(_("There is no issue with this number (any more)."))
        return issue

    def _url(self, request: HttpRequest, name: str, *args: Any) -> str:
        """Return an address of this admin with the filters of the list that this page was opened from."""
        return self._with_filters(request, self.issue_url(name, *args))

    def _with_filters(self, request: HttpRequest, url: str) -> str:
        preserved = self.get_preserved_filters(request)
        if not preserved:
            return url  # Django resolves each address that it looks at, and a page has up to a hundred of them
        filters: Any = {"preserved_filters": preserved, "opts": self.opts}
        return str(add_preserved_filters(filters, url))

    def _path(self, route: str, view: Any, name: str) -> URLPattern:
        full = f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        found: URLPattern = path(route, self.admin_site.admin_view(view), name=full)
        return found


def _apply(request: HttpRequest, issue: OperationalIssue) -> tuple[int, str]:
    """Apply what the form says; returns the level and the text of the answer."""
    form = request.POST
    verb, note = form.get("verb", ""), form.get("note", "").replace("\x00", "").strip()[: actions.MAX_NOTE]
    if verb == "note":
        if not note:
            return messages.WARNING, _("There was nothing in the note.")
        actions.note(request, issue, note)
        return messages.SUCCESS, _("The note was added.")
    if verb not in DONE:
        return messages.WARNING, _("Nothing was chosen; nothing was changed.")
    options: dict[str, Any] = {}
    if verb == "mute":
        wanted = actions.mute_options(form.get("until", ""), form.get("moment", ""), form.get("more", ""))
        if wanted is None:
            return messages.WARNING, _("The mute needs an end that lies ahead; nothing was changed.")
        options = wanted
    if not getattr(issue, verb)(by=request.user, note=note, **options):
        return messages.INFO, _("There was nothing to change.")
    return messages.SUCCESS, str(DONE[verb])


def _download(text: str, content_type: str, filename: str = "") -> HttpResponse:
    response = HttpResponse(text, content_type=f"{content_type}; charset=utf-8")
    response["X-Content-Type-Options"] = "nosniff"
    if filename:
        response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
