"""`issues resolve`, `reopen`, `mute`: state changes of issues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils import timezone

from issue_tracker import selection

from .verb import Console, Verb, add_ids, those

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


def resolve(options: dict[str, Any], console: Console) -> int:
    """Resolve issues."""
    return _changed(console, "resolved", those(options).resolve(**selection.person(options)))


def reopen(options: dict[str, Any], console: Console) -> int:
    """Open issues again."""
    return _changed(console, "reopened", those(options, default_status="all").reopen(**selection.person(options)))


def mute(options: dict[str, Any], console: Console) -> int:
    """Mute issues."""
    until = selection.moment(options["until"]) if options["until"] else None
    if until is not None and until <= timezone.now():
        raise ValueError("--until must be a time to come.")
    changed = those(options).mute(until=until, more=options["more"], **selection.person(options))
    return _changed(console, "muted", changed)


def _changed(console: Console, what: str, count: int) -> int:
    console.say(f"{count:,} {what}.")
    return int(not count)


def _declare(parser: CommandParser) -> None:
    add_ids(parser)
    selection.add_person(parser)


def _declare_mute(parser: CommandParser) -> None:
    _declare(parser)
    parser.add_argument("--until", metavar="DATE", help="a date, or a date with time")
    parser.add_argument("--more", type=int, metavar="N", help="until N more occurrences")


VERBS = (
    Verb(name="resolve", help="resolve issues", run=resolve, declare=_declare, has_filters=True),
    Verb(name="reopen", help="open issues again", run=reopen, declare=_declare, has_filters=True),
    Verb(name="mute", help="silence issues", run=mute, declare=_declare_mute, has_filters=True),
)
