"""The cells of a row of the issue list. Each is escaped by format_html: what was captured is never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from issue_tracker.templatetags.issue_tracker import grouped, sparkline

if TYPE_CHECKING:
    from django.utils.safestring import SafeString

    from issue_tracker.models import OperationalIssue


SHOWN_CHARACTERS: Final = 90
"""Of a message: two lines of a phone; a desk shows half of it."""


def issue_cell(issue: OperationalIssue) -> SafeString:
    """Two lines: name and message; task, where it happened, and flags."""
    where = "" if issue.culprit.replace(":", ".") == issue.task else issue.culprit
    message = " ".join(getattr(issue, "message_head", "").split())
    return format_html(
        '<div class="it-one"><a href="{}">{}</a> {}</div><div class="it-two">{}{}{}</div>',
        getattr(issue, "url", ""),
        issue.name or _("(no name)"),
        message[:SHOWN_CHARACTERS],
        format_html_join("", '<span class="it-flag">{}</span> ', ((flag,) for flag in flags(issue))),
        issue.task,
        format_html(' <span class="it-where">{}</span>', where) if where else "",
    )


def flags(issue: OperationalIssue) -> list[str]:
    """Return what is special about an issue, in words: its kind where that is no plain failure, returned, flaky."""
    found = [] if issue.kind in {"failure", "report"} else [issue.get_kind_display()]
    if issue.is_returned:
        found.append(_("Returned"))
    if issue.recovered_count:
        found.append(_("Flaky"))
    return found


def checkbox_cell(issue: OperationalIssue) -> SafeString:
    """Select the issue, named to a screen reader as its row is; Django's own label is four times as long."""
    return format_html(
        '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">',
        ACTION_CHECKBOX_NAME,
        issue.pk,
        issue.name or _("(no name)"),
    )


def severity_cell(issue: OperationalIssue) -> SafeString:
    """Severity as text on its colour, status as text beside its dot."""
    return format_html(
        '<span class="it-badge it-{}">{}</span><span class="it-is-{}">{}</span>',
        issue.severity,
        issue.get_severity_display(),
        issue.status,
        issue.get_status_display(),
    )


def count_cell(issue: OperationalIssue) -> SafeString:
    """How often it happened, above its last two weeks, a bar a day."""
    return format_html("{}{}", grouped(issue.occurrence_count), sparkline(getattr(issue, "activity", [])))
