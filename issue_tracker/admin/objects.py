"""Issues tied to the host's own objects: "what is wrong with this theater?" on any ModelAdmin, by a context key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from issue_tracker import conf
from issue_tracker.admin.facets import edge_of
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.templatetags.issue_tracker import ago, grouped

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    _Base = admin.ModelAdmin[Model]
else:
    _Base = object

MAX_LOOKED_AT: Final = 20_000
"""Latest occurrences whose context is looked at: 40 ms. Ours, since JSON has no index that all databases share."""

SHOWN: Final = 10
"""Issues listed on an object's page."""


def open_issues_about(key: str, value: Any) -> QuerySet[OperationalIssue]:
    """Return the open issues whose context, or whose task's keyword arguments, hold this value under this key.

    Newest first. Looks at the MAX_LOOKED_AT latest occurrences and about as many issues; older ones are not found.
    """
    values = [value, str(value)] if not isinstance(value, str) else [value]
    about = Q(**{f"context__{key}__in": values})
    everything = Occurrence.objects.using(conf.current().database)
    latest = everything.order_by("-occurred_at").values_list("occurred_at", flat=True)
    edge = next(iter(latest[MAX_LOOKED_AT : MAX_LOOKED_AT + 1]), None)
    occurrences = _since(everything.filter(issue__status="open"), "occurred_at", edge)
    found = (
        occurrences.filter(about | Q(**{f"kwargs__{key}__in": values})).order_by().values_list("issue_id", flat=True)
    )
    issues = OperationalIssue.objects.using(conf.current().database).open()
    recorded = _since(issues, "last_seen_at", edge_of(issues)).filter(about).order_by().values_list("pk", flat=True)
    pks = {*found.distinct()[:500], *recorded[:500]}
    return issues.filter(pk__in=pks).order_by("-last_seen_at", "-pk")  # type: ignore[no-any-return]  # the manager's verbs are untyped


class OpenIssuesMixin(_Base):
    """Adds the open issues of an object to its admin page: `class TheaterAdmin(OpenIssuesMixin, admin.ModelAdmin)`.

    `issues_context_key` names the key under which the context holds the object's primary key, such as "theater_id";
    override `get_issues_value` where it holds something else. Shown to users who may view issues.
    """

    issues_context_key = ""

    def get_issues_value(self, obj: Any) -> Any:
        """Return what the context holds for this object."""
        return obj.pk

    @admin.display(description=gettext_lazy("open issues"))
    def open_issues(self, obj: Any) -> SafeString:
        """List the open issues of the object, the latest first, each a link."""
        issues = list(open_issues_about(self.issues_context_key, self.get_issues_value(obj))[: SHOWN + 1])
        if not issues:
            return format_html('<p class="it-quiet">{}</p>', _("None."))
        rows = format_html_join("", "<li>{}</li>", ((self._line(issue),) for issue in issues[:SHOWN]))
        more = format_html("<li>{}</li>", _("and more")) if len(issues) > SHOWN else ""
        return format_html('<ul class="it it-related">{}{}</ul>', rows, more)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the list, for who may see it."""
        fields = super().get_readonly_fields(request, obj)
        return (*fields, "open_issues") if self._shows_issues(request, obj) else fields

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show the list in a part of its own, below the others."""
        fieldsets = [_without_list(fieldset) for fieldset in super().get_fieldsets(request, obj)]
        if self._shows_issues(request, obj):
            fieldsets.append((_("Open issues"), {"fields": ["open_issues"]}))
        return fieldsets

    @property
    def media(self) -> forms.Media:
        """Our style beside the page's own."""
        return super().media + forms.Media(css={"all": ["issue_tracker/admin.css"]})

    def _shows_issues(self, request: HttpRequest, obj: Any) -> bool:
        user, label = request.user, OperationalIssue._meta.app_label
        may_view = any(user.has_perm(f"{label}.{verb}_operationalissue") for verb in ("view", "change"))
        return bool(self.issues_context_key and obj is not None and may_view)

    def _line(self, issue: OperationalIssue) -> SafeString:
        return format_html(
            '<a href="{}">{}</a> <span class="it-badge it-{}">{}</span> <span class="it-quiet">{} · {}× · {}</span>',
            _address(issue, self.admin_site.name),
            issue.name,
            issue.severity,
            issue.get_severity_display(),
            issue.task,
            grouped(issue.occurrence_count),
            ago(issue.last_seen_at),
        )


def _address(issue: OperationalIssue, site: str) -> str:
    """Return the issue's page on this admin site, or nothing where issues are not registered."""
    try:
        return reverse("admin:issue_tracker_operationalissue_change", args=[issue.pk], current_app=site)
    except NoReverseMatch:
        return ""


def _since(rows: QuerySet[Any], column: str, edge: datetime | None) -> QuerySet[Any]:
    return rows.filter(**{f"{column}__gte": edge}) if edge else rows


def _without_list(fieldset: Any) -> Any:
    title, options = fieldset
    return title, {**options, "fields": [field for field in options["fields"] if field != "open_issues"]}
