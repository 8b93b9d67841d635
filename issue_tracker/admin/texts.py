"""An issue as plain text (terminals, chats, mails) and as Markdown (tickets). Uncut; what was captured is no markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from issue_tracker.admin import page
from issue_tracker.templatetags.issue_tracker import pretty

if TYPE_CHECKING:
    from issue_tracker.models import Occurrence, OperationalIssue

RULE = "─" * 72


def plain(issue: OperationalIssue, occurrence: Occurrence | None, *, with_payload: bool, url: str = "") -> str:
    """Return the issue as text: a head, then a headed block for each part; control characters are spelt out."""
    facts = dict(page.facts(issue, occurrence))
    width = max(map(len, facts))
    head = [issue.name, RULE, *(f"{name.ljust(width)}  {value}" for name, value in facts.items())]
    if url:
        head.append(url)
    blocks = [
        f"{title}\n{RULE}\n{text}" for title, _language, text in _blocks(issue, occurrence, with_payload=with_payload)
    ]
    return visible("\n\n".join(["\n".join(head), *blocks]) + "\n")


def markdown(issue: OperationalIssue, occurrence: Occurrence | None, *, with_payload: bool, url: str = "") -> str:
    """Return the issue as Markdown; all that was captured stands in code, so that no reader takes it for markup."""
    lines = [f"# {code(issue.name)}", ""]
    lines += [f"- **{name}**: {code(value)}" for name, value in page.facts(issue, occurrence)]
    if url:
        lines.append(f"- <{url}>")
    for title, language, text in _blocks(issue, occurrence, with_payload=with_payload):
        lines += ["", f"## {title}", "", fenced(text, language)]
    return visible("\n".join(lines) + "\n")


def code(text: str) -> str:
    """Return a text as one inline code span, whatever backticks it holds."""
    line = " ".join(text.split()) or " "
    ticks = "`" * (_longest_run(line) + 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def fenced(text: str, language: str = "") -> str:
    """Return a text as a code block, whatever fences it holds."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def visible(text: str) -> str:
    """Replace control characters (a terminal would obey them) by their names in the form \\x1b."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda m: f"\\x{ord(m[0]):02x}", text)


def _blocks(
    issue: OperationalIssue, occurrence: Occurrence | None, *, with_payload: bool
) -> list[tuple[str, str, str]]:
    message, traceback = page.own_texts(issue, occurrence)
    found = [(_("Message"), "", message), (_("Traceback"), "python-traceback", traceback)]
    if with_payload:
        found += [
            (_("Arguments"), "json", _json(page.arguments_of(issue, occurrence))),
            (_("Context"), "json", _json(page.context_of(issue, occurrence))),
        ]
    return [(title, language, text) for title, language, text in found if text.strip()]


def _json(value: Any) -> str:
    return pretty(value) if value not in (None, {}, []) else ""


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
