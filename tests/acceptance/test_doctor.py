"""`issues doctor --send` through a real worker: each kind of death arrives, and nothing stays behind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from issue_tracker.models import Occurrence, OperationalIssue
from tests import workers
from tests.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.brokers import Broker

pytestmark = pytest.mark.timeout(300)

TASKS = "tests.project.tasks,issue_tracker.tasks"
"""The modules that `autodiscover_tasks()` would find."""
KILLS = {"soft_time_limit", "time_limit", "worker_lost", "exited"}
KINDS = {"failure", "retry", "rejected", "expired", "revoked", "unknown_task", "report"}


def examined(host: workers.Host, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the doctor in a process of its own; returns its exit code and its findings."""
    options = ["--app", "tests.project.celery", "--format", "json", "--timeout", "60", *arguments]
    done = host.run("django", "issues", "doctor", *options, timeout_seconds=200)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def arrived(findings: list[dict[str, Any]]) -> set[str]:
    """Return the kinds that arrived."""
    return {one["text"].split()[0] for one in findings if one["area"] == "deaths" and "arrived after" in one["text"]}


def lines(findings: list[dict[str, Any]], area: str) -> str:
    """Return all that was said of an area."""
    return "\n".join(f"{one['level']} {one['text']}" for one in findings if one["area"] == area)


def test_each_kind_of_death_arrives_and_nothing_stays(
    tmp_path: Path, broker: Broker, live_sqlite: str, attach: Callable[[str], str]
) -> None:
    """Also where the host has tasks acknowledged late and handed back: what kills its process does so once."""
    late = {"task_acks_late": True, "task_reject_on_worker_lost": True}
    host = workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_sqlite, celery=late)
    with workers.running(host, include=TASKS) as worker:
        code, findings = examined(host, "--send")

        assert arrived(findings) == KINDS | KILLS, (findings, worker.log_text())
        assert code == 0, findings
        assert "ok worker@test (prefork) answers and knows this app." in lines(findings, "workers")
        assert "ok One is at work on this host." in lines(findings, "drainer")
        host.send("fail")
        using = attach(live_sqlite)
        until(lambda: Occurrence.objects.using(using).exists(), why="a later failure is stored", timeout_seconds=60)
        assert set(OperationalIssue.objects.using(using).values_list("task", flat=True)) == {"tests.project.tasks.fail"}


def test_a_pool_of_threads_is_not_killed(tmp_path: Path, broker: Broker, live_sqlite: str) -> None:
    """What would end the worker, or hang there, is not tried, and that is said."""
    host = workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_sqlite)
    with workers.running(host, include=TASKS, pool="threads") as worker:
        code, findings = examined(host, "--send")

        assert arrived(findings) == KINDS, (findings, worker.log_text())
        assert code == 0, findings
        assert "were not tried: a pool is thread" in lines(findings, "deaths")
        assert worker.process.poll() is None


def test_a_worker_that_does_not_know_the_app_is_named(tmp_path: Path, broker: Broker, live_sqlite: str) -> None:
    """One that was never restarted, or has the app switched off; and what it was sent does not arrive as told."""
    host = workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_sqlite)
    without = replace(host, issue_tracker={"ENABLED": False})
    with workers.running(without):
        code, findings = examined(host)

    assert code == 1
    assert "error worker@test (prefork) doesn't know the tasks of this app." in lines(findings, "workers")
