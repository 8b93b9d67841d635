"""What the tests of notifications share: time that passes at will, who is told, and what arrived."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from issue_tracker.notify import send_waiting
from issue_tracker.notify.delivery import Outcome, deliver
from tests.events import an_event, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django.fixtures import SettingsWrapper

    from tests.channels import Channels

    Send = Callable[[str, str, str], Outcome]


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.moment = timezone.now()

    def now(self) -> datetime:
        """Return the time."""
        return self.moment

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)

    def go_on(self, *, minutes: float, every: float = 1, send: Send = deliver) -> int:
        """Send what falls due within so many minutes, by a look each minute as a drainer's; returns how many went."""
        ends_at, sent = self.moment + timedelta(minutes=minutes), 0
        while self.moment < ends_at:
            sent += send_waiting(clock=self, send=send)
            self.rest(60 * every)
        return sent


def tell(settings: SettingsWrapper, *rules: dict[str, Any]) -> None:
    """Say who is told."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "NOTIFY": list(rules), "BASE_URL": "https://example.com"}


def titles(channels: Channels) -> list[str]:
    """The subjects that arrived, oldest first."""
    return [told["title"] for told in channels.told()]


def different(*numbers: int) -> None:
    """Store a failure of an issue of its own for each number."""
    stored(*[an_event(name=f"Error{n:04}", fingerprint=f"{n:064x}") for n in numbers])
