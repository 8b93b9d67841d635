"""What a message says: the reason first, one line of subject, one link. Right of the seam.

Captured text is inert: no markup, no mention, no second link, no line of its own, in whatever chat it is shown.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from issue_tracker import conf
from issue_tracker.models import Notification
from issue_tracker.plain import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from issue_tracker.models import OperationalIssue

MAX_SUBJECT_CHARACTERS: Final = 150
MAX_NAME_CHARACTERS: Final = 60
MAX_MESSAGE_CHARACTERS: Final = 300
NAMES_A_LINE: Final = 10
"""Of a digest: a thousand names fit into what Slack takes, 35,000 characters."""

_LOOKALIKES: Final = str.maketrans("<>*`~[]|@", "\u2039\u203a\u2217\u02cb\u223c\uff3b\uff3d\u00a6\uff20")
"""What makes bold, code, links and mentions (`@channel`, `<!everyone>`) somewhere, and what is shown instead."""
_INVISIBLE: Final = "\u2060"
"""A word joiner: breaks a link for the machine, not for the eye."""
_EDGE_UNDERSCORE: Final = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
"""Underscores that begin or end a word, as emphasis does; those within a name stay."""
_RANK: Final = (
    Notification.Reason.RETURNED,
    Notification.Reason.NEW,
    Notification.Reason.UNMUTED,
    Notification.Reason.VOLUME,
)


def inert(text: object, *, max_characters: int) -> str:
    """Return captured text as one line that no channel takes for markup, mention or link; cut where it is longer."""
    line = " ".join(printable(str(text)[: 4 * max_characters]).split())
    line = line if len(line) <= max_characters else line[: max_characters - 1] + "…"
    line = _EDGE_UNDERSCORE.sub(lambda found: "\uff3f" * len(found[0]), line.translate(_LOOKALIKES))
    return line.replace("://", f":{_INVISIBLE}//").replace("www.", f"www{_INVISIBLE}.")


def title(issue: OperationalIssue) -> str:
    """Return what failed and where, in one line."""
    name = inert(issue.name, max_characters=MAX_NAME_CHARACTERS)
    if not issue.task:
        return name
    return _("%(name)s in %(task)s") % {
        "name": name,
        "task": inert(issue.task, max_characters=MAX_NAME_CHARACTERS),
    }


def subject(rows: Sequence[Notification], issue: OperationalIssue) -> str:
    """Return the strongest of the reasons, and of what."""
    return f"{_reason_text(_strongest(rows))}: {title(issue)}"[:MAX_SUBJECT_CHARACTERS]


def body(rows: Sequence[Notification], issue: OperationalIssue) -> str:
    """Return what a person needs to decide whether to get up: the message, how bad, how often, since when, the link."""
    volume = max((row.count for row in rows), default=0)
    lines = [_("Message: %s") % inert(issue.error_message, max_characters=MAX_MESSAGE_CHARACTERS)]
    if volume:
        lines.append(_many(volume))
    return "\n".join([*lines, _facts(issue), "", link_to(issue)])


def digest(groups: Sequence[Sequence[Notification]]) -> tuple[str, str]:
    """Return subject and body of a digest that names each issue once, by reason and task; then the link to all."""
    names: dict[tuple[str, str], list[str]] = {}
    for rows in groups:
        if (issue := rows[0].issue) is not None:
            task = inert(issue.task or "–", max_characters=MAX_NAME_CHARACTERS)
            name = inert(issue.name, max_characters=MAX_NAME_CHARACTERS)
            names.setdefault((_reason_text(_strongest(rows)), task), []).append(name)
    count = sum(map(len, names.values()))
    head = ngettext("Digest: %(n)s more issue", "Digest: %(n)s more issues", count) % {"n": f"{count:,}"}
    lines = [
        f"{reason}: {task}: {', '.join(found[start : start + NAMES_A_LINE])}"
        for (reason, task), found in names.items()
        for start in range(0, len(found), NAMES_A_LINE)
    ]
    return head, "\n".join([*lines, "", link_to_all()])


def daily(counts: dict[str, int], lists: Iterable[tuple[str, list[OperationalIssue]]]) -> tuple[str, str]:
    """Return subject and body of the daily digest."""
    head = _("Daily digest: %(new)s new, %(returned)s returned, %(open)s open") % {
        name: f"{count:,}" for name, count in counts.items()
    }
    lines: list[str] = []
    for name, issues in lists:
        if issues:
            lines += [f"{name}:", *(f"- {title(issue)} ({issue.occurrence_count:,} ×)" for issue in issues), ""]
    return head, "\n".join([*lines, link_to_all()])


def fitted(text: str, *, max_characters: int) -> str:
    """Cut a text to what a channel takes, at whole lines; its last line, the link, stays."""
    if len(text) <= max_characters:
        return text
    *lines, link = text.split("\n")
    more = _("… and more, see the list.")
    while lines and len("\n".join([*lines, more, "", link])) > max_characters:
        lines.pop()
    return "\n".join([*lines, more, "", link])[:max_characters]


def link_to(issue: OperationalIssue) -> str:
    """Return the address of an issue's page, or, where the site has no admin or no `BASE_URL`, how to see it."""
    return _address("change", issue.pk) or _("See: manage.py issues show %s") % issue.pk


def link_to_all() -> str:
    """Return the address of the list, or how to see it."""
    return _address("changelist") or _("See: manage.py issues list")


def _address(page: str, *args: int) -> str:
    base = conf.current().base_url.rstrip("/")
    try:
        return base and base + reverse(f"admin:issue_tracker_operationalissue_{page}", args=args)
    except NoReverseMatch:
        return ""


def _facts(issue: OperationalIssue) -> str:
    return _("%(severity)s, %(count)s ×, first seen %(first)s, last seen %(last)s") % {
        "severity": issue.get_severity_display(),
        "count": f"{issue.occurrence_count:,}",
        "first": _time(issue.first_seen_at),
        "last": _time(issue.last_seen_at),
    }


def _strongest(rows: Sequence[Notification]) -> Notification:
    return min(rows, key=lambda row: (_RANK.index(Notification.Reason(row.reason)), -row.count))


def _reason_text(row: Notification) -> str:
    return _many(row.count) if row.reason == Notification.Reason.VOLUME else row.get_reason_display()


def _many(count: int) -> str:
    return _("%s failures within an hour") % f"{count:,}"


def _time(moment: datetime) -> str:
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return f"{local:%Y-%m-%d %H:%M}"
