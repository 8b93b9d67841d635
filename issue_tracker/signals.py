"""Django signals that the host may connect to. Right of the seam.

Sent after the commit that they tell of, in the process that drained or changed the issue; `sender` is OperationalIssue,
`issue` the issue as stored. Receivers are isolated: one that raises is logged and stops nobody. Sent once for each
change that this process made; a drainer killed between commit and sending leaves a signal unsent.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from .models import OperationalIssue

logger = logging.getLogger("issue_tracker")

issue_opened: Final = Signal()
"""A new kind of failure: no issue of this fingerprint was there before."""
issue_returned: Final = Signal()
"""A failure that had been resolved, or quiet for the window, came back as a new issue."""
issue_resolved: Final = Signal()
"""Somebody, or a cleared condition, resolved it."""
issue_recovered: Final = Signal()
"""All its occurrences were retried, or sent again, with success; it closed itself."""

issue_unmuted: Final = Signal()
"""A mute ended, by its time or its count, with the failure that reached it."""


def announce(signal: Signal, issue: OperationalIssue, *, using: str) -> None:
    """Send a signal once the running transaction has committed, or at once when there is none."""
    transaction.on_commit(partial(_send, signal, issue), using=using, robust=True)


def _send(signal: Signal, issue: OperationalIssue) -> None:
    for receiver, response in signal.send_robust(sender=type(issue), issue=issue):
        if isinstance(response, Exception):
            logger.error(
                "issue_tracker: the receiver %r raised %s; others were called", receiver, type(response).__name__
            )
