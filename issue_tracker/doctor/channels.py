"""Whether those who are to be told can be reached. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils import timezone

from issue_tracker import notify

from .findings import Finding, fine, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

AREA: Final = "notifications"
LATE_SECONDS: Final = 2 * 3_600
"""A message that waits for longer waits for no cool-down and no digest, but for somebody who sends it."""


def channels(_app: Celery) -> Iterator[Finding]:
    """Look for channels that fail, and for messages that nobody sends. Sends nothing."""
    state, now = notify.state(), timezone.now()
    if not state.is_on:
        yield fine(AREA, "NOTIFY is empty: nobody is told of anything.")
        return
    for channel in state.broken:
        text = f"{channel} has failed {channel.failure_count:,} times since {channel.failing_since:%Y-%m-%d %H:%M %Z}"
        advice = "Mend it, then run `manage.py issues notify-test`: what waits goes at once."
        yield warning(AREA, f"{text}: {channel.last_error}", advice)
    if not state.broken and state.oldest_at and (now - state.oldest_at).total_seconds() > LATE_SECONDS:
        advice = "Start a worker, run `manage.py issues drain --follow`, or let cron run `manage.py issues notify`."
        yield warning(AREA, f"{state.waiting_count:,} messages wait, and nobody sends them.", advice)
    elif not state.broken:
        yield fine(AREA, f"No channel fails; {state.waiting_count:,} messages wait.")
