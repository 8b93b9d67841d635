"""One message to one channel, in a process of its own: 5 s in all, whatever the channel does. Right of the seam.

A name server that hangs, a server that drips, a library that waits: no timeout of Python's reaches all of these, the
end of a process does. So each message is sent by a forked child that its parent waits for and then kills; nothing that
a channel's library leaves behind (threads, memory, patched modules) outlives it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _

from issue_tracker.forking import begin_anew, fork
from issue_tracker.rules import MAIL

from . import chat, mail
from .errors import ChannelError, said

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SECONDS: Final = 5.0
"""For one message, from the fork to the answer. RELIABILITY's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try."""

    is_sent: bool
    error: str = ""
    """In plain words, without the address of the channel."""
    retry_after_seconds: float | None = None
    """How long the channel asked to be left alone."""


def deliver(to: str, subject: str, body: str, *, within_seconds: float = MAX_SECONDS) -> Outcome:
    """Send a message and return what became of it, after `within_seconds` at the latest. Never raises."""
    send = mail.send if _is_mail(to) else chat.send
    try:
        if send is chat.send:
            chat.load(to)  # here, once: half a second that each child would take again
        return _in_a_child(lambda: send(to, subject, body), within_seconds)
    except Exception as error:  # noqa: BLE001  a library that can't be imported, no process to be had: said, and tried again
        return Outcome(is_sent=False, error=said(error))


def label_of(to: str, key: str) -> str:
    """Return the masked address of a channel: its kind, its host as far as that is no secret, a bit of its key."""
    if _is_mail(to):
        return f"mail to {to.partition(':')[2].replace(',', ', ') or 'ADMINS'}"[:255]
    return f"{chat.masked(to)} ({key[:4]})"


def _is_mail(to: str) -> bool:
    return to == MAIL or to.startswith(f"{MAIL}:")


def _in_a_child(send: Callable[[], None], within_seconds: float) -> Outcome:
    reader, writer = os.pipe()
    pid = fork()
    if not pid:
        try:
            os.close(reader)
            begin_anew(ends_within_seconds=within_seconds + 1)
            _answer(send, writer)
        finally:
            os._exit(0)
    os.close(writer)
    try:
        answer = _read(reader, within_seconds)
    finally:
        os.close(reader)
        _end(pid)
    if answer is None:
        return Outcome(is_sent=False, error=_("No answer within %g s.") % within_seconds)
    if not answer:
        return Outcome(is_sent=False, error=_("The process that was to send it was killed."))
    return Outcome(**json.loads(answer))


def _answer(send: Callable[[], None], writer: int) -> None:
    """Send, and write what became of it into the pipe."""
    try:
        send()
        outcome = Outcome(is_sent=True)
    except ChannelError as error:
        outcome = Outcome(is_sent=False, error=said(error), retry_after_seconds=error.retry_after_seconds)
    except BaseException as error:  # noqa: BLE001  whatever a channel's library raises is that it was not sent
        outcome = Outcome(is_sent=False, error=said(error))
    os.write(writer, json.dumps(asdict(outcome)).encode())


def _read(reader: int, within_seconds: float) -> bytes | None:
    """Read until the child has said all; None when it has not in time."""
    deadline = time.monotonic() + within_seconds
    parts: list[bytes] = []
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(reader, 65_536)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return None


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):  # the host waits for all children by itself
        os.waitpid(pid, 0)
