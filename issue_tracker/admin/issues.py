"""OperationalIssueAdmin: the issue list and the issue page in Django's own admin. Public, made to be subclassed.

Everything captured is read-only; every change of state comes by POST, names its permission and leaves a LogEntry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from issue_tracker import conf
from issue_tracker.admin import actions, cells
from issue_tracker.admin.changelist import IssueChangeList
from issue_tracker.admin.filters import ChoiceFilter, DateRangeFilter, TaskFilter, ViewFilter
from issue_tracker.admin.paginator import BoundedPaginator
from issue_tracker.admin.requeueing import RequeuePages, requeue_selected
from issue_tracker.admin.searching import matches, words_of
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.templatetags.issue_tracker import briefly, grouped

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

MAX_LISTED: Final = 100
"""Issues that the confirmation of a deletion names."""

KNOWN_PARAMETERS: Final = {SEARCH_VAR, ORDER_VAR, PAGE_VAR, ERROR_FLAG, IS_POPUP_VAR, "_changelist_filters"}
"""Parameters of the list's address that are no filters."""


class OperationalIssueAdmin(RequeuePages):
    """Lists and shows issues. Subclass it, unregister the model and register it with the subclass to change it."""

    list_display = ("issue", "severity_badge", "count", "first_seen", "last_seen")
    list_display_links = None
    list_filter = (
        ViewFilter,
        ("severity", ChoiceFilter),
        ("task", TaskFilter),
        ("kind", ChoiceFilter),
        ("last_seen_at", DateRangeFilter),
        ("first_seen_at", DateRangeFilter),
    )
    list_per_page = 25
    search_fields = ("name__has_text", "error_message__has_text")
    search_help_text = _("Words of the name or the message, or the exact id of a task")
    ordering = ("-last_seen_at", "-id")
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions: Any = (
        actions.resolve_selected,
        actions.reopen_selected,
        actions.mute_selected,
        actions.mute_selected_for_a_week,
        requeue_selected,
        actions.export_csv,
        actions.export_json,
    )

    class Media:
        """Our own style and script; nothing inline, so that `default-src 'self'` is enough."""

        css: ClassVar = {"all": ("issue_tracker/admin.css",)}
        js: ClassVar = ("issue_tracker/admin.js",)

    def action_checkbox(self, obj: OperationalIssue) -> SafeString:
        """Show the box that selects the issue for an action."""
        return cells.checkbox_cell(obj)

    @admin.display(description=_("issue"), ordering="name")
    def issue(self, obj: OperationalIssue) -> SafeString:
        """Show name, message, task and place in two lines."""
        return cells.issue_cell(obj)

    @admin.display(description=_("severity"), ordering="severity")
    def severity_badge(self, obj: OperationalIssue) -> SafeString:
        """Show severity and status."""
        return cells.severity_cell(obj)

    @admin.display(description=_("count"), ordering="occurrence_count")
    def count(self, obj: OperationalIssue) -> SafeString:
        """Show how often it happened, and the last two weeks as a sparkline."""
        return cells.count_cell(obj)

    @admin.display(description=_("first seen"), ordering="first_seen_at")
    def first_seen(self, obj: OperationalIssue) -> SafeString | str:
        """Show when it was first seen."""
        return briefly(obj.first_seen_at)

    @admin.display(description=_("last seen"), ordering="last_seen_at")
    def last_seen(self, obj: OperationalIssue) -> SafeString | str:
        """Show when it was last seen."""
        return briefly(obj.last_seen_at)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[IssueChangeList]:
        """Return the list with views, facets, histogram and sparklines."""
        return IssueChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list; parameters that are no filter of it are left out and named on the page."""
        ignored = self._drop_unknown(request)
        response = super().changelist_view(request, {"title": _("Operational issues"), **(extra_context or {})})
        if ignored and (context := getattr(response, "context_data", None)) and "cl" in context:
            context["cl"].ignored = ignored
        return response

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the declared filters alone: a filter on context would show arguments to those who may not see them."""
        columns, parameters = self._filters(request)
        return lookup in parameters or lookup.split("__")[0] in columns

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[OperationalIssue], search_term: str
    ) -> tuple[QuerySet[OperationalIssue], bool]:
        """Search words in name and message, and the exact id of a task."""
        term, issues = words_of(search_term), self.get_queryset(request)
        if not term:
            return queryset, False
        pks = matches(request, issues, super().get_search_results(request, issues, term)[0], search_term)
        if pks is None:
            return super().get_search_results(request, queryset, term)
        return queryset.filter(pk__in=pks), False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds an issue by hand."""
        return False

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Say what a deletion takes along in figures: Django would list every single occurrence."""
        issues = list(objs[: MAX_LISTED + 1])
        count = objs.count() if isinstance(objs, QuerySet) else len(objs)
        using = conf.current().database
        occurrences = Occurrence.objects.using(using).filter(issue__in=objs).count()
        shown = [str(issue) for issue in issues[:MAX_LISTED]]
        if count > MAX_LISTED:
            shown.append(_("and %(n)s more") % {"n": grouped(count - MAX_LISTED)})
        summary = {
            str(self.opts.verbose_name_plural): count,
            str(Occurrence._meta.verbose_name_plural): occurrences,
        }
        missing = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return shown, summary, missing, []

    def _filters(self, request: HttpRequest | None) -> tuple[set[str], set[str]]:
        """Return the columns and the parameters that the declared filters are about."""
        declared = self.get_list_filter(request) if request else self.list_filter
        parameters = {str(f.parameter_name) for f in declared if isinstance(f, type)}  # type: ignore[attr-defined]
        paths = [f[0] if isinstance(f, tuple | list) else f for f in declared if not isinstance(f, type)]
        return {str(path).split("__")[0] for path in paths}, parameters

    def _drop_unknown(self, request: HttpRequest) -> tuple[str, ...]:
        columns, parameters = self._filters(request)
        wanted, ignored = request.GET.copy(), []
        for name in list(wanted):
            values = wanted.pop(name)
            if any("\x00" in value for value in values):
                ignored.append(name)
            elif name == TO_FIELD_VAR and self.to_field_allowed(request, values[-1]):
                wanted.setlist(name, values)
            elif name in KNOWN_PARAMETERS | parameters or name.split("__")[0] in columns:
                wanted.setlist(f"{name}__exact" if name in columns - parameters else name, values)
            else:
                ignored.append(name)
        request.GET = wanted  # type: ignore[assignment]
        return tuple(ignored)
