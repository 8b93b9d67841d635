"""Messages by apprise: Slack and a hundred others, each by a URL. Right of the seam.

Runs in the child that `delivery` forks. apprise says of a failure only that it was one, follows redirects and reads
answers whole. It sends by `requests`, whose sessions are watched here, in this one short-lived process: the status and
Retry-After are seen, a redirect is no success and is not followed (it may lead to loopback), 64 KiB of an answer are
enough.
"""

from __future__ import annotations

import importlib
import logging
import re
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from issue_tracker.plain import printable
from issue_tracker.scrubber import MASK, scrub

from . import wording
from .errors import ChannelError, said

MAX_ANSWER_BYTES: Final = 65_536


def load(to: str) -> Any:
    """Import what a channel needs and return apprise's object for it. Raises ChannelError where there is none."""
    try:
        with warnings.catch_warnings():  # its plugins' own, which a host that makes errors of them can't mend
            warnings.simplefilter("ignore")
            importlib.import_module("requests")
            apprise = importlib.import_module("apprise")
            target = apprise.Apprise.instantiate(to, asset=apprise.AppriseAsset(async_mode=False))
    except ImportError:
        text = _("apprise is not installed: pip install 'django-issue-tracker[notify]'.")
        raise ChannelError(text) from None
    if target is None:
        raise ChannelError(_("apprise knows no such URL: see its documentation for what this service needs."))
    return target


def masked(to: str) -> str:
    """Return the kind of a channel, and its host as apprise masks it; never its path, which may be the secret."""
    scheme = to.partition("://")[0]
    with suppress(Exception):
        shown = str(load(to).url(privacy=True)).partition("://")[2]
        host = re.split(r"[/?#]", shown)[0].rpartition("@")[2]
        return f"{scheme}://{host}/…"[:200]
    return f"{scheme}://…"


def send(to: str, subject: str, body: str) -> None:
    """Send a message. Raises ChannelError."""
    target, words, watch = load(to), _Words(), _Watch()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [words], False
    watch.install()
    text = wording.fitted(body, max_characters=max(200, int(target.body_maxlen)))
    apprise = importlib.import_module("apprise")
    if target.notify(title=subject, body=text, body_format=apprise.NotifyFormat.TEXT):
        return
    error = watch.error or _without(to, words.last) or _("The channel did not take it.")
    raise ChannelError(error, retry_after_seconds=watch.retry_after_seconds)


class _Watch:
    """What the sessions of `requests` met."""

    def __init__(self) -> None:
        self.error = ""
        self.retry_after_seconds: float | None = None

    def install(self) -> None:
        """Send everything past this, until the process ends."""
        session = importlib.import_module("requests").Session
        self._send = session.send
        session.send = lambda session, request, **options: self._watched(session, request, options)

    def _watched(self, session: Any, request: Any, options: dict[str, Any]) -> Any:
        try:
            response = self._send(session, request, **{**options, "allow_redirects": False, "stream": True})
            response._content = next(response.iter_content(MAX_ANSWER_BYTES), b"")
            response._content_consumed = True
            response.close()
        except Exception as error:
            self.error = said(error)
            raise
        self._judge(response)
        return response

    def _judge(self, response: Any) -> None:
        status = response.status_code
        if status < 300:
            return
        self.error = f"HTTP {status}" + (" " + _("(a redirect, which is not followed)") if status < 400 else "")
        if status in {429, 503}:
            self.retry_after_seconds = seconds_of(response.headers.get("Retry-After", ""), now=datetime.now(UTC))


def seconds_of(text: str, *, now: datetime) -> float | None:
    """Read a Retry-After: seconds, or a date. None where it says neither."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text.strip()):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):
        return None


class _Words(logging.Handler):
    """The last complaint of apprise's log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _without(to: str, text: str) -> str:
    """Return a text without any part of a channel's address that could be secret."""
    parts = {part for part in re.split(r"[/:@?&=#+,]+", to.partition("://")[2]) if len(part) > 3}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, MASK)
    return " ".join(scrub(printable(text)).split())[:200]
