"""A real worker over a real broker: every way a task dies is a row, once, whatever happens to the processes round it.

The harmless deaths share one worker (`played`), which has no result backend and is stopped before anything is read: so
nothing more can come, and "once" and "nothing" are certain. The other tests break workers and databases of their own.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections

from issue_tracker.models import Kind, Occurrence, OperationalIssue
from tests import databases, rabbitmq, workers
from tests.processes import is_running, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.brokers import Broker

    Attach = Callable[[str], str]

pytestmark = pytest.mark.timeout(600)

PATIENCE_SECONDS = 60.0
"""How long a row may take on a machine that is busy with something else."""
WORKER = "worker@test"
Severity = OperationalIssue.Severity
QUIET_ENDS = (("ignore", "ignored"), ("succeed", "succeeded"), ("retried", "succeeded"))
LEAVES_NOTHING = ("ignore", "succeed")


OWN = "tests.project.tasks."
LOST = "billiard.exceptions."


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A task of `tests.project.tasks` and the one row that it must leave."""

    task: str
    error: str = f"{OWN}UpstreamError"
    """The exception's type."""
    shows: tuple[str, ...]
    """What stands in the traceback."""
    kind: str = Kind.FAILURE
    severity: str = Severity.ERROR
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)


DEATHS = (
    Death(task="fail", shows=("in fail\n", "UpstreamError: page 7"), args=["page 7"], kwargs={"theater": 7}),
    Death(task="fail_chained", shows=("KeyError: 'showtimes'", "direct cause", "no showtimes for theater 7"), args=[7]),
    Death(
        task="fail_as_declared", error=f"{OWN}ExpectedError", shows=("in fail_as_declared\n",), severity=Severity.INFO
    ),
    Death(
        task="fail_unpicklable", error=f"{OWN}UnpicklableError", shows=("in fail_unpicklable\n",), args=["holds one"]
    ),
    Death(
        task="outlive_soft_limit",
        error=f"{LOST}SoftTimeLimitExceeded",
        shows=("in outlive_soft_limit\n",),
        kind=Kind.SOFT_TIME_LIMIT,
    ),
    Death(
        task="outlive_hard_limit",
        error=f"{LOST}TimeLimitExceeded",
        shows=("TimeLimitExceeded(1",),
        kind=Kind.TIME_LIMIT,
    ),
    Death(
        task="kill_own_process",
        error=f"{LOST}WorkerLostError",
        shows=("WorkerLostError",),
        kind=Kind.WORKER_LOST,
        args=[9],
    ),
    Death(task="leave", error="SystemExit", shows=("in leave\n", "SystemExit: 4"), kind=Kind.EXITED, args=[4]),
    Death(
        task="reject",
        error="celery.exceptions.Reject",
        shows=("in reject\n",),
        kind=Kind.REJECTED,
        severity=Severity.WARNING,
    ),
)


@dataclass(slots=True, kw_only=True)
class Played:
    """What was sent to the shared worker, and what stood in the database when it was gone."""

    ids: dict[str, str] = field(default_factory=dict)
    """Task ids by what was sent."""
    rows: list[Occurrence] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    log: str = ""

    def of(self, sent: str) -> list[Occurrence]:
        """Return the occurrences of what was sent, by attempt."""
        return [row for row in self.rows if row.task_id == self.ids[sent]]


def stored(alias: str) -> list[Occurrence]:
    """Return all occurrences with their issues."""
    return list(Occurrence.objects.using(alias).select_related("issue").order_by("task_id", "attempt", "id"))


def noted(path: Path) -> list[str]:
    """Return the lines that tasks have noted."""
    return path.read_text().splitlines() if path.exists() else []


