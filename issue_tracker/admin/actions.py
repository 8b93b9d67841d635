"""What a person does to issues: resolve, reopen, mute, note. Each change is a verb of the model, kept in LogEntry.

Only POST reaches these functions, and each names the permission it needs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from issue_tracker.admin import export
from issue_tracker.admin.filters import moment_of
from issue_tracker.lifecycle import remember

if TYPE_CHECKING:
    from django.http import HttpRequest, StreamingHttpResponse

    from issue_tracker.lifecycle import IssueQuerySet
    from issue_tracker.models import OperationalIssue

MAX_NOTE: Final = 1_000
"""Characters of a note that are kept."""

MUTES: Final[dict[str, tuple[timedelta | None, Any]]] = {
    "day": (timedelta(days=1), gettext_lazy("for a day")),
    "week": (timedelta(days=7), gettext_lazy("for a week")),
    "month": (timedelta(days=30), gettext_lazy("for 30 days")),
    "ever": (None, gettext_lazy("until someone opens it again")),
}
"""How long a mute lasts, by the value of `until` in the form, which may also be `moment` or `more`."""


def note(request: HttpRequest, issue: OperationalIssue, text: str) -> None:
    """Add a note to the history of an issue."""
    remember(
        type(issue), [issue.pk], by=request.user, text=f"note: {text[:MAX_NOTE]}", using=issue._state.db or "default"
    )


def mute_options(chosen: str, moment: str = "", more: str = "") -> dict[str, Any] | None:
    """Return the options of the verb `mute` for what a form says; None where that means no end that lies ahead."""
    if chosen in MUTES:
        length = MUTES[chosen][0]
        return {"until": timezone.now() + length if length else None}
    if chosen == "more":
        return {"more": int(more)} if more.isascii() and more.isdigit() and 0 < int(more[:12]) == int(more) else None
    until = moment_of(moment) if chosen == "moment" else None
    return {"until": until} if until and until > timezone.now() else None


@admin.action(description=gettext_lazy("Resolve"), permissions=["change"])
def resolve_selected(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet) -> None:
    """Resolve the selected issues."""
    n = queryset.resolve(by=request.user)
    modeladmin.message_user(request, ngettext("%d issue resolved.", "%d issues resolved.", n) % n, messages.SUCCESS)


@admin.action(description=gettext_lazy("Reopen"), permissions=["change"])
def reopen_selected(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet) -> None:
    """Open the selected issues again."""
    n = queryset.reopen(by=request.user)
    modeladmin.message_user(request, ngettext("%d issue reopened.", "%d issues reopened.", n) % n, messages.SUCCESS)


@admin.action(description=gettext_lazy("Mute"), permissions=["change"])
def mute_selected(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet) -> None:
    """Mute the selected issues until someone opens them again."""
    _mute(modeladmin, request, queryset, "ever")


@admin.action(description=gettext_lazy("Mute for a week"), permissions=["change"])
def mute_selected_for_a_week(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet) -> None:
    """Mute the selected issues for seven days."""
    _mute(modeladmin, request, queryset, "week")


@admin.action(description=gettext_lazy("Export as CSV"), permissions=["view"])
def export_csv(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet) -> StreamingHttpResponse:
    """Download the selected issues for a spreadsheet."""
    return export.as_csv(queryset, with_payload=modeladmin.has_view_payload_permission(request))


@admin.action(description=gettext_lazy("Export as JSON"), permissions=["view"])
def export_json(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet) -> StreamingHttpResponse:
    """Download the selected issues for a program."""
    return export.as_json(queryset, with_payload=modeladmin.has_view_payload_permission(request))


def _mute(modeladmin: Any, request: HttpRequest, queryset: IssueQuerySet, chosen: str) -> None:
    n = queryset.mute(by=request.user, **(mute_options(chosen) or {}))
    modeladmin.message_user(request, ngettext("%d issue muted.", "%d issues muted.", n) % n, messages.SUCCESS)
