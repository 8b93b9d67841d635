"""The inline drain: what a web process, a shell or a test records is a row at the first safe point, and no sooner."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, connections, transaction
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path

import issue_tracker
from issue_tracker import context
from issue_tracker.drain import inline
from issue_tracker.drain.batches import drain_lock
from issue_tracker.models import Occurrence, OperationalIssue
from issue_tracker.spool import current
from tests.databases import address_of
from tests.workers import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.http import HttpRequest
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

with_commits = pytest.mark.django_db(transaction=True)
pytestmark = with_commits


class HostError(Exception):
    """An error of the host's."""


def report(name: str = "No showtimes found") -> None:
    """What the host's code says."""
    issue_tracker.report(name, task="save_showtimes", error_message="none")


def report_and_roll_back() -> None:
    """A report in a transaction that fails."""
    with transaction.atomic():
        Group.objects.create(name="rolled back")
        report()
        raise HostError


def rows() -> int:
    """How many rows there are, without draining by reading."""
    return Occurrence.objects.count()


def fine(_request: HttpRequest) -> HttpResponse:
    issue_tracker.bind(theater_id=5)
    report()
    return HttpResponse(str(rows()))


def failing(_request: HttpRequest) -> HttpResponse:
    report_and_roll_back()
    return HttpResponse("never")


async def coroutine(_request: HttpRequest) -> HttpResponse:
    report()
    await asyncio.sleep(0)
    return HttpResponse("fine")


def speaking_of_context(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(context.bound()))


urlpatterns = [
    path("fine/", fine), path("failing/", failing), path("coroutine/", coroutine), path("context/", speaking_of_context)
]  # fmt: skip


@pytest.fixture(autouse=True)
def a_fresh_process() -> Iterator[None]:
    """As if nothing had been recorded in this process yet."""
    inline._state.__init__()  # type: ignore[misc]
    context.forget()
    yield
    inline._state.__init__()  # type: ignore[misc]
    context.forget()


def test_outside_of_transactions_a_report_is_a_row_at_once() -> None:
    """Nothing is waited for."""
    report()

    assert rows() == 1
    assert current().is_empty()


def test_inside_a_transaction_it_waits_for_the_commit(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """No query of ours runs in the host's transaction."""
    with transaction.atomic():
        with django_assert_num_queries(0):
            report()
        assert rows() == 0

    assert rows() == 1


def test_a_report_survives_the_rollback_round_it() -> None:
    """The host's row goes, the report stays."""
    with pytest.raises(HostError):
        report_and_roll_back()

    assert OperationalIssue.objects.get().name == "No showtimes found"
    assert not Group.objects.exists()


def test_a_report_survives_the_rollback_of_a_savepoint() -> None:
    """Django forgets what was to be done on commit; the record is not forgotten."""
    with transaction.atomic():
        with pytest.raises(HostError):
            report_and_roll_back()
        Group.objects.create(name="committed")

    assert OperationalIssue.objects.count() == 1


def test_a_broken_transaction_is_left_alone() -> None:
    """After an error every query of it would fail; the report is made all the same, and the host sees its own error."""
    Group.objects.create(name="there")
    with transaction.atomic():
        with pytest.raises(IntegrityError), transaction.atomic():
            Group.objects.create(name="there")
        report("within savepoints")

    def report_after_an_error() -> None:
        try:
            Group.objects.create(name="there")
        except IntegrityError:
            report("after the error")
            raise

    with pytest.raises(IntegrityError), transaction.atomic():
        report_after_an_error()

    assert set(OperationalIssue.objects.values_list("name", flat=True)) == {"within savepoints", "after the error"}


def test_without_autocommit_the_hosts_transaction_is_left_alone() -> None:
    """Whoever commits by hand decides what is in the transaction."""
    transaction.set_autocommit(False)
    try:
        report()
        assert rows() == 0
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)

    assert OperationalIssue.objects.count() == 1


