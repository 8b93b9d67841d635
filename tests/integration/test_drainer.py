"""The drainer as a process: it serves, waits, outlives its worker for a while, and ends in time whatever hangs."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from issue_tracker.drain.batches import OutageError, drain_lock
from issue_tracker.drain.drainer import MAX_PAUSE_SECONDS, Drainer
from issue_tracker.drain.keeper import Employer
from issue_tracker.event import encode
from issue_tracker.inflight.runs import slots_directory
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import current
from tests import spools
from tests.databases import address_of
from tests.drainers import Worker
from tests.events import an_event
from tests.processes import children_of, is_running, send, until
from tests.workers import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db(transaction=True)

once = pytest.mark.skipif(connection.vendor != "sqlite", reason="the same on every database: run on SQLite")


@pytest.fixture
def start(tmp_path: Path, settings: SettingsWrapper) -> Iterator[Callable[..., Worker]]:
    """Start workers on the spool and the database of this test."""
    host = Host(directory=tmp_path, broker_url="memory://", database_url=address_of(connection))
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "SPOOL_DIR": str(host.spool_dir)}
    workers: list[Worker] = []

    def start_one(before: str = "", then: str = "") -> Worker:
        workers.append(Worker(host, before, then))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.end()


def put(count: int = 1) -> None:
    """Append failures to the spool of this test."""
    for _number in range(count):
        assert current().append(encode(an_event()), key="k", stub=lambda: b"")


def wait_for(count: int, *, timeout_seconds: float = 20) -> None:
    """Return once so many rows are there."""
    until(lambda: Occurrence.objects.count() == count, why=f"{count} rows are there", timeout_seconds=timeout_seconds)


def wait_for_the_end_of(pid: int, *, timeout_seconds: float = 20) -> None:
    """Return once a process is gone."""
    until(lambda: not is_running(pid), why="the drainer has ended", timeout_seconds=timeout_seconds)


def has_drainer() -> bool:
    """Tell whether somebody drains the spool of this test."""
    with drain_lock(current()) as is_ours:
        return not is_ours


class HeldTable:
    """Hold the table of the occurrences in a transaction of this connection."""

    def __enter__(self) -> None:
        self._cursor = connection.cursor()
        if connection.vendor == "postgresql":
            self._cursor.execute("BEGIN")
            self._cursor.execute("LOCK TABLE issue_tracker_occurrence IN ACCESS EXCLUSIVE MODE")
        else:
            self._cursor.execute("LOCK TABLES issue_tracker_occurrence WRITE, issue_tracker_operationalissue WRITE")

    def __exit__(self, *_error: object) -> None:
        self._cursor.execute("ROLLBACK" if connection.vendor == "postgresql" else "UNLOCK TABLES")


def is_somebody_waiting() -> bool:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        if connection.vendor == "postgresql"
        else "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return bool(cursor.fetchone()[0])


@once
def test_it_drains_what_waits_and_what_comes(start: Callable[..., Worker]) -> None:
    """Also what was there before it."""
    put(3)
    start()
    wait_for(3)

    put(2)

    wait_for(5)
    until(lambda: current().is_empty(), why="it is acknowledged")


@once
def test_it_ends_with_its_worker_and_leaves_nothing(start: Callable[..., Worker]) -> None:
    """What came last is drained before."""
    worker = start()
    until(has_drainer, why="it drains")
    put(700)

    worker.process.send_signal(signal.SIGTERM)

    wait_for_the_end_of(worker.drainer)
    assert Occurrence.objects.count() == 700
    assert current().is_empty()


@once
def test_it_outlives_a_killed_worker_until_all_is_told(start: Callable[..., Worker]) -> None:
    """It drains what is left and ends by itself."""
    worker = start()
    put()
    wait_for(1)  # and so the spool is there: stopped while it makes it, the drainer would hold up the others
    send(worker.drainer, signal.SIGSTOP)
    worker.process.kill()
    put(5)
    send(worker.drainer, signal.SIGCONT)

    wait_for(6)
    wait_for_the_end_of(worker.drainer, timeout_seconds=30)


@once
def test_it_tells_what_a_killed_worker_was_running(start: Callable[..., Worker]) -> None:
    """The slots of processes that are gone."""
    worker = start()
    until(has_drainer, why="it drains")
    code = """
    from issue_tracker.inflight.slots import Slots
    slots = Slots(Path(sys.argv[1]))
    slots.enter(task="scrape", task_id="id", attempt=0, token="t", started_ns=10**9, arguments="(5,)\\0{}")
    os.kill(os.getpid(), signal.SIGKILL)
    """
    spools.start(code, slots_directory()).communicate()
    worker.process.kill()

    wait_for(1, timeout_seconds=30)
    assert OperationalIssue.objects.get().task == "scrape"
    wait_for_the_end_of(worker.drainer, timeout_seconds=30)


IN_RUNS = """
from issue_tracker.inflight.slots import Slots
from issue_tracker.inflight.runs import slots_directory
slots = Slots(slots_directory())
for name, late in (("lost", False), ("handed back", True)):
    slots.enter(task=name, task_id=name, attempt=0, token="t", started_ns=10**9, is_acknowledged_late=late)
