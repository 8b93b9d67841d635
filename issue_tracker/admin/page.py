"""What the issue page shows, gathered in a constant number of queries. Arguments and context only for who may see them.

Every block is cut to a bound before it is rendered; the whole of it is one link away, as text or JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin.models import LogEntry
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from issue_tracker import charts, recurrence
from issue_tracker.admin.highlighting import highlighted
from issue_tracker.admin.occurrences import occurrence_page, timeline
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.templatetags.issue_tracker import exact, grouped, pretty
from issue_tracker.tracebacks import frame_locals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.db.models import QuerySet
    from django.http import QueryDict
    from django.utils.safestring import SafeString

MAX_MESSAGE: Final = 8_192
"""Characters of the message on the page; what is captured is no longer than that (RELIABILITY's limit)."""

MAX_TRACEBACK: Final = 40_000
"""Characters of the traceback on the page; what is captured is no longer than 32 KiB."""

MAX_BLOCK: Final = 24_000
"""Characters of arguments, of context and of raw JSON on the page; escaped, six times as many in the worst case."""

MAX_RELATED: Final = 12
"""Related issues shown, of each sort a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A bounded piece of text."""

    text: str
    full_length: int

    language: str = ""

    @property
    def html(self) -> SafeString:
        """The text, highlighted."""
        return highlighted(self.text, self.language)

    @property
    def is_cut(self) -> bool:
        """Whether the page shows less than there is."""
        return len(self.text) < self.full_length


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Other issues worth a look."""

    incident: list[OperationalIssue] = field(default_factory=list)
    same_task: list[OperationalIssue] = field(default_factory=list)
    same_exception: list[OperationalIssue] = field(default_factory=list)

    def groups(self) -> list[tuple[str, list[OperationalIssue]]]:
        """Return the sorts that are not empty, each with its heading."""
        titled = [
            (_("Began in the same minute"), self.incident),
            (_("Same task"), self.same_task),
            (_("Same exception"), self.same_exception),
        ]
        return [(title, issues) for title, issues in titled if issues]


def gather(
    address: QueryDict,
    issue: OperationalIssue,
    occurrence: Occurrence | None,
    *,
    issues: QuerySet[OperationalIssue],
    may_view_payload: bool,
) -> dict[str, Any]:
    """Return the parts of the page by name; the number of queries is constant.

    Other issues come from `issues`: all of them, or those that an admin's `get_queryset` leaves.
    """
    message, traceback = own_texts(issue, occurrence)
    occurrences = occurrence_page(issue, before=address.get("before", ""), after=address.get("after", ""))
    others = related(issue, issues)
    drawn, said = recurrence_of(
        issue,
        occurrences.latest,
        incident=[other.pk for other in others.incident],
        release=recurrence.release_of(occurrence),
    )
    raw = json.dumps(
        as_json(issue, occurrence, with_payload=may_view_payload), indent=2, ensure_ascii=False, default=str
    )
    return {
        "occurrence": occurrence,
        "message": block(message, MAX_MESSAGE),
        "traceback": block(traceback, MAX_TRACEBACK),
        "timeline": timeline(occurrence, issues),
        "chart": drawn,
        "chart_label": ngettext("%(n)s in 30 days", "%(n)s in 30 days", drawn.total) % {"n": grouped(drawn.total)},
        "recurrence": said,
        "occurrences": occurrences,
        "related_groups": others.groups(),
        "history": history(issue),
        "facts": [(name, value) for name, value in facts(issue, occurrence)[FACTS_OF_ISSUE:]],
        "raw": block(raw, MAX_BLOCK),
        **(_payload_parts(issue, occurrence) if may_view_payload else {}),
    }


def own_texts(issue: OperationalIssue, occurrence: Occurrence | None) -> tuple[str, str]:
    """Return message and traceback of an occurrence: its own, where it differs from the issue's."""
    message = (occurrence.error_message if occurrence else "") or issue.error_message
    traceback = (occurrence.traceback if occurrence else "") or issue.traceback_with(message)
    return str(message or ""), str(traceback or "")


FACTS_OF_ISSUE: Final = 6
"""How many of the facts are the issue's own; they come first."""


def facts(issue: OperationalIssue, occurrence: Occurrence | None) -> list[tuple[str, str]]:
    """Return what is known in one line each: of the issue, then of the occurrence; empty values are left out."""
    of_issue = [
        (_("Task"), issue.task or "–"),
        (_("Severity"), issue.get_severity_display()),
        (_("Status"), issue.get_status_display()),
        (_("Occurrences"), grouped(issue.occurrence_count)),
        (_("First seen"), exact(issue.first_seen_at)),
        (_("Last seen"), exact(issue.last_seen_at)),
    ]
    if occurrence is None:
        return of_issue
    of_occurrence = [
        (_("Occurred"), exact(occurrence.occurred_at)),
        (_("Kind"), occurrence.get_kind_display()),
        (_("Outcome"), occurrence.get_outcome_display()),
        (_("Attempt"), str(occurrence.attempt + 1)),
        (_("Task id"), occurrence.task_id),
        (_("Worker"), occurrence.worker),
        (_("Queue"), occurrence.queue),
        (_("Release"), occurrence.release),
    ]
    return [*of_issue, *((name, str(value)) for name, value in of_occurrence if value)]


def block(text: str, limit: int) -> Block:
    """Cut a text to a limit."""
    return Block(text=text[:limit], full_length=len(text))


def json_block(value: Any) -> Block | None:
    """Show a JSON value, None where there is nothing in it."""
    text = pretty(value)
    return (
        Block(text=text[:MAX_BLOCK], full_length=len(text), language="json")
        if value not in (None, {}, [], "")
        else None
    )


def recurrence_of(
    issue: OperationalIssue,
    latest: Sequence[tuple[str, datetime]],
    *,
    incident: Iterable[int] = (),
    release: str = "",
    now: datetime | None = None,
) -> tuple[charts.Chart, list[str]]:
    """Draw the last 30 days, of the issue and those before it, a bar a day, and say in words how it comes back.

    One query; the latest runs, the issues of the same incident and the release come from queries made anyway.
    """
    now = timezone.localtime(now or timezone.now())
    start = now - timedelta(days=recurrence.DAYS - 1)
    by_hour = recurrence.counts_by_hour(issue, since=start - timedelta(days=1))
    # In the colour of the issue: the severity of each occurrence is in no index, and 33,000 rows took 119 ms to fetch.
    drawn = charts.chart(((hour, issue.severity, n) for hour, n in by_hour.items()), start, now)
    known = recurrence.Known(by_hour=by_hour, latest=latest, together_with=tuple(incident), since_release=release)
    return drawn, recurrence.words(recurrence.of_issue(issue, now=now, known=known))


def related(issue: OperationalIssue, issues: QuerySet[OperationalIssue]) -> Related:
    """Return issues that began in the same minute, and the latest of the same task and of the same exception."""
    others = issues.exclude(pk=issue.pk).only(
        "pk",
        "name",
        "task",
        "exception_type",
        "severity",
        "status",
        "occurrence_count",
        "first_seen_at",
        "last_seen_at",
    )
    near = (issue.created_at - 10 * recurrence.INCIDENT, issue.created_at + 10 * recurrence.INCIDENT)
    began = (issue.first_seen_at - recurrence.INCIDENT, issue.first_seen_at + recurrence.INCIDENT)
    incident = list(
        others.filter(created_at__range=near, first_seen_at__range=began).order_by("first_seen_at")[:MAX_RELATED]
    )
    alike = Q(task=issue.task) if issue.task else Q()
    if issue.exception_type:
        alike |= Q(exception_type=issue.exception_type)
    rest = list(others.filter(alike).order_by("-last_seen_at", "-pk")[:MAX_RELATED]) if alike else []
    return Related(
        incident=incident,
        same_task=[other for other in rest if other.task == issue.task],
        same_exception=[other for other in rest if other.task != issue.task],
    )


def history(issue: OperationalIssue) -> list[LogEntry]:
    """Return who did what to the issue, newest first: from where the host's router keeps LogEntry."""
    opts = OperationalIssue._meta
    entries = LogEntry.objects.filter(
        content_type__app_label=opts.app_label, content_type__model=opts.model_name, object_id=str(issue.pk)
    )
    return list(entries.select_related("user").order_by("-action_time", "-pk")[:50])


def arguments_of(issue: OperationalIssue, occurrence: Occurrence | None) -> dict[str, Any]:
    """Return {"args", "kwargs"} as shown; of an issue without occurrences, what its context holds of them."""
    if occurrence is None:
        return {key: issue.context[key] for key in ("args", "kwargs") if key in _mapping(issue.context)}
    found = {"args": occurrence.args, "kwargs": occurrence.kwargs}
    return {key: value for key, value in found.items() if value is not None}


def context_of(issue: OperationalIssue, occurrence: Occurrence | None) -> Any:
    """Return the context as shown, without the arguments, which have a block of their own."""
    context = occurrence.context if occurrence else issue.context
    return (
        {k: v for k, v in context.items() if k not in {"args", "kwargs", "locals"}}
        if isinstance(context, dict)
        else context
    )


def locals_of(occurrence: Occurrence | None) -> dict[str, list[tuple[str, str]]]:
    """Return the captured locals by frame ("file:line"); they need `view_payload`.

    Bounded as `frame_locals` bounds them, for a context that somebody filled by hand holds what it likes.
    """
    frames = _mapping(occurrence.context if occurrence else None).get("locals")
    found = [_mapping(frame) for frame in frames[-frame_locals.MAX_FRAMES :]] if isinstance(frames, list) else []
    return {str(frame.get("at")): _shown_locals(_mapping(frame.get("variables"))) for frame in found}


def _shown_locals(variables: dict[str, Any]) -> list[tuple[str, str]]:
    length = frame_locals.MAX_CHARACTERS
    some = islice(variables.items(), frame_locals.MAX_VARIABLES)
    return [(str(name)[:length], str(value)[:length]) for name, value in some]


def as_json(issue: OperationalIssue, occurrence: Occurrence | None, *, with_payload: bool) -> dict[str, Any]:
    """Return all columns of issue and occurrence as JSON values; what needs `view_payload` only with it."""
    hidden = set() if with_payload else {"context", "args", "kwargs", "payload", "options"}
    return {
        "issue": _columns(issue, hidden | {"open_key"}),
        "occurrence": _columns(occurrence, hidden) if occurrence else None,
    }


def _payload_parts(issue: OperationalIssue, occurrence: Occurrence | None) -> dict[str, Any]:
    arguments, context = arguments_of(issue, occurrence), context_of(issue, occurrence)
    is_flat = isinstance(context, dict) and not any(isinstance(v, dict | list) for v in context.values())
    shown = json_block(context)
    return {
        "arguments": [(name, found) for name, value in arguments.items() if (found := json_block(value))],
        "context": shown,
        "context_rows": list(context.items()) if is_flat and shown and not shown.is_cut else [],
    }


def _columns(row: Any, hidden: set[str]) -> dict[str, Any]:
    values = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if f.attname not in hidden}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
