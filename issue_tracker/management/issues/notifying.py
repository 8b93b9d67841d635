"""`issues notify`: what waits is sent, by cron where no worker runs; `issues notify-test`: does each channel work?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from issue_tracker.notify import send_now, send_test

from .verb import Verb

if TYPE_CHECKING:
    from .verb import Console


def notify(_options: dict[str, Any], console: Console) -> int:
    """Send what waits."""
    return send_now(console.say)


def test(_options: dict[str, Any], console: Console) -> int:
    """Send a test message to each channel."""
    return send_test(console.say)


VERBS = (
    Verb(name="notify", help="send the notifications that wait, and say which channels fail", run=notify),
    Verb(name="notify-test", help="send a test message to each channel of NOTIFY", run=test),
)