@pytest.mark.django_db(transaction=False)
def test_the_block_of_a_test_case_does_not_count() -> None:
    """A host's tests see what was reported, as they see all else."""
    report()

    assert rows() == 1
    with transaction.atomic():
        report()
        assert rows() == 1
    assert OperationalIssue.objects.get().occurrence_count == 2


@pytest.mark.urls(__name__)
def test_a_request_ends_with_its_reports_stored() -> None:
    """Before the response is handed over, or when it is closed at the latest."""
    assert Client().get("/fine/").content == b"1"
    assert OperationalIssue.objects.get().context == {"theater_id": 5}

    Client(raise_request_exception=False).get("/failing/")

    assert rows() == 2
    assert not Group.objects.exists()


@pytest.mark.urls(__name__)
def test_atomic_requests_are_one_transaction_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report waits for the end of the view, whether it commits or not."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", value=True)

    assert Client().get("/fine/").content == b"0"
    assert rows() == 1
    Client(raise_request_exception=False).get("/failing/")

    assert rows() == 2


@pytest.mark.urls(__name__)
def test_an_async_view_reports_without_touching_the_database() -> None:
    """In an event loop nothing is drained; when the request ends it is."""
    response = async_to_sync(AsyncClient().get)("/coroutine/")

    assert response.content == b"fine"
    assert OperationalIssue.objects.count() == 1


@pytest.mark.urls(__name__)
def test_context_ends_with_its_request() -> None:
    """The thread's next request is another one's."""
    Client().get("/fine/")

    assert Client().get("/context/").content == b"{}"
    context.bind(left_by="a middleware of the last request")
    assert Client().get("/context/").content == b"{}"


@pytest.mark.parametrize("propagates", [True, False])
@pytest.mark.parametrize("in_transaction", [True, False])
def test_an_eager_task_that_fails_is_a_row(propagates: bool, in_transaction: bool) -> None:  # noqa: FBT001
    """Whether its exception goes on or not, in the caller's transaction or out of it; named by its own exception."""
    from tests.project.celery import app
    from tests.project.tasks import UpstreamError, fail

    app.conf.task_eager_propagates = propagates
    context.bind(caller="web")
    try:
        if in_transaction:
            with transaction.atomic():
                _run_eagerly(fail, UpstreamError if propagates else None)
                assert rows() == 0
        else:
            _run_eagerly(fail, UpstreamError if propagates else None)
    finally:
        app.conf.task_eager_propagates = False

    issue, occurrence = OperationalIssue.objects.get(), Occurrence.objects.get()
    assert (issue.name, issue.exception_type) == ("UpstreamError", "tests.project.tasks.UpstreamError")
    assert (issue.task, issue.error_message, issue.occurrence_count) == ("tests.project.tasks.fail", "broken page", 1)
    assert "raise UpstreamError(message)" in issue.traceback
    assert (occurrence.args, occurrence.kwargs, occurrence.context) == (
        ["broken page"],
        {"theater": 5},
        {"caller": "web"},
    )
    assert issue.severity == "error"
    assert context.bound() == {"caller": "web"}


def _run_eagerly(task: Any, error: type[Exception] | None) -> None:
    if error is None:
        assert task.apply(args=["broken page"], kwargs={"theater": 5}, throw=False).failed()
        return
    with pytest.raises(error):
        task.apply(args=["broken page"], kwargs={"theater": 5}, throw=True)


def test_an_eager_task_that_rolls_back_leaves_its_report_and_its_failure() -> None:
    """Both are rows, and the host's own is not."""
    from tests.project.tasks import report_then_roll_back

    assert report_then_roll_back.apply().failed()

    names = set(OperationalIssue.objects.values_list("name", flat=True))
    assert names == {"No showtimes found", "UpstreamError"}
    assert not Group.objects.exists()