def until_stored(alias: str, task_ids: Iterable[str], *, timeout_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until every task id has a row."""
    wanted = set(task_ids)
    table = Occurrence.objects.using(alias)
    until(
        lambda: wanted <= set(table.values_list("task_id", flat=True)),
        why=f"{len(wanted)} tasks have their rows",
        timeout_seconds=timeout_seconds,
        every_seconds=0.1,
    )


def until_noted(path: Path, count: int) -> list[str]:
    """Wait for so many noted lines, and return them."""
    until(lambda: len(noted(path)) >= count, why=f"{count} tasks have begun", timeout_seconds=PATIENCE_SECONDS)
    return noted(path)


def until_gone(host: workers.Host) -> None:
    """Wait until no process of a host is left, its drainer included."""
    until(lambda: not host.processes(), why="every process has ended", timeout_seconds=PATIENCE_SECONDS)


def assert_counted(rows: list[Occurrence]) -> None:
    """Each death has one row, and each issue counts its rows."""
    deaths = [(row.task_id, row.attempt) for row in rows if row.task_id and row.kind != Kind.REPORT]
    assert sorted(deaths) == sorted(set(deaths))
    for issue in {row.issue for row in rows}:
        assert issue.occurrence_count == sum(row.issue_id == issue.pk for row in rows), issue


def play(host: workers.Host, worker: workers.Worker, played: Played) -> None:
    """Send everything that leaves the worker running, what needs a partner first."""
    pid_file = host.directory / "terminated.pid"
    send, ids = host.send, played.ids
    ids["terminated"] = send("wait", 600, str(pid_file)).id
    ids["revoked"] = uuid.uuid4().hex
    with host.client() as app:
        app.control.revoke(ids["revoked"], reply=True, limit=1, timeout=PATIENCE_SECONDS)
        host.send_with({"task_id": ids["revoked"]}, "succeed")
        until_noted(pid_file, 1)
        app.control.revoke(ids["terminated"], terminate=True)
    for death in DEATHS:
        ids[death.task] = send(death.task, *death.args, **death.kwargs).id
    ids["unknown"] = send("no.such.task", 7, theater=8).id
    ids["rolled back"] = send("report_then_roll_back", "Reported before the rollback").id
    ids["retried"] = send("retry_then_succeed").id
    ids["exhausted"] = send("retry_until_exhausted").id
    for harmless in ("ignore", "succeed"):
        ids[harmless] = send(harmless).id
    until(
        lambda: all(f"[{ids[name]}] {end}" in worker.log_text() for name, end in QUIET_ENDS),
        why="what leaves nothing has run",
        timeout_seconds=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker of either kind; RabbitMQ is skipped where this machine has none."""
    if request.param == "redis":
        yield request.getfixturevalue("shared_broker").database(5)
        return
    try:
        rabbitmq.program()
    except LookupError as error:
        pytest.skip(str(error))
    with rabbitmq.running() as url:
        yield url


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, broker_url: str, migrated_sqlite: Path, django_db_blocker: Any
) -> Played:
    """Everything harmless sent to one worker without result backend, and all its rows once it has ended."""
    directory = tmp_path_factory.mktemp("played")
    (directory / "db.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    url = f"sqlite:///{directory}/db.sqlite3"
    host = workers.Host(directory=directory, broker_url=broker_url, database_url=url)
    played = Played()
    with django_db_blocker.unblock(), databases.attached(url, alias="played") as alias:
        with workers.running(host, concurrency=3) as worker:
            with contextlib.suppress(AssertionError):  # what is missing is told by the test that misses it
                play(host, worker, played)
                until_stored(alias, {played.ids[name] for name in played.ids if name not in LEAVES_NOTHING})
            worker.stop(timeout_seconds=PATIENCE_SECONDS)
            until_gone(host)
            played.log = worker.log_text()
        played.rows = stored(alias)
        played.groups = list(Group.objects.using(alias).values_list("name", flat=True))
    return played


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.task)
def test_a_death_is_one_row_with_all_that_is_known(played: Played, death: Death) -> None:
    """One occurrence, though Celery tells of some deaths twice (a hard time limit, an exit) and in two processes."""
    [row] = played.of(death.task)

    assert (row.kind, row.severity) == (death.kind, death.severity)
    assert (row.issue.exception_type, row.issue.task) == (death.error, OWN + death.task)
    assert row.issue.name == death.error.rpartition(".")[2]
    assert (row.args, row.kwargs) == (death.args, death.kwargs)
    assert (row.worker, row.queue) == (WORKER, "celery")
    for text in death.shows:
        assert text in (row.traceback or row.issue.traceback)


