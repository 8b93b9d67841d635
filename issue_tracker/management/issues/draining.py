"""`issues drain`: this host's spool emptied by hand, by cron, or by a side-car."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

from issue_tracker.drain import Drained, OutageError, drain
from issue_tracker.notify import Sender
from issue_tracker.spool import SpoolError

from .verb import Console, Verb

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


def drain_spool(options: dict[str, Any], console: Console) -> int:
    """Empty the spool."""
    ending: list[int] = []
    if options["follow"]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda signum, _frame: ending.append(signum))
    sender = Sender()
    while True:
        code = _drain_once(console)
        if not options["follow"] or ending:
            sender.leave()
            return code
        sender.look()
        time.sleep(0.5 if code == 0 else 5)


def _drain_once(console: Console) -> int:
    try:
        done = drain()
    except (OutageError, SpoolError) as error:
        console.complain(f"Nothing is lost, but nothing was drained: {error}")
        return 1
    if done != Drained():
        console.say(f"{done.stored:,} stored, {done.merged:,} merged, {done.quarantined:,} put into quarantine.")
    return 0


def _declare(parser: CommandParser) -> None:
    parser.add_argument("--follow", action="store_true", help="go on until SIGTERM or Ctrl-C, as a side-car")


VERBS = (Verb(name="drain", help="empty this host's spool into the database", run=drain_spool, declare=_declare),)
