"""`issues adopt`: a host's own table of the seed's shape, copied into ours."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from issue_tracker import adoption

from .verb import Console, Verb, once_a_second

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from issue_tracker.adoption import Adopted


def adopt(options: dict[str, Any], console: Console) -> int:
    """Copy the rows of a model that are not here yet."""
    done = adoption.adopt(
        adoption.source_of(options["model"]),
        dry_run=options["dry_run"],
        keep_open=options["keep_open"],
        progress=once_a_second(lambda done: console.complain(f"so far: {_counts(done)}")),
    )
    what = "would be adopted" if options["dry_run"] else "adopted"
    console.show(asdict(done) | {"dry_run": options["dry_run"]}, lambda: f"{what}: {_counts(done)}")
    return 0


def _counts(done: Adopted) -> str:
    return f"{done.stored:,} of {done.rows:,} rows, as {done.issues:,} issues, {done.resolved:,} of them resolved"


def _declare(parser: CommandParser) -> None:
    parser.add_argument("model", metavar="app.Model", help="has name, task, error_message, … as the seed's model has")
    parser.add_argument("--dry-run", action="store_true", help="say how much would be copied, and copy nothing")
    parser.add_argument("--keep-open", action="store_true", help="leave issues open that have long been quiet")


VERBS = (Verb(name="adopt", help="copy the issues of a table of your own", run=adopt, declare=_declare),)