slots.leave(slots.enter(task="finished", task_id="f", attempt=0, token="t", started_ns=10**9))
"""
"""What the main process of a pool of threads is in when a cold shutdown ends it."""


@once
def test_it_tells_what_a_cold_shutdown_cut_short(start: Callable[..., Worker]) -> None:
    """In one process nobody else does: what is not handed back is lost. Also at the next start nothing more is told."""
    worker = start(then=IN_RUNS)
    until(has_drainer, why="it drains")

    worker.process.send_signal(signal.SIGTERM)

    until(lambda: not worker.family(), why="all have ended", timeout_seconds=10)
    assert list(OperationalIssue.objects.values_list("task", flat=True)) == ["lost"]
    assert not list(slots_directory().glob("*.slots"))


@once
def test_one_serves_and_the_other_takes_over(start: Callable[..., Worker]) -> None:
    """Two workers on a node; the drainer of one is killed."""
    first = start()
    until(has_drainer, why="the first drains")
    second = start()
    put()
    wait_for(1)

    send(first.drainer, signal.SIGKILL)
    put()

    wait_for(2)
    assert is_running(second.drainer)


@once
def test_a_killed_drainer_is_replaced(start: Callable[..., Worker]) -> None:
    """As often as it is killed, and what it left undone is done."""
    worker = start()
    until(has_drainer, why="it drains")

    for count in (1, 2, 3):
        send(worker.drainer, signal.SIGKILL)
        put()
        [worker.drainer] = worker.drainers(but=worker.drainer)
        wait_for(count)

    worker.process.send_signal(signal.SIGTERM)
    until(lambda: not worker.family(), why="all have ended", timeout_seconds=10)


@once
def test_a_killed_keeper_is_replaced_by_its_drainer(start: Callable[..., Worker]) -> None:
    """And that one keeps a drainer too."""
    worker = start()
    until(has_drainer, why="it drains")

    for count in (1, 2):
        send(worker.keeper, signal.SIGKILL)
        worker.keeper = worker.drainer
        [worker.drainer] = worker.drainers()
        put()
        wait_for(count)
        assert sorted(worker.family()) == sorted([worker.keeper, worker.drainer])

    worker.process.kill()
    put()
    wait_for(3)
    until(lambda: not worker.family(), why="all have ended", timeout_seconds=30)


@once
def test_it_is_killed_and_its_worker_too(start: Callable[..., Worker]) -> None:
    """The keeper forks one more, which tells all that is left."""
    worker = start()
    until(has_drainer, why="it drains")
    send(worker.keeper, signal.SIGSTOP)
    worker.process.kill()
    send(worker.drainer, signal.SIGKILL)
    put(5)
    send(worker.keeper, signal.SIGCONT)

    wait_for(5)
    until(lambda: not worker.family(), why="all have ended", timeout_seconds=30)


@once
def test_where_a_worker_can_not_be_watched_its_child_is_the_drainer(start: Callable[..., Worker]) -> None:
    """Systems without a pidfd."""
    worker = start("import os\ndel os.pidfd_open\n")
    assert not children_of(worker.keeper)
    put()
    wait_for(1)

    worker.process.kill()
    put()
    wait_for(2)
    until(lambda: not worker.family(), why="it has ended", timeout_seconds=30)


@once
def test_a_directory_that_can_not_be_used_is_waited_for(start: Callable[..., Worker]) -> None:
    """The drainer of a worker that was started on a full or wrongly owned disk serves once that is mended."""
    directory = current().directory
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    worker = start()
    until(lambda: is_running(worker.drainer), why="it was forked")

    directory.chmod(0o700)
    put()

    wait_for(1)


@once
def test_a_removed_spool_is_served_again_and_by_one(start: Callable[..., Worker]) -> None:
    """Its lock went with it: it is taken anew, so that no second drainer comes beside."""
    worker = start()
    put()
    wait_for(1)

    shutil.rmtree(current().directory)
    put()

    wait_for(2)
    until(has_drainer, why="it holds the new lock")
    assert is_running(worker.drainer)


@once
def test_it_goes_on_after_an_outage(start: Callable[..., Worker]) -> None:
    """Nothing is lost, nothing is set aside."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(Occurrence, "issue_tracker_occurrence", "gone")
    start()
    put(3)
    until(lambda: (current().depth(), has_drainer()) == (3, True), why="it tried")
    with connection.schema_editor() as editor:
        editor.alter_db_table(Occurrence, "gone", "issue_tracker_occurrence")

    wait_for(3, timeout_seconds=30)
    assert current().quarantine_count() == 0


