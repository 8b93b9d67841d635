"""The process that sends, beside a real drainer: it is there when it is needed, and in nobody's way."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from issue_tracker.drain.batches import drain_lock
from issue_tracker.event import encode
from issue_tracker.inflight.runs import slots_directory
from issue_tracker.models import Notification, Occurrence
from issue_tracker.spool import current
from tests import spools
from tests.channels import Channels
from tests.databases import address_of
from tests.drainers import Worker
from tests.events import an_event
from tests.processes import ROOT, children_of, end, is_running, send, until
from tests.workers import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the same on every database: run on SQLite"),
]


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Channels]:
    """A chat service."""
    found = Channels(tmp_path)
    with found.served():
        yield found


@pytest.fixture
def start(tmp_path: Path, settings: SettingsWrapper, chat: Channels) -> Iterator[Callable[[str], Worker]]:
    """Start workers that tell a channel of this way."""
    workers: list[Worker] = []

    def start_one(way: str) -> Worker:
        told = {"NOTIFY": [{"to": chat.url(way)}]}
        host = Host(directory=tmp_path, broker_url="memory://", database_url=address_of(connection), issue_tracker=told)
        settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, **told, "SPOOL_DIR": str(host.spool_dir)}
        workers.append(Worker(host))
        return workers[-1]

    yield start_one
    for worker in workers:
        family = children_of(worker.drainer)
        worker.end()
        for pid in family:
            send(pid, signal.SIGKILL)


def put(count: int = 1) -> None:
    """Append failures to the spool of this test."""
    for _number in range(count):
        assert current().append(encode(an_event()), key="k", stub=lambda: b"")


def wait_for(chat: Channels, count: int) -> list[str]:
    """Return the subjects once so many messages arrived."""
    until(lambda: len(chat.told()) >= count, why=f"{count} messages arrived", timeout_seconds=40)
    return [told["title"] for told in chat.told()]


def test_what_is_drained_is_told(start: Callable[[str], Worker], chat: Channels) -> None:
    """Within seconds, without anybody's doing."""
    start("ok")
    put(3)

    assert wait_for(chat, 1) == ["New: ValueError in cinema.tasks.download"]
    until(lambda: Notification.objects.get().state == "sent", why="it is settled")


def test_a_channel_that_hangs_does_not_hold_up_the_drain(start: Callable[[str], Worker], chat: Channels) -> None:
    """The drainer waits for nobody but the database."""
    start("hang")
    put()
    wait_for(chat, 1)

    put(700)

    until(lambda: Occurrence.objects.count() == 701, why="all is drained")
    assert Notification.objects.get().state == "waiting"


def test_the_last_word_of_a_killed_worker_is_told(start: Callable[[str], Worker], chat: Channels) -> None:
    """What it was running is found by the drainer it leaves behind, which may be the last process of its host."""
    worker = start("ok")
    until(has_drainer, why="it drains")
    code = """
    from issue_tracker.inflight.slots import Slots
    slots = Slots(Path(sys.argv[1]))
    slots.enter(task="scrape", task_id="id", attempt=0, token="t", started_ns=10**9, arguments="(5,)\\0{}")
    os.kill(os.getpid(), signal.SIGKILL)
    """
    spools.start(code, slots_directory()).communicate()
    worker.process.kill()

    [subject] = wait_for(chat, 1)
    assert subject.endswith(" in scrape")
    until(lambda: not is_running(worker.drainer), why="the drainer ended", timeout_seconds=40)
    until(lambda: not worker.host.processes(), why="nobody of the host is left", timeout_seconds=40)


def test_what_came_last_is_told_after_the_end(start: Callable[[str], Worker], chat: Channels) -> None:
    """A worker that is told to end leaves a sender behind, which ends by itself."""
    worker = start("ok")
    until(has_drainer, why="it drains")
    put(20)

    worker.process.send_signal(signal.SIGTERM)

    wait_for(chat, 1)
    until(lambda: not worker.host.processes(), why="nobody of the host is left", timeout_seconds=40)


def test_a_sender_that_hangs_keeps_no_other_drainer_out(start: Callable[[str], Worker], chat: Channels) -> None:
    """The lock of the spool is its drainer's, not its own."""
    worker = start("hang")
    put()
    wait_for(chat, 1)

    send(worker.drainer, signal.SIGKILL)

    until(lambda: not has_drainer(), why="the lock is free", timeout_seconds=3)


def test_a_side_car_sends_too(tmp_path: Path, settings: SettingsWrapper, chat: Channels) -> None:
    """`issues drain --follow`, where the worker has no drainer or there is none."""
    told = {"NOTIFY": [{"to": chat.url("ok")}]}
    host = Host(directory=tmp_path, broker_url="memory://", database_url=address_of(connection), issue_tracker=told)
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, **told, "SPOOL_DIR": str(host.spool_dir)}
    command = [sys.executable, "-m", "django", "issues", "drain", "--follow"]
    process = subprocess.Popen(command, cwd=ROOT, env=host.environment(), stdout=subprocess.DEVNULL)
    try:
        put()

        assert wait_for(chat, 1) == ["New: ValueError in cinema.tasks.download"]
    finally:
        assert end(process) == 0


def has_drainer() -> bool:
    """Tell whether somebody drains the spool of this test."""
    with drain_lock(current()) as is_ours:
        return not is_ours
