"""What a person does to issues: resolve, reopen, mute, note. Each change is a verb of the model, kept in LogEntry.

Only POST reaches these functions, and each names the permission it needs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from issue_tracker.admin.filters import moment_of
from issue_tracker.models import OperationalIssue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest

BATCH: Final = 500
"""Issues changed in one transaction, so that an action on a huge selection holds no long lock."""

MAX_NOTE: Final = 1_000
"""Characters of a note that are kept."""

MUTES: Final[dict[str, tuple[timedelta | None, Any]]] = {
    "day": (timedelta(days=1), gettext_lazy("for a day")),
    "week": (timedelta(days=7), gettext_lazy("for a week")),
    "month": (timedelta(days=30), gettext_lazy("for 30 days")),
    "ever": (None, gettext_lazy("until someone opens it again")),
}
"""How long a mute lasts, by the value of `until` in the form; any other value is a moment."""


def log(request: HttpRequest, issues: QuerySet[OperationalIssue] | list[OperationalIssue], text: str) -> None:
    """Write down, in Django's own history, who did what to each issue."""
    LogEntry.objects.log_actions(request.user.pk, issues, CHANGE, change_message=text)  # type: ignore[attr-defined]


def change(request: HttpRequest, queryset: QuerySet[OperationalIssue], verb: str, text: str, **options: Any) -> int:
    """Apply a verb of the QuerySet in batches, each with its history in one transaction. Returns how many changed."""
    changed = 0
    for pks in _batches(queryset):
        rows = OperationalIssue.objects.using(queryset.db).filter(pk__in=pks)
        with transaction.atomic(using=queryset.db):
            affected = list(_affected(rows, verb).only("pk", "name", "task").select_for_update())
            applied = getattr(rows.filter(pk__in=[issue.pk for issue in affected]), verb)(**options)
            log(request, affected, text)
        changed += applied
    return changed


def note(request: HttpRequest, issue: OperationalIssue, text: str) -> None:
    """Add a note to the history of an issue."""
    log(request, [issue], f"{gettext('Note')}: {text[:MAX_NOTE]}")


def with_note(text: str, written: str) -> str:
    """Return what the history says about a change, with the note that came along."""
    return f"{text} {gettext('Note')}: {written[:MAX_NOTE]}" if written.strip() else text


def mute_end(chosen: str) -> tuple[datetime | None, str] | None:
    """Return the end of a mute (None: no end) and the words for the history; None where `chosen` means nothing."""
    if chosen in MUTES:
        length = MUTES[chosen][0]
        until = timezone.now() + length if length else None
    else:
        until = moment_of(chosen)
        if until is None or until <= timezone.now():
            return None
    if until is None:
        return None, gettext("Muted.")
    return until, gettext("Muted until %(moment)s.") % {
        "moment": date_format(timezone.localtime(until), "SHORT_DATETIME_FORMAT")
    }


@admin.action(description=gettext_lazy("Resolve"), permissions=["change"])
def resolve_selected(modeladmin: Any, request: HttpRequest, queryset: QuerySet[OperationalIssue]) -> None:
    """Resolve the selected issues."""
    n = change(request, queryset, "resolve", gettext("Resolved."))
    modeladmin.message_user(request, ngettext("%d issue resolved.", "%d issues resolved.", n) % n, messages.SUCCESS)


@admin.action(description=gettext_lazy("Reopen"), permissions=["change"])
def reopen_selected(modeladmin: Any, request: HttpRequest, queryset: QuerySet[OperationalIssue]) -> None:
    """Open the selected issues again."""
    n = change(request, queryset, "reopen", gettext("Reopened."))
    modeladmin.message_user(request, ngettext("%d issue reopened.", "%d issues reopened.", n) % n, messages.SUCCESS)


def _muting(name: str, chosen: str, description: Any) -> Any:
    @admin.action(description=description, permissions=["change"])
    def act(modeladmin: Any, request: HttpRequest, queryset: QuerySet[OperationalIssue]) -> None:
        until, text = mute_end(chosen) or (None, gettext("Muted."))
        n = change(request, queryset, "mute", text, until=until)
        modeladmin.message_user(request, ngettext("%d issue muted.", "%d issues muted.", n) % n, messages.SUCCESS)

    act.__name__ = name
    return act


mute_selected = _muting("mute_selected", "ever", gettext_lazy("Mute"))
mute_selected_for_a_week = _muting("mute_selected_for_a_week", "week", gettext_lazy("Mute for a week"))


def _affected(rows: QuerySet[OperationalIssue], verb: str) -> QuerySet[OperationalIssue]:
    if verb == "resolve":
        return rows.exclude(status="resolved")
    return rows.filter(status="open") if verb == "mute" else rows.exclude(status="open")


def _batches(queryset: QuerySet[OperationalIssue]) -> Iterator[list[int]]:
    pks = list(queryset.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(pks), BATCH):
        yield pks[start : start + BATCH]
