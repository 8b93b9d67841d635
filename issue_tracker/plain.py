"""Issues as plain text, for terminals and chat.

Control characters are shown, never sent: captured text can't move a cursor.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone

if TYPE_CHECKING:
    import datetime as dt

    from .models import OperationalIssue

MAX_CELL_CHARACTERS: Final = 60


def printable(text: object) -> str:
    """Return the text with control characters other than line ends and tabs written out, as "\\x1b"."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in str(text))


def table(rows: list[dict[str, Any]]) -> str:
    """Lay rows of equal keys out in columns, one line each; long cells are cut."""
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def issue_text(issue: OperationalIssue) -> str:
    """Write one issue: what, since when, how often, where, with which arguments."""
    first, last = time_text(issue.first_seen_at), time_text(issue.last_seen_at)
    facts = {
        "issue": f"{issue.pk}  {issue.severity}, {issue.status}" + (", returned" if issue.is_returned else ""),
        "task": issue.task,
        "kind": issue.kind,
        "seen": f"{issue.occurrence_count:,} times, {first} to {last}",
        "where": issue.culprit,
        "context": json.dumps(issue.context, ensure_ascii=False, default=str),
    }
    head = [f"{issue.name}: {issue.error_message}", ""] + [
        f"{key:>8}  {value}" for key, value in facts.items() if value
    ]
    return printable("\n".join([*head, "", issue.traceback.rstrip()]).rstrip())


def _cell(value: Any) -> str:
    text = time_text(value) if hasattr(value, "astimezone") else printable(value).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= MAX_CELL_CHARACTERS else text[: MAX_CELL_CHARACTERS - 1] + "…"


def time_text(moment: dt.datetime) -> str:
    """Write a moment in the current time zone, to the second."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return f"{local:%Y-%m-%d %H:%M:%S}"
