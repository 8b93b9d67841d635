"""What the verbs of `manage.py issues` share: their shape, where they write, how they choose issues."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.management.base import CommandError
from django.core.serializers.json import DjangoJSONEncoder

from issue_tracker import conf, selection
from issue_tracker.models import OperationalIssue
from issue_tracker.plain import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.management.base import CommandParser, OutputWrapper

    from issue_tracker.lifecycle import IssueQuerySet

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Where a verb writes."""

    out: OutputWrapper
    err: OutputWrapper
    is_json: bool = False
    """The caller asked for JSON."""

    def say(self, text: str) -> None:
        """Write a line to stdout."""
        self.out.write(text)

    def complain(self, text: str) -> None:
        """Write a line to stderr."""
        self.err.write(text)

    def show(self, value: Any, text: Callable[[], str]) -> None:
        """Write a value as JSON when that was asked for, else the text of it."""
        if self.is_json:
            self.say(json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2, default=str))
        else:
            self.say(text())

    def show_rows(self, rows: list[dict[str, Any]]) -> None:
        """Write rows of equal keys."""
        self.show(rows, lambda: table(rows) if rows else "No issues.")


def _nothing(_parser: CommandParser) -> None:
    """Take no arguments of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One subcommand."""

    name: str
    help: str
    run: Callable[[dict[str, Any], Console], int]
    """Takes the options and returns the exit code; raises ValueError for options that make no sense."""
    declare: Callable[[CommandParser], None] = _nothing
    """Adds its arguments."""
    has_filters: bool = False
    """Whether issues are chosen by `--task`, `--since` and so on."""


def add_ids(parser: CommandParser) -> None:
    """Let issues be named by their ids."""
    parser.add_argument("ids", nargs="*", type=int, metavar="ID")


def those(options: dict[str, Any], *, default_status: str = "open") -> IssueQuerySet:
    """Return the issues named by id, else those that the filters keep. Raises ValueError without either."""
    filters = ("task", "severity", "status", "kind", "since", "search")
    if options["ids"]:
        named: IssueQuerySet = OperationalIssue.objects.using(conf.current().database)
        return named.filter(pk__in=options["ids"])
    if not any(options.get(name) for name in filters):
        raise ValueError("Name issues by id, or choose them by a filter such as --task or --since.")
    return selection.chosen(options, default_status=default_status)


def issue_of(pk: int) -> OperationalIssue:
    """Return one issue; ends the command with 1 when there is none."""
    issue: OperationalIssue | None = OperationalIssue.objects.using(conf.current().database).filter(pk=pk).first()
    if issue is None:
        raise CommandError(f"There is no issue {pk}. `manage.py issues list --status all` lists them.", returncode=1)
    return issue


def once_a_second(say: Callable[[Done], None]) -> Callable[[Done], None]:
    """Return what passes on what it is told, but not more often than once a second."""
    said_at = time.monotonic()

    def tell(done: Done) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= 1:
            said_at = time.monotonic()
            say(done)

    return tell
