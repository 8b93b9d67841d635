"""Messages by Django's mail: to ADMINS or a list of addresses, as plain text. Right of the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from issue_tracker.plain import printable
from issue_tracker.scrubber import scrub

from .errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Sequence


def recipients(to: str) -> list[str]:
    """Return the addresses of a channel; for a bare `mail` those of ADMINS, which may hold pairs with a name."""
    _mail, _colon, addresses = to.partition(":")
    if addresses:
        return addresses.split(",")
    admins: Sequence[str | tuple[str, str]] = settings.ADMINS
    return [admin if isinstance(admin, str) else admin[1] for admin in admins]


def send(to: str, subject: str, body: str) -> None:
    """Send a mail. Raises ChannelError with what the mail server said."""
    addresses = recipients(to)
    if not addresses:
        raise ChannelError(_("ADMINS is empty: name somebody there, or a list of addresses in the rule's 'to'."))
    line = " ".join(f"{settings.EMAIL_SUBJECT_PREFIX}{subject}".split())  # no line end can begin another header
    headers = {"Auto-Submitted": "auto-generated"}
    mail = EmailMessage(printable(line), body, settings.SERVER_EMAIL, addresses, headers=headers)
    try:
        mail.send()
    except Exception as error:  # noqa: BLE001  whatever the host's mail backend raises
        text = " ".join(scrub(printable(error)).split())
        raise ChannelError(f"{type(error).__name__}: {text}") from None
