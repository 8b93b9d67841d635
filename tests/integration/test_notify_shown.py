"""How notifying is doing, as people see it: the commands, the overview, the rows of the database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from celery import Celery
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from issue_tracker.doctor import Finding, examine
from issue_tracker.doctor import channels as doctor_channels
from issue_tracker.models import Notification
from issue_tracker.notify import send_waiting
from tests.channels import Channels
from tests.events import an_event, stored
from tests.telling import Clock, tell, titles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Clock:
    """Time that passes when somebody waits."""
    return Clock()


@pytest.fixture
def channels(tmp_path: Path) -> Channels:
    """A chat service that is not there yet."""
    return Channels(tmp_path)


@pytest.fixture
def chat(channels: Channels) -> Iterator[Channels]:
    """A chat service that is there."""
    with channels.served():
        yield channels


def test_a_test_message_shows_each_channel(
    settings: SettingsWrapper, chat: Channels, capsys: pytest.CaptureFixture[str]
) -> None:
    """What each answered, the address masked; the exit code says whether all took it."""
    tell(settings, {"to": chat.url("ok")}, {"to": chat.url("404")})

    with pytest.raises(SystemExit) as ended:
        call_command("issues", "notify-test")

    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(") ")[0].rpartition(": ")[2] for line in lines] == ["sent", "HTTP 404"]
    assert "T0KENT0KEN" not in "".join(lines)
    assert titles(chat) == ["Test: issue_tracker can reach this channel"] * 2
    tell(settings, {"to": chat.url("ok")})
    call_command("issues", "notify-test")


def test_a_test_without_channels_says_so(settings: SettingsWrapper, capsys: pytest.CaptureFixture[str]) -> None:
    """And where to read on."""
    tell(settings)

    with pytest.raises(SystemExit):
        call_command("issues", "notify-test")

    assert "NOTIFY is empty" in capsys.readouterr().out


def test_the_command_sends_what_waits(
    settings: SettingsWrapper, chat: Channels, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no worker runs, by cron."""
    tell(settings, {"to": chat.url("ok")})
    stored(an_event())

    call_command("issues", "notify")

    assert capsys.readouterr().out == "1 sent, 0 waiting.\n"
    assert len(titles(chat)) == 1


def test_the_overview_shows_a_broken_channel(
    settings: SettingsWrapper, channels: Channels, clock: Clock, admin_client: Client
) -> None:
    """With its last error and since when, its address masked."""
    tell(settings, {"to": channels.url("ok")})
    stored(an_event())
    send_waiting(clock=clock)

    page = admin_client.get("/admin/issue_tracker/operationalissue/overview/").content.decode()

    assert "ConnectionRefusedError: Connection refused" in page
    assert f"json://127.0.0.1:{channels.port}/…" in page
    assert "T0KENT0KEN" not in page
    assert "s3cretpassword" not in page


def test_the_doctor_names_a_broken_channel(settings: SettingsWrapper, channels: Channels, clock: Clock) -> None:
    """And otherwise says that all is well, or that nobody is told."""
    tell(settings)
    assert [f.level for f in found_by_doctor()] == ["ok"]
    tell(settings, {"to": channels.url("ok")})
    stored(an_event())
    assert [f.level for f in found_by_doctor()] == ["ok"]

    send_waiting(clock=clock)

    [finding] = found_by_doctor()
    assert finding.level == "warning"
    assert "ConnectionRefusedError: Connection refused" in finding.text
    assert "T0KENT0KEN" not in finding.text


def test_the_doctor_tells_when_nobody_sends(settings: SettingsWrapper, channels: Channels) -> None:
    """No worker, and no cron."""
    tell(settings, {"to": channels.url("ok")})
    stored(an_event())
    Notification.objects.update(created_at=timezone.now() - timedelta(hours=3))

    [finding] = found_by_doctor()

    assert finding.level == "warning"
    assert "issues notify" in finding.advice


def found_by_doctor() -> list[Finding]:
    """What the doctor says of the channels."""
    return list(examine(Celery(set_as_current=False), checks=[doctor_channels.channels]))


def test_no_address_reaches_the_database(settings: SettingsWrapper, channels: Channels, clock: Clock) -> None:
    """Of the channel a keyed hash and a mask are stored."""
    tell(settings, {"to": channels.url("500")})
    stored(an_event())
    send_waiting(clock=clock)

    with connection.cursor() as cursor:
        for table in ("issue_tracker_channel", "issue_tracker_notification"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608  names of our own
            found = repr(cursor.fetchall())
            assert "127.0.0.1" in found or table.endswith("notification")
            assert "T0KENT0KEN" not in found
            assert "s3cretpassword" not in found
