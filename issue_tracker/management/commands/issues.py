"""`manage.py issues`: triage from the command line. Its verbs are in `issue_tracker.management.issues`.

Exit codes: 0 done, 1 nothing matched or something was refused, 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from issue_tracker import selection
from issue_tracker.management.issues import VERBS, Console, Verb


class Command(BaseCommand):
    """One command with subcommands, each a `Verb`."""

    help = "Look at, triage and requeue what the issue tracker has captured."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        subs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
        for verb in VERBS.values():
            _declare(subs, verb)

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the subcommand; a usage that makes no sense ends with 2."""
        console = Console(out=self.stdout, err=self.stderr, is_json=options["format"] == "json")
        try:
            code = VERBS[verb].run(options, console)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        if code:
            sys.exit(code)


def _declare(subs: Any, verb: Verb) -> None:
    parser: CommandParser = subs.add_parser(verb.name, help=verb.help)
    parser.add_argument("--format", choices=["table", "json"], default="table")
    if verb.has_filters:
        selection.add_filters(parser)
    verb.declare(parser)
