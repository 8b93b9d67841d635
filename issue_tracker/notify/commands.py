"""`manage.py issues notify` and `issues notify-test`. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from issue_tracker import conf
from issue_tracker.models import Channel

from . import wording
from .claiming import routes
from .delivery import deliver, label_of
from .sender import send_waiting
from .state import state

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = "NOTIFY is empty: nobody is told of anything. See docs/notifications.md."


def send_now(write: Callable[[str], object]) -> int:
    """Send what is due, and say how many messages went and what still waits; returns the exit code."""
    if not conf.current().notify:
        write(NOTHING)
        return 1
    sent, now = send_waiting(), state()
    write(f"{sent:,} sent, {now.waiting_count:,} waiting.")
    for channel in now.broken:
        write(f"{channel}: failing since {channel.failing_since:%Y-%m-%d %H:%M %Z}: {channel.last_error}")
    return int(bool(now.broken))


def send_test(write: Callable[[str], object]) -> int:
    """Send a test message to each channel at once, and say what each answered; returns the exit code.

    A channel that takes it is broken no more: what waits for it goes with the next look.
    """
    if not conf.current().notify:
        write(NOTHING)
        return 1
    subject = _("Test: issue_tracker can reach this channel")
    failed = 0
    for key, to in routes().items():
        outcome = deliver(to, subject, wording.link_to_all())
        write(f"{label_of(to, key)}: {'sent' if outcome.is_sent else outcome.error}")
        failed += not outcome.is_sent
        if outcome.is_sent:
            Channel.objects.using(conf.current().database).filter(key=key).update(next_try_at=None)
    return int(bool(failed))
