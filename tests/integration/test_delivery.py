"""One message to one channel, whatever the channel does: an answer in time, and never the address in it."""

from __future__ import annotations

import email
import email.policy
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from issue_tracker.notify import chat
from issue_tracker.notify.delivery import deliver, label_of
from tests.channels import Channels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

SECRETS = ("s3cretpassword", "T0KENT0KEN")


@pytest.fixture(scope="module")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channels]:
    """A service that behaves as its path says."""
    found = Channels(tmp_path_factory.mktemp("channels"))
    with found.served():
        yield found


@pytest.fixture
def mailbox(tmp_path: Path, settings: SettingsWrapper) -> Path:
    """A directory that mails are written to."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mails")
    settings.ADMINS = [("Ops", "ops@example.com"), ("Ana", "ana@example.com")]
    return tmp_path / "mails"


def test_a_message_arrives(channels: Channels) -> None:
    """Subject and text as they are."""
    outcome = deliver(channels.url("ok"), "New: ValueError", "Message: it broke & more\n\nhttps://example.com")

    assert outcome.is_sent, outcome
    last = channels.told()[-1]
    assert (last["title"], last["message"]) == ("New: ValueError", "Message: it broke & more\n\nhttps://example.com")


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("hang", "No answer within 2 s."),
        ("drip", "No answer within 2 s."),
        ("500", "HTTP 500"),
        ("404", "HTTP 404"),
        ("429", "HTTP 429"),
        ("away", "HTTP 307 (a redirect, which is not followed)"),
    ],
)
def test_what_does_not_arrive_is_told_in_time(channels: Channels, way: str, error: str) -> None:
    """In plain words, and without the address of the channel."""
    begun = time.monotonic()

    outcome = deliver(channels.url(way), "s", "b", within_seconds=2)

    assert not outcome.is_sent
    assert outcome.error == error
    assert time.monotonic() - begun < 20  # not the sixty that it would take


def test_a_redirect_leads_nowhere(channels: Channels) -> None:
    """Least of all to loopback, where others trust whoever comes."""
    deliver(channels.url("away"), "s", "b")

    assert not [told for told in channels.told() if "inside" in told["path"]]


def test_a_huge_answer_is_not_read(channels: Channels) -> None:
    """64 KiB of it are enough to know that the message was taken."""
    assert deliver(channels.url("huge"), "s", "b").is_sent


def test_a_channel_says_how_long_to_leave_it_alone(channels: Channels) -> None:
    """By its Retry-After."""
    assert deliver(channels.url("429"), "s", "b").retry_after_seconds == 7
    assert deliver(channels.url("500"), "s", "b").retry_after_seconds is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7.0), ("0", 0.0), (" 12.5 ", 12.5), ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0.0), ("", None), ("soon", None), ("-5", None), ("9" * 400, None),
    ],
)  # fmt: skip
def test_a_pause_is_seconds_or_a_date(text: str, expected: float | None) -> None:
    """And nothing else."""
    assert chat.seconds_of(text, now=datetime(2026, 10, 21, 7, 27, tzinfo=UTC)) == expected


def test_nobody_there_is_told(tmp_path: Path) -> None:
    """With the system's own word for it."""
    outcome = deliver(Channels(tmp_path).url("ok"), "s", "b")

    assert outcome.error == "ConnectionRefusedError: Connection refused"


@pytest.mark.parametrize("url", ["nonsense://x", "json://", "slack://x", "://"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    """With where to look."""
    assert "apprise knows no such URL" in deliver(url, "s", "b").error


def test_the_address_is_masked_wherever_it_is_shown(channels: Channels) -> None:
    """In the label of the channel, and in every error."""
    shown = [label_of(channels.url("ok"), "abcdef")]
    shown += [deliver(channels.url(way), "s", "b", within_seconds=2).error for way in ("500", "away")]
    shown += [label_of("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", "abcdef")]

    assert shown[0] == f"json://127.0.0.1:{channels.port}/… (abcd)"
    assert shown[-1] == "slack://T...2/… (abcd)"
    assert not [text for text in shown for secret in (*SECRETS, "T1JJ3T3L2", "TIiaj") if secret in text]


def test_a_complaint_of_the_library_loses_the_address() -> None:
    """Where a channel speaks no HTTP, its library's last words are all there is."""
    words = chat._without("mqtt://user:s3cret+word@example.com/topic?token=abcdef", "no s3cret, word, abcdef or 12")

    assert not [secret for secret in ("s3cret", "word", "abcdef") if secret in words]
    assert words.endswith("or 12")


def test_mail_goes_to_the_admins(mailbox: Path) -> None:
    """As plain text, from SERVER_EMAIL, marked as a machine's."""
    assert deliver("mail", "New: ValueError", "Message: <b>it broke</b>\n").is_sent

    mail = read(mailbox)
    assert mail["To"] == "ops@example.com, ana@example.com"
    assert mail["Subject"] == "[Django] New: ValueError"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().strip() == "Message: <b>it broke</b>"


def test_mail_goes_to_a_list(mailbox: Path) -> None:
    """Instead."""
    assert deliver("mail:a@example.com,b@example.com", "s", "b").is_sent

    assert read(mailbox)["To"] == "a@example.com, b@example.com"


def test_a_subject_can_not_inject_a_header(mailbox: Path) -> None:
    """Line ends of whatever kind are blanks."""
    assert deliver("mail", "New: x\r\nBcc: evil@example.com\n\nbody\x0b\x85\u2028y", "b").is_sent

    mail = read(mailbox)
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[Django] New: x Bcc: evil@example.com body y"


def test_mail_without_admins_is_told(settings: SettingsWrapper) -> None:
    """With what to do."""
    settings.ADMINS = []

    assert "ADMINS is empty" in deliver("mail", "s", "b").error


def test_a_mail_server_that_hangs_is_left(settings: SettingsWrapper) -> None:
    """Django's mail waits for ever by default."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_PORT = silent.getsockname()[1]

        assert deliver("mail:a@example.com", "s", "b", within_seconds=1).error == "No answer within 1 s."


def test_a_mail_server_that_is_gone_is_told(settings: SettingsWrapper, tmp_path: Path) -> None:
    """In the words of the system."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", Channels(tmp_path).port

    assert "Connection refused" in deliver("mail:a@example.com", "s", "b").error


def read(mailbox: Path) -> email.message.EmailMessage:
    """The one mail that was written."""
    [path] = mailbox.iterdir()
    raw = path.read_bytes().rpartition(b"\n-----")[0]
    return email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[arg-type,return-value]