class Restores(logging.Handler):
    """Ends an outage as soon as a drainer says that it begins to wait."""

    def emit(self, record: logging.LogRecord) -> None:
        """Give the table back."""
        if "next try" in record.getMessage():
            with connection.schema_editor() as editor:
                editor.alter_db_table(Occurrence, "gone", "issue_tracker_occurrence")


@once
def test_a_long_pause_ends_when_the_database_is_back() -> None:
    """The pauses grow to half a minute; nobody waits that long for the first row."""
    drainer = Drainer(spool=current(), employer=Employer(pid=os.getppid()), pause_seconds=MAX_PAUSE_SECONDS)
    handler = Restores()
    logging.getLogger("issue_tracker").addHandler(handler)
    with connection.schema_editor() as editor:
        editor.alter_db_table(Occurrence, "issue_tracker_occurrence", "gone")
    put()
    began = time.monotonic()
    try:
        assert not drainer._drain()
    finally:
        logging.getLogger("issue_tracker").removeHandler(handler)

    assert time.monotonic() - began < MAX_PAUSE_SECONDS / 2
    assert drainer._drain()
    assert Occurrence.objects.count() == 1


@once
def test_what_a_database_says_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A text with line ends in it could stand for lines of others."""
    drainer = Drainer(spool=current(), employer=Employer(pid=os.getppid()), pause_seconds=0.0)

    drainer._back_off(OutageError("relation is missing\nLINE 1: CRITICAL forged"))

    assert [record.getMessage().count("\n") for record in caplog.records] == [0]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file can't be locked away from its readers")
def test_it_ends_in_time_though_a_query_hangs(start: Callable[..., Worker]) -> None:
    """A lock on the table, or a frozen server: its worker was told to end, and so was it."""
    worker = start()
    put()
    wait_for(1)
    with HeldTable():
        put()
        until(is_somebody_waiting, why="its query hangs")

        worker.process.send_signal(signal.SIGTERM)

        wait_for_the_end_of(worker.drainer, timeout_seconds=10)
    assert current().depth() == 1
