"""The keeper: a process that only waits for its drainer, and forks another one when that is killed. Right of the seam.

worker → keeper → drainer. The worker can't do it: it may have threads and connections by then, which a fork would
break. The keeper has neither, so it may fork at any time, whatever the pool. When the keeper itself is killed, its
drainer becomes the next keeper. Both know of the worker's end by a pidfd of Linux; where there is none (other systems,
a seccomp filter), the worker's child is the drainer itself, and a killed one is missed until the worker starts again.
"""

from __future__ import annotations

import logging
import os
import posix  # the calls themselves: gevent and eventlet put others in their place in `os`
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

logger = logging.getLogger("issue_tracker")

FIRST_PAUSE_SECONDS: Final = 0.1
MAX_PAUSE_SECONDS: Final = 5.0
PAUSE_GROWTH: Final = 3.0
HEALTHY_SECONDS: Final = 10.0
"""A drainer that lived so long did not die of its start: the next one is forked after the first pause."""
_IGNORED: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""What a terminal or an operator sends to a worker and all it started: their end is the worker's to decide."""


@dataclass(slots=True, kw_only=True)
class Employer:
    """The worker that a drainer serves, as seen from below."""

    pid: int
    pidfd: int = -1

    def watch(self) -> bool:
        """Get hold of the worker by a descriptor; returns whether that was possible. To be called by its child."""
        if self.pidfd < 0 and hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal"):
            with suppress(OSError):
                self.pidfd = os.pidfd_open(self.pid)
        return self.pidfd >= 0

    def is_gone(self) -> bool:
        """Tell whether the worker has ended, a zombie included."""
        if self.pidfd < 0:
            return os.getppid() != self.pid
        try:
            signal.pidfd_send_signal(self.pidfd, 0)  # not `poll`, which eventlet removes
        except ProcessLookupError:
            return True
        except OSError:  # it has become another user's
            return False
        return _is_zombie(self.pid)


@dataclass(slots=True, kw_only=True)
class Keeper:
    """Keeps one drainer alive as long as the worker lives, and until nothing is left of it to tell."""

    employer: Employer
    drain: Callable[[int], None]
    """What a drainer does, in a process of its own; its argument: the keeper's process id."""
    drainer_pid: int = 0
    is_told: bool = False
    pause_seconds: float = FIRST_PAUSE_SECONDS

    def run(self) -> None:
        """Fork drainers until one has ended that was meant to."""
        become(self.end)
        while True:
            begun = time.monotonic()
            self._fork()
            status = posix.waitpid(self.drainer_pid, 0)[1]
            self.drainer_pid = 0
            is_done = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
            if self.is_told or (is_done and self.employer.is_gone()):
                return
            logger.warning("issue_tracker: the drainer ended (%s), another one takes its place", _how(status))
            self._rest(lived_seconds=time.monotonic() - begun)

    def end(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Let the drainer drain what is left and end, and end with it."""
        self.is_told = True
        if self.drainer_pid:
            with suppress(ProcessLookupError):
                os.kill(self.drainer_pid, signal.SIGTERM)

    def _fork(self) -> None:
        with _held_back(signal.SIGTERM):  # else the child could run the keeper's handler, or lose the signal
            pid = os.fork()
            if not pid:
                _end_with(self.drain, os.getppid())
            self.drainer_pid = pid
        if self.is_told:
            self.end()

    def _rest(self, *, lived_seconds: float) -> None:
        if lived_seconds > HEALTHY_SECONDS:
            self.pause_seconds = FIRST_PAUSE_SECONDS
        until = time.monotonic() + self.pause_seconds
        while time.monotonic() < until and not self.is_told:
            time.sleep(FIRST_PAUSE_SECONDS)
        self.pause_seconds = min(MAX_PAUSE_SECONDS, self.pause_seconds * PAUSE_GROWTH)


def _is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and waits for its parent to notice, which may take for ever."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b")")[2].split()[:1] == [b"Z"]
    except OSError:
        return False


def become(end: Callable[[int, FrameType | None], None]) -> None:
    """Take the signals of a process beside the worker: SIGTERM calls `end`, the worker's other ones are ignored."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _end_with(drain: Callable[[int], None], keeper_pid: int) -> None:
    code = 1
    try:
        drain(keeper_pid)
        code = 0
    except BaseException:  # whatever it is, the keeper forks another one
        logger.exception("issue_tracker: the drainer failed")
    finally:
        os._exit(code)


@contextmanager
def _held_back(number: signal.Signals) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return f"exit code {os.WEXITSTATUS(status)}"
