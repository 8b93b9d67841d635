"""Slots: what was running when a process vanished is found, what had finished is not, and nobody is fooled by a pid."""

from __future__ import annotations

import os
import signal
import textwrap
import time
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from hypothesis import given, strategies
from hypothesis import settings as hypothesis_settings

from issue_tracker.inflight import request_of
from issue_tracker.inflight.slots import KEPT_SLOTS, SLOT_BYTES, Slots, forget, lost, run_of
from tests import spools
from tests.processes import is_running, until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

BEGIN = """
from issue_tracker.inflight.slots import Slots

slots = Slots(Path(sys.argv[1]))

def enter(name, **more):
    run = {"task": name, "task_id": f"id of {name}", "attempt": 0, "token": f"token of {name}"}
    return slots.enter(**run | {"started_ns": time.time_ns()} | more)
"""


def a_run(name: str, **more: Any) -> dict[str, Any]:
    """What a process notes of a run."""
    run = {
        "task": name,
        "task_id": f"id of {name}",
        "attempt": 0,
        "token": f"token of {name}",
        "started_ns": time.time_ns(),
    }
    return run | more


def start(code: str, directory: Path) -> subprocess.Popen[bytes]:
    """Run code in a process that has slots, and return once it says something."""
    process = spools.start(BEGIN + textwrap.dedent(code), directory)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def killed_in(code: str, directory: Path) -> int:
    """Run code in a process, kill it with -9 once it says something, and return its pid."""
    process = start(textwrap.dedent(code) + "\nsay('ready')\ntime.sleep(60)\n", directory)
    spools.kill(process)
    return process.pid


def names(directory: Path) -> list[str]:
    """The tasks that were lost."""
    return sorted(run.task for _path, runs in lost(directory) for run in runs)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the slots will be."""
    return tmp_path / "slots"


def test_a_killed_process_leaves_what_it_was_running(directory: Path) -> None:
    """Name, id, attempt and Celery's text of the arguments are found by whoever looks later."""
    pid = killed_in(r"enter('scrape', attempt=2, arguments='(5,)\0{}', queue='slow', worker='w@host')", directory)

    [(path, [run])] = lost(directory)

    assert (run.task, run.task_id, run.attempt, run.token) == ("scrape", "id of scrape", 2, "token of scrape")
    assert (run.args, run.kwargs, run.queue, run.worker, run.pid) == ("(5,)", "{}", "slow", "w@host", pid)
    assert not run.is_finished
    forget(path)
    assert lost(directory) == []


def test_a_finished_run_is_not_lost(directory: Path) -> None:
    """Nor one whose slot was used again; what is running at that moment is."""
    killed_in(
        """
        for number in range(30):
            slots.leave(enter(f"finished {number}"))
        enter("running")
        slots.leave(enter("finished at last"))
        """,
        directory,
    )

    assert names(directory) == ["running"]


def test_every_thread_has_its_slots(directory: Path) -> None:
    """More runs at once than slots are kept ready."""
    killed_in(
        f"assert len({{enter(str(number)) for number in range({KEPT_SLOTS * 5})}}) == {KEPT_SLOTS * 5}", directory
    )

    assert names(directory) == sorted(str(number) for number in range(KEPT_SLOTS * 5))


def test_a_living_process_has_lost_nothing(directory: Path) -> None:
    """Not even when it was stopped; once it is gone it has."""
    process = start("enter('running')\nsay('ready')\ntime.sleep(60)", directory)
    process.send_signal(signal.SIGSTOP)

    assert lost(directory) == []

    spools.kill(process)
    assert names(directory) == ["running"]


def test_a_zombie_is_gone(directory: Path) -> None:
    """A child whose parent hasn't waited for it answers to kill(pid, 0), and is lost all the same."""
    process = start("enter('running')\nsay('ready')\ntime.sleep(60)", directory)
    process.send_signal(signal.SIGKILL)
    until(lambda: not is_running(process.pid), why="the process is a zombie")
    os.kill(process.pid, 0)

    assert names(directory) == ["running"]

    spools.kill(process)


def test_a_process_that_ended_by_itself_leaves_a_file_without_runs(directory: Path) -> None:
    """The file can be forgotten at once."""
    spools.finish(spools.start(BEGIN + "slots.leave(enter('finished'))", directory))

    [(path, runs)] = lost(directory)

    assert runs == []
    forget(path)
    forget(path)
    assert lost(directory) == []


def test_a_reused_pid_fools_nobody(directory: Path) -> None:
    """Neither a living stranger with the dead one's pid hides the loss, nor one who looks and has that pid itself."""
    killed_in("enter('running')", directory)
    [path] = directory.glob("*.slots")
    stranger = start("say('ready')\ntime.sleep(60)", directory)

    for pid in (stranger.pid, os.getpid()):
        path = path.rename(path.with_name(f"{pid}-{path.name.partition('-')[2]}"))
        assert names(directory) == ["running"]

    spools.kill(stranger)


