"""Who sends: a process that a drainer forks when something waits, never the drainer itself. Right of the seam.

Why a process: a channel may hang in a place that no thread can be got out of, and draining must go on meanwhile. Web
and inline processes store their rows and leave the sending to the next drainer of any host, or to `issues notify`. A
sender ends when nothing is due; what has to wait (a cool-down, a pause, a digest) is looked for each minute.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from django.db import connections
from django.utils import timezone

from issue_tracker import conf
from issue_tracker.forking import begin_anew, fork
from issue_tracker.models import Channel

from . import periods
from .claiming import claim, routes, settle
from .delivery import deliver
from .noting import is_noted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from .delivery import Outcome

logger = logging.getLogger("issue_tracker")

LOOK_SECONDS: Final = 60.0
"""Between two looks of a drainer for what has come due."""
RESTART_SECONDS: Final = 5.0
"""Between two senders of one drainer at the least: under a storm each look would cost a fork."""
LIFE_SECONDS: Final = 90.0
"""How long one sender goes on at most: the 60 messages of an hour, at their pace."""
LAST_LIFE_SECONDS: Final = 6.0
"""The same for the sender that a drainer leaves behind: one message, say that its worker was killed."""
SOON_SECONDS: Final = 2.0
"""A channel that may be used again so soon is waited for: the pace between two messages."""


class Clock(Protocol):
    """The time, and waiting."""

    def now(self) -> datetime:
        """Return the time."""

    def rest(self, seconds: float) -> None:
        """Wait."""


class WallClock:
    """The time as it is."""

    def now(self) -> datetime:
        """Return the time."""
        return timezone.now()

    def rest(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


def send_waiting(
    *,
    clock: Clock | None = None,
    goes_on: Callable[[], bool] | None = None,
    send: Callable[[str, str, str], Outcome] = deliver,
) -> int:
    """Send what is due, while `goes_on` says so (LIFE_SECONDS unless given); returns how many messages got through.

    A channel that fails is left alone for its pause; what was for it waits.
    """
    if not conf.current().notify:
        return 0
    clock, goes_on, using = clock or WallClock(), goes_on or _lives(LIFE_SECONDS), conf.current().database
    periods.look(using=using, now=clock.now())
    sent = 0
    while goes_on():
        message = claim(using=using, now=clock.now())
        if message is not None:
            outcome = send(message.to, message.subject, message.body)
            settle(message, outcome, using=using, now=clock.now())
            sent += outcome.is_sent
        elif _is_soon(using, clock.now()):
            clock.rest(SOON_SECONDS / 4)
        else:
            break
    return sent


def _lives(seconds: float, *, with_parent: int = 0) -> Callable[[], bool]:
    """Return what tells whether this process goes on: so long, and where a parent is given not without it."""
    ends_at = time.monotonic() + seconds
    return lambda: time.monotonic() < ends_at and with_parent in {0, os.getppid()}


def _is_soon(using: str, now: datetime) -> bool:
    channels = Channel.objects.using(using).filter(key__in=sorted(routes()))
    return channels.soon(now=now, within_seconds=SOON_SECONDS).exists()


@dataclass(slots=True)
class Sender:
    """A drainer's sender: at most one at a time, forked when something was stored, and each minute."""

    pid: int = 0
    next_look_at: float = 0.0
    not_before: float = 0.0
    is_wanted: bool = False
    """Something was stored since the last one began."""

    def look(self) -> None:
        """Start a sender if it is time for one. Never waits, costs nothing where `NOTIFY` is empty."""
        if not conf.current().notify:
            return
        self._reap()
        now = time.monotonic()
        self.is_wanted = is_noted() or self.is_wanted
        if not self.pid and (now >= self.next_look_at or (self.is_wanted and now >= self.not_before)):
            self._start(is_last=False)

    def leave(self) -> None:
        """Start a last one for what was stored just now; it outlives the drainer by LAST_LIFE_SECONDS at most.

        One that runs already ends with the drainer, after the message that it is at: the last one sends the others.
        """
        if not conf.current().notify:
            return
        self._reap()
        if is_noted() or self.is_wanted or self.pid:
            self._start(is_last=True)

    def _start(self, *, is_last: bool) -> None:
        now = time.monotonic()
        self.next_look_at, self.not_before, self.is_wanted = now + LOOK_SECONDS, now + RESTART_SECONDS, False
        self.pid = _fork(is_last=is_last)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            if self.pid and os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                return
        self.pid = 0


def _fork(*, is_last: bool) -> int:
    """Fork a sender; returns its process id, or 0 where there was no process to be had (the next look tries again)."""
    parent = os.getpid()
    try:
        pid = fork()
    except OSError as error:
        logger.warning("issue_tracker: no sender of notifications could be started: %s", error)
        return 0
    if not pid:
        seconds = LAST_LIFE_SECONDS if is_last else LIFE_SECONDS
        _send_and_exit(seconds, with_parent=0 if is_last else parent)
    return pid


def _send_and_exit(seconds: float, *, with_parent: int) -> NoReturn:
    try:
        begin_anew(ends_within_seconds=seconds + 10)
        send_waiting(goes_on=_lives(seconds, with_parent=with_parent))
        connections.close_all()
    except Exception as error:  # noqa: BLE001  the database is away, say: the rows wait for the next sender
        with suppress(Exception):
            logger.warning("issue_tracker: notifications wait, the next try is in a minute: %s", error)
    finally:
        os._exit(0)
