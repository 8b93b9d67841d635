"""`issues prune`: what the `PRUNE_…` settings let go, deleted."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from issue_tracker import retention

from .verb import Console, Verb, once_a_second

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from issue_tracker.retention import Pruned


def prune(options: dict[str, Any], console: Console) -> int:
    """Delete what the settings let go."""
    done = retention.prune(
        dry_run=options["dry_run"],
        # On stderr, so that stdout holds the result alone.
        progress=once_a_second(lambda done: console.complain(f"so far: {_counts(done)}")),
    )
    what = "would go" if options["dry_run"] else "deleted"
    console.show(asdict(done) | {"dry_run": options["dry_run"]}, lambda: f"{what}: {_counts(done)}")
    return 0


def _counts(done: Pruned) -> str:
    return f"issues {done.issues:,}, occurrences {done.occurrences:,}"


def _declare(parser: CommandParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say how much would go, and delete nothing")


VERBS = (Verb(name="prune", help="delete what the PRUNE_ settings let go", run=prune, declare=_declare),)