def test_a_retry_that_succeeds_closes_its_issue(played: Played) -> None:
    """Each attempt is a warning; the success that follows marks them and resolves the issue."""
    rows = played.of("retried")

    assert [(row.attempt, row.kind, row.severity, row.outcome) for row in rows] == [
        (attempt, Kind.RETRY, Severity.WARNING, Occurrence.Outcome.RECOVERED) for attempt in (0, 1)
    ]
    [issue] = {row.issue for row in rows}
    assert (issue.status, issue.recovered_count, issue.occurrence_count) == (OperationalIssue.Status.RESOLVED, 2, 2)


def test_exhausted_retries_are_one_issue(played: Played) -> None:
    """The attempts are warnings, the last one the error that gives the issue its severity."""
    rows = played.of("exhausted")

    assert [(row.attempt, row.kind, row.severity) for row in rows] == [
        (0, Kind.RETRY, Severity.WARNING),
        (1, Kind.RETRY, Severity.WARNING),
        (2, Kind.FAILURE, Severity.ERROR),
    ]
    [issue] = {row.issue for row in rows}
    assert (issue.status, issue.severity) == (OperationalIssue.Status.OPEN, Severity.ERROR)
    assert issue.exception_type == f"{OWN}UpstreamError"


@pytest.mark.parametrize(("sent", "shows"), [("revoked", "before it started"), ("terminated", "while it ran")])
def test_a_revoked_task_is_one_row(played: Played, sent: str, shows: str) -> None:
    """Somebody wanted it: information, and no second row for the process that the revocation killed."""
    [row] = played.of(sent)

    assert (row.kind, row.severity, row.worker) == (Kind.REVOKED, Severity.INFO, WORKER)
    assert shows in (row.error_message or row.issue.error_message)


def test_a_message_for_an_unknown_task_is_a_row(played: Played) -> None:
    """Celery deletes the message: its arguments stand here only."""
    [row] = played.of("unknown")

    assert (row.kind, row.issue.task, row.args, row.kwargs) == (Kind.UNKNOWN_TASK, "no.such.task", [7], {"theater": 8})
    assert (row.worker, row.queue) == (WORKER, "celery")
    assert row.issue.exception_type == "celery.exceptions.NotRegistered"


@pytest.mark.parametrize("sent", LEAVES_NOTHING)
def test_what_did_not_fail_leaves_nothing(played: Played, sent: str) -> None:
    """Ignore is a decision of the task's."""
    assert f"[{played.ids[sent]}]" in played.log
    assert played.of(sent) == []


def test_a_report_outlives_the_rollback_round_it(played: Played) -> None:
    """The host's row goes, the report and the failure stay."""
    [said] = [row for row in played.rows if row.issue.name == "Reported before the rollback"]
    [failed] = [row for row in played.of("rolled back") if row.kind == Kind.FAILURE]

    assert (said.kind, said.severity, said.issue.task) == (Kind.REPORT, Severity.WARNING, "report_then_roll_back")
    assert "UpstreamError: rolled back" in failed.issue.traceback
    assert played.groups == []


def test_all_that_was_played_is_counted_once(played: Played) -> None:
    """Nothing came twice, and nothing came that was not sent."""
    assert played.rows
    assert_counted(played.rows)
    assert {row.task_id for row in played.rows if row.task_id} <= set(played.ids.values())


@pytest.fixture
def host(tmp_path: Path, broker: Broker, live_sqlite: str) -> workers.Host:
    """A host of one test, on SQLite, without result backend."""
    return workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_sqlite)


def test_a_warm_shutdown_leaves_nothing_behind(host: workers.Host, attach: Attach) -> None:
    """What had failed when the worker was told to end is stored, and the drainer ends by itself."""
    notes = host.directory / "notes"
    with workers.running(host) as worker:
        for _ in range(100):
            host.send("fail_noted", str(notes))
        until_noted(notes, 20)

        assert worker.stop(timeout_seconds=PATIENCE_SECONDS) == 0
        until_gone(host)

    rows = stored(attach(host.database_url))
    assert sorted(row.task_id for row in rows) == sorted(noted(notes))
    assert_counted(rows)


