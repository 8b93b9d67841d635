"""What is sent, when, and how often: cool-down, sixty an hour, one digest, back-off, and nothing lost meanwhile.

Hours pass by a clock of the test's own; messages go through real channels.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connections
from django.utils import timezone

from issue_tracker.models import Channel, Notification, OperationalIssue
from issue_tracker.notify import send_waiting, state
from issue_tracker.notify.delivery import Outcome
from tests.channels import Channels
from tests.events import an_event, stored
from tests.telling import Clock, different, tell, titles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_ten_thousand_failures_of_one_issue_are_two_messages(
    settings: SettingsWrapper, chat: Channels, clock: Clock
) -> None:
    """The first at once; the milestone when the hour of the cool-down is over; no other on that day."""
    tell(settings, {"to": chat.url("ok")})
    for _batch in range(20):
        stored(*[an_event() for _number in range(500)])
        clock.go_on(minutes=1)

    clock.go_on(minutes=38)
    [first] = titles(chat)
    clock.go_on(minutes=180, every=5)

    assert first == "New: ValueError in cinema.tasks.download"
    assert titles(chat)[1:] == ["1,000 failures within an hour: ValueError in cinema.tasks.download"]
    assert OperationalIssue.objects.get().occurrence_count == 10_000


def test_a_thousand_issues_are_sixty_messages_and_a_digest(
    settings: SettingsWrapper, chat: Channels, clock: Clock
) -> None:
    """Each issue is named once."""
    tell(settings, {"to": chat.url("ok")})
    for start in range(0, 1000, 250):
        different(*range(start, start + 250))

    clock.go_on(minutes=59)

    heads, [digest] = titles(chat)[:60], chat.told()[60:]
    assert digest["title"] == "Digest: 940 more issues"
    assert set(heads) <= {f"New: Error{n:04} in cinema.tasks.download" for n in range(1000)}
    named = Counter(re.findall(r"Error\d{4}", "\n".join([*heads, digest["message"]])))
    assert named == {f"Error{n:04}": 1 for n in range(1000)}
    assert digest["message"].splitlines()[-1] == "https://example.com/admin/issue_tracker/operationalissue/"
    clock.go_on(minutes=120, every=5)
    assert len(titles(chat)) == 61


def test_a_storm_that_goes_on_makes_one_digest_an_hour(settings: SettingsWrapper, clock: Clock) -> None:
    """And never more than sixty messages in any hour."""
    tell(settings, {"to": "json://127.0.0.1:9/"})
    sent: list[tuple[datetime, str]] = []

    def send(_to: str, subject: str, _body: str) -> Outcome:
        sent.append((clock.now(), subject))
        return Outcome(is_sent=True)

    for step in range(75):
        different(*range(step * 6, step * 6 + 6))
        clock.go_on(minutes=2, every=2, send=send)

    for is_digest, most in ((False, 60), (True, 1)):
        moments = [moment for moment, subject in sent if subject.startswith("Digest") == is_digest]
        assert moments
        for moment in moments:
            assert sum(moment <= other < moment + timedelta(hours=1) for other in moments) <= most


def test_a_channel_that_was_away_gets_all_when_it_is_back(
    settings: SettingsWrapper, channels: Channels, clock: Clock
) -> None:
    """Nothing is lost, it is tried again and again, ever more rarely, and the fault is there to be seen."""
    tell(settings, {"to": channels.url("ok")})
    different(1, 2, 3)
    clock.go_on(minutes=300, every=5)

    now = state()
    [channel] = now.broken
    assert (now.waiting_count, now.dropped_count) == (3, 0)
    assert channel.last_error == "ConnectionRefusedError: Connection refused"
    assert 6 <= channel.failure_count <= 15
    assert channel.failing_since is not None
    assert channel.failing_since < clock.now() - timedelta(minutes=290)
    assert "T0KENT0KEN" not in str(channel)

    with channels.served():
        clock.go_on(minutes=61)

        assert sorted(titles(channels)) == [f"New: Error{n:04} in cinema.tasks.download" for n in (1, 2, 3)]
    assert state().broken == ()
    assert state().waiting_count == 0


def test_a_broken_channel_holds_up_no_other(settings: SettingsWrapper, chat: Channels, clock: Clock) -> None:
    """What is for it waits; the rest goes."""
    tell(settings, {"to": chat.url("500")}, {"to": chat.url("ok")})
    different(1, 2)

    clock.go_on(minutes=2)

    assert Notification.objects.waiting().count() == 2
    assert [told["title"] for told in chat.told() if told["path"].startswith("/ok")] == [
        "New: Error0001 in cinema.tasks.download",
        "New: Error0002 in cinema.tasks.download",
    ]


def test_a_channel_is_left_alone_as_long_as_it_asks(settings: SettingsWrapper, chat: Channels, clock: Clock) -> None:
    """Its Retry-After counts, not our own back-off."""
    tell(settings, {"to": chat.url("429")})
    different(1)

    send_waiting(clock=clock)

    channel = Channel.objects.get()
    assert channel.next_try_at == clock.now() + timedelta(seconds=7)
    assert channel.last_error == "HTTP 429"


def test_a_message_that_a_channel_refuses_is_given_up_in_the_end(settings: SettingsWrapper, clock: Clock) -> None:
    """Where it takes all others; and it keeps none of them."""
    tell(settings, {"to": "json://127.0.0.1:9/"})
    taken: list[str] = []

    def send(_to: str, subject: str, _body: str) -> Outcome:
        if "Error0001" in subject:
            return Outcome(is_sent=False, error="HTTP 400")
        taken.append(subject)
        return Outcome(is_sent=True)

    different(*range(1, 6))
    for minute in range(60 * 24):
        clock.rest(60)
        if minute % 30 == 0:
            different(100 + minute)
        if minute % 5 == 0:
            send_waiting(clock=clock, send=send)

    assert len(taken) == 4 + 48
    [dropped] = Notification.objects.filter(state="dropped")
    assert dropped.note == "Refused 10 times: HTTP 400"
    assert state().dropped_count == 1


def test_the_cool_down_outlives_a_resolution(settings: SettingsWrapper, chat: Channels, clock: Clock) -> None:
    """A condition that comes and goes is told once an hour."""
    tell(settings, {"to": chat.url("ok")})
    for _time in range(5):
        stored(an_event())
        clock.go_on(minutes=5)
        OperationalIssue.objects.open().resolve()
    stored(an_event())
    clock.go_on(minutes=50)

    assert titles(chat) == [
        "New: ValueError in cinema.tasks.download",
        "Returned: ValueError in cinema.tasks.download",
    ]


def test_without_folding_the_cool_down_is_that_of_the_failure(
    settings: SettingsWrapper, chat: Channels, clock: Clock
) -> None:
    """DEDUP_WINDOW 0 makes every failure an issue."""
    tell(settings, {"to": chat.url("ok")})
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDOW": 0}
    stored(*[an_event() for _number in range(300)])

    clock.go_on(minutes=59)

    assert len(titles(chat)) == 1
    assert Notification.objects.waiting().count() == 0


def test_what_was_resolved_or_muted_meanwhile_is_not_told(
    settings: SettingsWrapper, channels: Channels, clock: Clock
) -> None:
    """While its channel was away."""
    tell(settings, {"to": channels.url("ok")})
    different(1, 2, 3)
    clock.go_on(minutes=2)
    OperationalIssue.objects.get(name="Error0001").resolve()
    OperationalIssue.objects.get(name="Error0002").mute()

    with channels.served():
        clock.go_on(minutes=30)

        assert titles(channels) == ["New: Error0003 in cinema.tasks.download"]


def test_a_daily_digest_comes_once_a_day(settings: SettingsWrapper, chat: Channels, clock: Clock) -> None:
    """At eight, of what the rule is about."""
    tell(settings, {"to": chat.url("ok"), "reasons": ["daily"], "tasks": ["cinema.*"]})
    different(1, 2)
    stored(an_event(task="billing.x", fingerprint="e" * 64))
    clock.moment = timezone.localtime(clock.moment).replace(hour=7, minute=0) + timedelta(days=1)
    OperationalIssue.objects.update(created_at=clock.moment, last_seen_at=clock.moment)
    assert clock.go_on(minutes=58) == 0

    clock.go_on(minutes=60 * 20, every=20)

    [told] = chat.told()
    assert told["title"] == "Daily digest: 2 new, 0 returned, 2 open"
    assert "- Error0001 in cinema.tasks.download (1 ×)" in told["message"]
    assert "billing" not in told["message"]


def test_old_rows_and_lost_channels_are_tidied_away(settings: SettingsWrapper, chat: Channels, clock: Clock) -> None:
    """What waits for a channel that the settings lost is given up after a day; what is settled stays a month."""
    tell(settings, {"to": chat.url("ok")}, {"to": ["gone@example.com"]})
    stored(an_event())
    tell(settings, {"to": chat.url("ok")})

    clock.go_on(minutes=60 * 23, every=20)
    assert Counter(Notification.objects.values_list("state", flat=True)) == {"sent": 1, "waiting": 1}
    clock.go_on(minutes=120)
    assert Counter(Notification.objects.values_list("state", flat=True)) == {"sent": 1, "dropped": 1}
    clock.rest(32 * 86_400)
    send_waiting(clock=clock)
    assert Notification.objects.count() == 0


def test_a_channel_of_other_settings_keeps_its_messages(
    settings: SettingsWrapper, channels: Channels, clock: Clock
) -> None:
    """Hosts need not have the same; one that does not know a channel must not give up what another still tries."""
    both = [{"to": channels.url("ok")}, {"to": "json://127.0.0.1:9/", "reasons": ["daily"]}]
    tell(settings, *both)
    stored(an_event())
    for _hour in range(60):
        tell(settings, *both)
        send_waiting(clock=clock)
        tell(settings, both[1])
        send_waiting(clock=clock)
        clock.rest(3600)

    assert Notification.objects.waiting().filter(reason="new").count() == 1


@pytest.mark.django_db(transaction=True)
def test_senders_at_once_send_nothing_twice(settings: SettingsWrapper) -> None:
    """And not more than sixty together: each waits for its turn to choose."""
    tell(settings, *[{"to": f"json://127.0.0.1:9/{n}"} for n in range(12)])
    different(*range(6))
    told: list[tuple[str, str]] = []

    def send(to: str, subject: str, _body: str) -> Outcome:
        told.append((to, subject))
        return Outcome(is_sent=True)

    def work() -> None:
        send_waiting(send=send)
        connections.close_all()

    threads = [threading.Thread(target=work) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told) == len(set(told)) == 60
    assert Notification.objects.filter(state="sent").count() == 60


def test_a_killed_sender_keeps_its_channel_for_seconds_only(settings: SettingsWrapper, clock: Clock) -> None:
    """Then its message is sent by the next one."""
    tell(settings, {"to": "json://127.0.0.1:9/"})
    stored(an_event())
    told: list[str] = []

    class Killed(BaseException):
        pass

    def die(*_message: str) -> Outcome:
        raise Killed

    def send(_to: str, subject: str, _body: str) -> Outcome:
        told.append(subject)
        return Outcome(is_sent=True)

    with pytest.raises(Killed):
        send_waiting(clock=clock, send=die)
    assert send_waiting(clock=clock, send=send) == 0
    clock.rest(16)
    send_waiting(clock=clock, send=send)

    assert told == ["New: ValueError in cinema.tasks.download"]
