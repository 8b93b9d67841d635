"""Issues chosen by the filters that the command line shares: task, severity, status, since, text. Right of the seam."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from . import conf
from .models import OperationalIssue

if TYPE_CHECKING:
    import argparse

    from .lifecycle import IssueQuerySet

_AGO: Final = re.compile(r"(\d{1,6})\s*([smhdw])\Z")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(text: str, *, now: dt.datetime | None = None) -> dt.datetime:
    """Read a time: "90m", "3h", "2d", "1w" ago, a date, or a date with time.

    Raises ValueError that says which are meant.
    """
    now = now or timezone.now()
    ago = _AGO.match(text.strip())
    if ago:
        return now - dt.timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)):
            found = dt.datetime.combine(day, dt.time())
    except ValueError:  # of the form of a date, but no day of the calendar
        found = None
    if found is None:
        raise ValueError(f"{text!r} is no time: write 90m, 3h, 2d, 1w, 2026-05-01 or 2026-05-01T10:00.")
    return timezone.make_aware(found) if timezone.is_naive(found) and timezone.is_aware(now) else found


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the filters to a subcommand."""
    parser.add_argument("--task", help="task name, or its end behind a dot")
    parser.add_argument("--severity", choices=OperationalIssue.Severity.values)
    parser.add_argument("--status", choices=[*OperationalIssue.Status.values, "all"], help="default: open")
    parser.add_argument("--kind", help="how it died, such as time_limit")
    parser.add_argument("--since", metavar="TIME", help="seen since: 90m, 3h, 2d, 1w, or a date")
    parser.add_argument("--search", metavar="TEXT", help="in name and message")


def add_person(parser: argparse.ArgumentParser) -> None:
    """Add who does it, and why, to a subcommand that changes something."""
    parser.add_argument("--by", metavar="USERNAME", default="", help="who does it: kept in Django's log of changes")
    parser.add_argument("--note", default="", help="why; kept with --by")


def person(options: dict[str, Any]) -> dict[str, Any]:
    """Return `by` and `note` as the verbs take them.

    Raises ValueError for a user that isn't there, and for a note that nobody would be kept with.
    """
    username, note = options.get("by") or "", options.get("note") or ""
    if not username:
        if note:
            raise ValueError("A note is kept with who wrote it: add --by USERNAME.")
        return {"by": None, "note": ""}
    users = get_user_model()
    found = users._default_manager.filter(**{users.USERNAME_FIELD: username}).first()
    if found is None:
        raise ValueError(f"There is no user {username!r}.")
    return {"by": found, "note": note}


def chosen(options: dict[str, Any], *, default_status: str = "open") -> IssueQuerySet:
    """Return the issues that the filters keep, those seen last first.

    Raises ValueError for a time that can't be read.
    """
    issues: IssueQuerySet = OperationalIssue.objects.using(conf.current().database).order_by("-last_seen_at", "-id")
    status = options.get("status") or default_status
    if status != "all":
        issues = issues.filter(status=status)
    if options.get("severity"):
        issues = issues.filter(severity=options["severity"])
    if options.get("kind"):
        issues = issues.filter(kind=options["kind"])
    if task := options.get("task"):
        issues = issues.filter(Q(task=task) | Q(task__endswith=f".{task}"))
    if options.get("since"):
        issues = issues.filter(last_seen_at__gte=moment(options["since"]))
    if text := options.get("search"):
        issues = issues.filter(Q(name__icontains=text) | Q(error_message__icontains=text))
    return issues