def test_the_drainer_outlives_a_killed_worker_until_all_is_told(host: workers.Host, attach: Attach) -> None:
    """It drains what is left, reports the task that ran, and ends."""
    notes, begun = host.directory / "notes", host.directory / "begun"
    with workers.running(host) as worker:
        until(worker.drainer, why="the drainer serves", timeout_seconds=PATIENCE_SECONDS)
        running = host.send("wait", 600, str(begun)).id
        until_noted(begun, 1)
        for _ in range(20):
            host.send("fail_noted", str(notes))
        until_noted(notes, 5)

        worker.kill()
        until_gone(host)

    rows = stored(attach(host.database_url))
    [lost] = [row for row in rows if row.task_id == running]
    assert (lost.kind, lost.args, lost.worker) == (Kind.WORKER_LOST, [600, str(begun)], WORKER)
    assert set(noted(notes)) <= {row.task_id for row in rows}
    assert_counted(rows)


def test_what_a_killed_machine_was_running_is_told_by_the_next_worker(host: workers.Host, attach: Attach) -> None:
    """Main process, child and drainer die at one moment: the slot tells the next drainer, with the arguments."""
    begun = host.directory / "begun"
    with workers.running(host) as first:
        until(first.drainer, why="the drainer serves", timeout_seconds=PATIENCE_SECONDS)
        running = host.send("wait", 600, path=str(begun)).id
        [child] = map(int, until_noted(begun, 1))
        first.kill_all()
        until(lambda: not is_running(child), why="the child is dead", timeout_seconds=PATIENCE_SECONDS)
    alias = attach(host.database_url)
    assert stored(alias) == []

    with workers.running(host, name="next"):
        until_stored(alias, {running})

    [lost] = stored(alias)
    assert (lost.kind, lost.issue.task, lost.worker) == (Kind.WORKER_LOST, "tests.project.tasks.wait", WORKER)
    assert (lost.args, lost.kwargs) == ([600], {"path": str(begun)})


def test_nothing_is_lost_while_postgresql_is_frozen_and_then_refuses(
    tmp_path: Path, broker: Broker, postgresql: databases.Server, live_postgresql: str, attach: Attach
) -> None:
    """Tasks go on failing meanwhile, for no task waits for the database; afterwards each has its row."""
    host = workers.Host(directory=tmp_path, broker_url=broker.url, database_url=live_postgresql)
    notes = tmp_path / "notes"
    alias = attach(live_postgresql)
    with workers.running(host):
        host.send("fail_noted", str(notes))
        until_stored(alias, until_noted(notes, 1))
        connections[alias].close()

        postgresql.freeze()
        for _ in range(20):
            host.send("fail_noted", str(notes))
        until_noted(notes, 21)
        postgresql.crash()
        try:
            for _ in range(20):
                host.send("fail_noted", str(notes))
            until_noted(notes, 41)
        finally:
            postgresql.start_again()

        until_stored(alias, noted(notes), timeout_seconds=2 * PATIENCE_SECONDS)

    rows = stored(alias)
    assert sorted(row.task_id for row in rows) == sorted(noted(notes))
    assert_counted(rows)


def test_two_workers_share_a_spool_and_count_exactly(
    tmp_path: Path, broker: Broker, live_sqlite: str, attach: Attach
) -> None:
    """Whichever drainer serves the spool, each failure is counted once; with a result backend, too."""
    host = workers.Host(
        directory=tmp_path, broker_url=broker.url, database_url=live_sqlite, result_backend=broker.database(1)
    )
    alias = attach(live_sqlite)
    with workers.running(host, name="one") as one, workers.running(host, name="two") as two:
        sent = {host.send("fail", "shared").id for _ in range(300)}
        sent |= {host.send("kill_own_process").id for _ in range(3)}
        until_stored(alias, sent)
        for worker in (one, two):
            worker.stop(timeout_seconds=PATIENCE_SECONDS)
        until_gone(host)

    rows = stored(alias)
    assert {row.worker for row in rows} == {"one@test", "two@test"}
    assert len(rows) == len(sent)
    assert_counted(rows)
    assert sorted(issue.occurrence_count for issue in {row.issue for row in rows}) == [3, 300]
