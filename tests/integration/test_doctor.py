"""The doctor, without a worker: what it says of each part that is missing or broken, and how it ends."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery
from django.core.checks import run_checks
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from issue_tracker.doctor import Finding, Level, celery_side, clean_up, deaths, examine, fine, host, trial
from issue_tracker.drain.batches import drain_lock
from issue_tracker.models import OperationalIssue
from issue_tracker.recording import append
from issue_tracker.spool import Record, current
from tests.events import an_event, stored
from tests.integration.test_issues_command import issues
from tests.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

    from tests.brokers import Broker

pytestmark = pytest.mark.django_db

APP = Celery("doctored", broker="memory://", set_as_current=False)


def said(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(str(one.level), one.text) for one in findings]


def only(findings: Iterable[Finding]) -> Finding:
    [one] = findings
    return one


def test_settings_are_looked_at_as_the_checks_do(settings: SettingsWrapper) -> None:
    """An unknown key with its hint; a tracker that is off."""
    assert only(host.settings(APP)).level is Level.FINE

    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DEDUP_WINDW": 5, "ENABLED": False}

    off, unknown = host.settings(APP)
    assert (off.level, unknown.level) == (Level.WARNING, Level.ERROR)
    assert "DEDUP_WINDOW" in unknown.advice
    assert [message.msg for message in run_checks(tags=["issue_tracker"])] == [unknown.text]


def test_a_spool_that_holds_what_was_refused_is_a_warning() -> None:
    """Quarantine and discards, each with its number."""
    assert only(host.spool(APP)).level is Level.FINE

    current().quarantine(Record(body=b"x"), reason="no such column")
    current().reserve.count("spool full", 3)

    assert [one.level for one in host.spool(APP)] == [Level.FINE, Level.WARNING, Level.WARNING]
    assert "(spool full: 3)" in said(host.spool(APP))[2][1]


def test_a_spool_that_cannot_be_used_is_an_error(spool_root: Path) -> None:
    """A file stands where its directory should."""
    spool_root.write_text("in the way")

    assert only(host.spool(APP)).level is Level.ERROR


def test_a_failure_that_waits_is_an_error_whoever_drains() -> None:
    """With what to do, which depends on whether there is a drainer."""
    append(an_event(occurred_at=(timezone.now() - timedelta(minutes=10)).timestamp()))

    nobody = only(host.drainer(APP))
    with drain_lock(current()):
        somebody = only(host.drainer(APP))

    assert (nobody.level, somebody.level) == (Level.ERROR, Level.ERROR)
    assert "nobody drains" in nobody.text
    assert "although a drainer runs" in somebody.text


def test_a_host_without_a_drainer_is_a_warning() -> None:
    """A web host has none, and needs none."""
    assert only(host.drainer(APP)).level is Level.WARNING
    with drain_lock(current()):
        assert only(host.drainer(APP)).level is Level.FINE


def test_a_database_that_is_not_migrated_is_an_error() -> None:
    """Named by its migration, with the command; nothing stays of the row that was tried."""
    assert only(host.database(APP)).level is Level.FINE
    assert not OperationalIssue.objects.exists()

    MigrationRecorder.Migration.objects.filter(app="issue_tracker").delete()

    found = only(host.database(APP))
    assert (found.level, "0001_initial" in found.text) == (Level.ERROR, True)
    assert "migrate --database default" in found.advice


def test_a_process_without_the_project_s_app_is_told_so() -> None:
    """Celery makes one up, which sends to a broker of its own choice."""
    found = only(celery_side.broker(Celery("default", set_as_current=False)))

    assert (found.level, "__init__.py" in found.advice) == (Level.ERROR, True)


def test_a_broker_that_is_away_is_an_error_soon_and_its_password_is_kept() -> None:
    """Within seconds, whatever it does."""
    app = Celery("doctored", broker=f"redis://:sesame@127.0.0.1:{free_port()}/0", set_as_current=False)
    began = time.monotonic()

    found = [*celery_side.broker(app), *celery_side.workers(app)]

    assert [one.level for one in found] == [Level.ERROR, Level.ERROR]
    assert "sesame" not in str(found)
    assert time.monotonic() - began < 30


def test_a_broker_without_workers(broker: Broker) -> None:
    """The broker is fine; nobody answers; nothing is sent then."""
    app = Celery("doctored", broker=broker.url, set_as_current=False)

    assert only(celery_side.broker(app)).level is Level.FINE
    assert only(celery_side.workers(app)).level is Level.ERROR
    assert "Nothing was sent" in only(trial(app)).text
    with redis.Redis.from_url(broker.url) as client:
        assert client.llen("celery") == 0


def test_a_schedule_without_prune_is_a_warning() -> None:
    """With it, fine."""
    app = Celery("doctored", broker="memory://", set_as_current=False)
    assert only(celery_side.schedule(app)).level is Level.WARNING

    app.conf.beat_schedule = {"any name": {"task": "issue_tracker.prune", "schedule": 3600}}

    assert only(celery_side.schedule(app)).level is Level.FINE


def test_a_check_that_breaks_is_a_finding() -> None:
    """And the others are run."""

    def broken(_app: Celery) -> Iterator[Finding]:
        raise RuntimeError("no idea")

    def well(_app: Celery) -> Iterator[Finding]:
        yield fine("well", "all is well")

    assert said(examine(APP, checks=(broken, well))) == [
        ("error", "The check broke: RuntimeError: no idea"),
        ("ok", "all is well"),
    ]


def test_what_a_trial_left_is_removed_and_nothing_else() -> None:
    """Told by the names of its tasks."""
    stored(an_event(fingerprint="a" * 64), an_event(fingerprint="b" * 64, task=f"{deaths.PREFIX}failure"))

    assert clean_up() == 1
    assert OperationalIssue.objects.get().task == "cinema.tasks.download"


@pytest.mark.parametrize("task", [deaths.failure, deaths.worker_lost, deaths.exited, deaths.rejected, deaths.retry])
def test_a_task_that_should_die_does_nothing_outside_a_worker(task: Any) -> None:
    """Run eagerly, called by hand, or found again after its time."""
    assert task.apply(args=[time.time() + 60]).get() is None
    assert task.apply(args=[time.time() - 60]).get() is None
    assert task(time.time() + 60) is None
    assert not OperationalIssue.objects.exists()


def test_the_command_ends_with_what_was_found(broker: Broker) -> None:
    """Each line says how bad, where and what; errors make it end with 1."""
    code, out, _err = issues("doctor", "--app", "tests.project.celery")

    assert code == 1
    assert "ok       database  'default'" in out
    assert "error    workers   None answered" in out
    assert out.splitlines()[-1].startswith("errors ")


def test_the_command_refuses_an_app_that_is_none() -> None:
    """As a wrong usage."""
    code, _out, err = issues("doctor", "--app", "no.such.module")

    assert (code, "no.such.module" in err) == (2, True)


def test_the_findings_as_json_are_for_scripts() -> None:
    """A list of objects, and nothing else on stdout."""
    found = json.loads(issues("doctor", "--app", "tests.project.celery", "--format", "json")[1])

    assert {one["area"] for one in found} >= {"settings", "spool", "drainer", "database", "broker", "workers"}
    assert {one["level"] for one in found} <= {"ok", "warning", "error"}