def test_reading_does_not_drop_the_readers_own_lock(directory: Path) -> None:
    """Closing any descriptor of a file drops a process's POSIX locks on it: so a process never opens its own."""
    code = """
    enter("running")
    from issue_tracker.inflight.slots import lost, run_of
    assert lost(slots._directory) == []
    assert run_of(slots._directory, "id of running") is None
    say("ready")
    time.sleep(60)
    """
    process = start(code, directory)

    assert lost(directory) == []

    spools.kill(process)


def test_a_forked_child_has_a_file_of_its_own(directory: Path) -> None:
    """What the parent runs is not the child's, and the child's end doesn't touch the parent's lock."""
    code = """
    slot = enter("of the parent")
    child = os.fork()
    if not child:
        slots.leave(slot)
        enter("of the child")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    say("ready")
    time.sleep(60)
    """
    process = start(code, directory)

    assert names(directory) == ["of the child"]

    spools.kill(process)
    assert names(directory) == ["of the child", "of the parent"]


def test_the_main_process_finds_the_run_of_a_task_id(directory: Path) -> None:
    """The latest one, finished or not, of a living process or a dead one."""
    killed_in("enter('scrape', token='first', attempt=0, started_ns=1)", directory)
    second = "enter('scrape', token='second', attempt=1, started_ns=2)"
    process = start(f"slots.leave({second})\nsay('ready')\ntime.sleep(60)", directory)

    run = run_of(directory, "id of scrape")

    assert run is not None
    assert (run.token, run.attempt, run.is_finished, run.pid) == ("second", 1, True, process.pid)
    assert run_of(directory, "another id") is None
    assert run_of(directory, "id of scrape", pid=1) is None
    spools.kill(process)


def test_a_run_that_ended_a_moment_ago_is_still_found(directory: Path) -> None:
    """Slots are used in turn, so that a signal that comes late finds its run."""
    code = f"""
    for number in range({KEPT_SLOTS}):
        slots.leave(enter(f"task {{number}}"))
    say("ready")
    time.sleep(60)
    """
    process = start(code, directory)

    assert all(run_of(directory, f"id of task {number}") for number in range(KEPT_SLOTS))

    spools.kill(process)


def test_no_text_is_too_long_or_too_strange(directory: Path) -> None:
    """A slot is one page; the arguments give way."""
    killed_in(
        r"""
        enter("long", arguments="x" * 10_000 + "\0" + "y" * 10_000)
        enter("wide", arguments="\U0001f3ac" * 1_000 + "\0")
        enter("surrogate \ud800", arguments="\ud800\x00")
        enter("not a text", arguments=object(), task_id=object())
        enter("separators", arguments="(1,)\0{\0}", task_id="a\0b")
        enter("an id without end", task_id="i" * 10_000, arguments="(1,)\0{}")
        """,
        directory,
    )

    assert names(directory) == [
        "an id without end",
        "long",
        "not a text",
        "separators",
        "surrogate ?",
        "wide",
    ]
    [separators] = [run for _path, runs in lost(directory) for run in runs if run.task == "separators"]
    assert (separators.task_id, separators.args, separators.kwargs) == ("a\ufffdb", "(1,)", "{\ufffd}")
    assert all(path.stat().st_size % SLOT_BYTES in {0, *range(SLOT_BYTES)} for path in directory.iterdir())


def test_where_nothing_can_be_written_tasks_run_all_the_same(tmp_path: Path) -> None:
    """No slot, no exception."""
    (tmp_path / "file").write_text("")
    slots = Slots(tmp_path / "file" / "slots")

    slot = slots.enter(**a_run("any"))

    assert slot == -1
    slots.leave(slot)


def test_a_directory_that_is_not_there_holds_nothing(directory: Path) -> None:
    """A host without a worker asks too."""
    assert lost(directory) == []
    assert run_of(directory, "id") is None


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    junk=strategies.binary(max_size=3 * SLOT_BYTES),
    name=strategies.sampled_from(["1-1.slots", "x.slots", "-.slots", "99999999999999999999-1.slots", "a-b-c.slots"]),
)
def test_any_file_is_read_without_an_error(tmp_path_factory: pytest.TempPathFactory, junk: bytes, name: str) -> None:
    """Damage costs runs, never the drainer."""
    directory = tmp_path_factory.mktemp("slots")
    (directory / name).write_bytes(junk)
    (directory / "valid-1.slots").write_bytes(b"\x01of no run\xff" + junk)

    assert [runs for _path, runs in lost(directory)] == [[], []]
    assert run_of(directory, "id") is None


def test_a_task_that_loses_its_name_is_still_known() -> None:
    """An instance may be changed by its own code; the class is Celery's."""

    def renamed() -> None:
        """A task."""

    app = Celery("test", set_as_current=False)
    app.task(name="renamed", shared=False)(renamed)
    task = app.tasks["renamed"]
    task.name = None

    assert request_of(task, "id", (), {}).task == "renamed"