def test_at_exit_a_shell_drains_what_is_left(tmp_path: Path) -> None:
    """What no later safe point came for."""
    host = Host(directory=tmp_path, broker_url="memory://", database_url=address_of(connection))
    code = """
import issue_tracker
from django.db import transaction
from issue_tracker.models import Occurrence
with transaction.atomic():
    try:
        with transaction.atomic():
            issue_tracker.report("Said in a shell", task="shell")
            raise KeyError
    except KeyError:
        pass
print("rows", Occurrence.objects.count())
"""
    done = host.run("django", "shell", "-c", code)

    assert done.returncode == 0, done.stderr
    assert "rows 0" in done.stdout
    assert list(OperationalIssue.objects.values_list("name", flat=True)) == ["Said in a shell"]


def test_a_command_that_fails_is_drained_too(tmp_path: Path) -> None:
    """An exception that ends the process ends no record."""
    host = Host(directory=tmp_path, broker_url="memory://", database_url=address_of(connection))

    done = host.run(
        "django", "shell", "-c", "import issue_tracker\nissue_tracker.report('Last words')\nraise SystemExit(3)"
    )

    assert done.returncode == 3
    assert list(OperationalIssue.objects.values_list("name", flat=True)) == ["Last words"]


REFUSED = {
    "sqlite": {"init_command": "SELECT no_such_function()"},
    "postgresql": {"options": "-c no_such_parameter=1"},
    "mysql": {"init_command": "SELECT no_such_function()"},
}
"""Options with which no connection is made. The name and the port of the database stay: they name the spool."""


def test_a_database_that_is_away_costs_the_host_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The record stays in the spool, it is said, and the database is left alone for a while."""
    connection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(connection.settings_dict, "OPTIONS", REFUSED[connection.vendor])
        report()
        report()
        connection.close()

    assert current().depth() == 2
    [said] = [record for record in caplog.records if record.name == "issue_tracker"]
    assert (said.levelno, "stay in the spool" in said.getMessage()) == (logging.WARNING, True)
    assert inline._state.not_before > 0

    monkeypatch.setattr(inline._state, "not_before", 0.0)
    assert OperationalIssue.objects.get().occurrence_count == 2


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a file drops no connection")
def test_a_connection_that_was_dropped_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process without requests nobody else would close it, and nothing would be drained any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if connection.vendor == "postgresql" else "SELECT CONNECTION_ID()")
        number = cursor.fetchone()[0]

    def drop() -> None:
        ending = "SELECT pg_terminate_backend(%s)" if connection.vendor == "postgresql" else "KILL %s"
        with connections["default"].cursor() as cursor:
            cursor.execute(ending, [number])
        connections.close_all()

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()

    report()
    monkeypatch.setattr(inline._state, "not_before", 0.0)
    report()

    assert rows() == 2


def test_a_wrong_alias_costs_the_host_nothing(settings: SettingsWrapper) -> None:
    """A check names it; neither the report nor the end of a request raises."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DATABASE": "no such alias"}

    report()
    inline._state.is_pending = True
    inline.drain_pending()

    assert current().depth() == 1


def test_what_another_process_drains_is_left_to_it() -> None:
    """Its lock says so."""
    with drain_lock(current()):
        report()
        assert rows() == 0

    assert OperationalIssue.objects.count() == 1


def test_a_worker_leaves_it_to_its_drainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes open no connection for this."""
    inline.leave_to_drainer()
    connection.close()

    report()

    assert connection.connection is None
    assert current().depth() == 1


def test_reading_in_an_event_loop_drains_nothing() -> None:
    """Django refuses queries there, and so do we not try."""

    async def record() -> int:
        report()
        inline.drain_pending()
        return current().depth()

    assert asyncio.run(record()) == 1
    assert OperationalIssue.objects.count() == 1


def test_a_long_backlog_is_drained_in_parts() -> None:
    """A request pays for a few batches at most."""
    inline._state.served_by_drainer = True
    for _number in range(inline.MAX_BATCHES * 500 + 30):
        report()
    inline._state.served_by_drainer = False

    report()

    assert current().depth() == 31
    inline.drain_pending()
    assert current().is_empty()
