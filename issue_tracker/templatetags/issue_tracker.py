"""Filters for the admin's templates: relative times, counts and sparklines. What was captured is escaped, always."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import mark_safe
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from issue_tracker import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Show a moment as "3 hours ago", the exact one on hover."""
    if moment is None:
        return "–"
    return format_html('<time datetime="{}" title="{}">{}</time>', iso(moment), exact(moment), since(moment))


@register.filter
def briefly(moment: datetime | None) -> SafeString | str:
    """Show a moment as "3 h ago", for narrow columns, the exact one on hover."""
    if moment is None:
        return "–"
    return format_html('<time title="{}">{}</time>', exact(moment), _briefly(moment))


def _briefly(moment: datetime) -> str:
    minutes = int((timezone.now() - moment).total_seconds() // 60)
    if minutes < 1:
        return since(moment)
    for unit, text in (
        (525_600, _("%(n)s y ago")),
        (43_200, _("%(n)s mo ago")),
        (10_080, _("%(n)s wk ago")),
        (1_440, _("%(n)s d ago")),
        (60, _("%(n)s h ago")),
    ):
        if minutes >= unit:
            return text % {"n": minutes // unit}
    return _("%(n)s min ago") % {"n": minutes}


@register.filter
def since(moment: datetime) -> str:
    """Say how long ago a moment was, or how far ahead it is, in one unit."""
    now = timezone.now()
    if abs((now - moment).total_seconds()) < 60:
        return _("just now")
    if moment > now:
        return _("in %(time)s") % {"time": timesince(now, moment, depth=1)}
    return _("%(time)s ago") % {"time": timesince(moment, now, depth=1)}


@register.filter
def exact(moment: datetime | None) -> str:
    """Show a moment to the second, in the reader's time zone and language."""
    if moment is None:
        return "–"
    local = timezone.localtime(moment)
    return f"{date_format(local, 'SHORT_DATE_FORMAT')} {local:%H:%M:%S} {local:%Z}"


@register.filter
def iso(moment: datetime) -> str:
    """Show a moment for machines: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@register.filter
def grouped(count: int) -> str:
    """Show a number with its thousands grouped."""
    return number_format(count, force_grouping=True)


@register.filter
def sparkline(counts: Sequence[int]) -> SafeString | str:
    """Draw the days of a row, the newest at the right; its label says the sum."""
    path = charts.sparkline(counts)
    if not path:
        return ""
    days = len(counts)
    label = ngettext("%(n)s in %(days)s days", "%(n)s in %(days)s days", sum(counts)) % {
        "n": grouped(sum(counts)),
        "days": days,
    }
    return format_html(
        '<svg class="it-spark" viewBox="0 0 {} 20" role="img" aria-label="{}"><path d="{}"/></svg>',
        days * 4,
        label,
        path,
    )


@register.filter
def breakable(name: str) -> SafeString:
    """Let a long dotted name wrap after its dots and underscores."""
    parts = re.findall(r"[^._]*[._]+|[^._]+$", str(name))
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))  # nosec B308


@register.simple_tag
def script_words() -> SafeString:
    """Hand the words that the script shows over to it, in the reader's language."""
    return json_script(
        {
            "copy": _("Copy"),
            "copied": _("Copied"),
            "failed": _("Could not copy"),
            "keys": _("Keyboard"),
            "close": _("Close"),
            "down": _("next issue"),
            "up": _("previous issue"),
            "open": _("open it"),
            "select": _("select it"),
            "resolve": _("resolve it, or the selected ones"),
            "reopen": _("resolve or reopen"),
            "older": _("older occurrence"),
            "newer": _("newer occurrence"),
            "list": _("back to the list"),
            "search": _("search"),
            "help": _("these keys"),
        },
        "it-words",
    )


@register.filter
def pretty(value: Any) -> str:
    """Show a JSON value as JSON does, indented; text stands as it is read, not escaped to ASCII."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
