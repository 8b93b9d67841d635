"""The sweep: tasks whose process is gone are recorded once, after the main process had its chance to tell more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from issue_tracker import recording
from issue_tracker.event import Event, decode
from issue_tracker.inflight.runs import slots_directory
from issue_tracker.inflight.vanished import GRACE_SECONDS, KEEP_SECONDS, Sweep
from issue_tracker.spool import current
from tests.spools import kill, start

if TYPE_CHECKING:
    import subprocess

CODE = """
from issue_tracker.inflight.slots import Slots

slots = Slots(Path(sys.argv[1]))
for name in sys.argv[2:]:
    slots.enter(
        task=name, task_id=f"id of {name}", attempt=1, token=f"token of {name}", started_ns=time.time_ns(),
        arguments="(5,)\\0{'password': 'canary'}", queue="slow", worker="w@host",
    )
say("ready")
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records stay in the spool: nobody drains in these tests."""
    monkeypatch.setattr(recording, "listeners", [])


def running(*names: str) -> subprocess.Popen[bytes]:
    """A process that runs these tasks."""
    process = start(CODE, slots_directory(), *names)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def recorded() -> list[Event]:
    """What waits in the spool."""
    return [decode(found.body, is_keyed=True) for found in current().claim(max_records=100, max_bytes=10**8)]


def test_a_lost_task_is_recorded_with_all_that_its_slot_knows() -> None:
    """Name, id, attempt, queue, worker, and the arguments: read back from Celery's text, their secrets masked."""
    process = running("scrape")
    kill(process)

    assert Sweep(grace_seconds=0).look() == 1

    [event] = recorded()
    assert (event.kind, event.task, event.task_id, event.attempt) == ("worker_lost", "scrape", "id of scrape", 1)
    assert (event.args, event.queue, event.worker, event.severity) == ([5], "slow", "w@host", "error")
    assert event.context["pid"] == process.pid
    assert "canary" not in str(event)


def test_the_main_process_has_time_to_tell_more() -> None:
    """Its WorkerLostError may come seconds later; then it is told in any case, once."""
    kill(running("scrape", "download"))
    sweep, begin = Sweep(), time.monotonic()

    assert sweep.look(now=begin) == 0
    assert sweep.is_waiting()
    assert sweep.look(now=begin + GRACE_SECONDS - 0.1) == 0
    assert sweep.look(now=begin + GRACE_SECONDS + 0.1) == 2
    assert not sweep.is_waiting()
    assert sweep.look(now=begin + GRACE_SECONDS + 1) == 0
    assert len(recorded()) == 2


def test_two_sweeps_tell_of_the_same_death() -> None:
    """A drainer killed after it looked, and the next one: one event id."""
    kill(running("scrape"))

    Sweep(grace_seconds=0).look()
    Sweep(grace_seconds=0).look()

    one, other = recorded()
    assert one.event_id == other.event_id
    assert one.fingerprint == other.fingerprint


def test_the_slots_stay_a_while_and_go_then() -> None:
    """For the main process to look a run's token up."""
    kill(running("scrape"))
    sweep, begin = Sweep(grace_seconds=0), time.monotonic()
    sweep.look(now=begin)
    assert list(slots_directory().glob("*.slots"))

    sweep.look(now=begin + KEEP_SECONDS)

    assert not list(slots_directory().glob("*.slots"))
    assert (sweep.noticed, sweep.reported) == ({}, set())


def test_a_living_process_is_waited_for_by_who_wants_to_end() -> None:
    """The children of a killed worker die a little later: a drainer that ended before would not tell of them."""
    process = running("scrape")
    sweep = Sweep(grace_seconds=0)

    assert sweep.look() == 0
    assert sweep.is_waiting()
    kill(process)
    assert sweep.look() == 1
    assert not sweep.is_waiting()


def test_where_nothing_ran_nothing_is_lost() -> None:
    """And nothing is made by looking."""
    assert Sweep().look() == 0
    assert not Sweep().is_waiting()
    assert not slots_directory().exists()
