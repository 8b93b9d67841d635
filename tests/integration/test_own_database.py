"""Issues in a database of their own, with the router that the documentation shows."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection, connections

import issue_tracker
from issue_tracker.models import OperationalIssue
from issue_tracker.requeue import jobs
from tests import databases
from tests.documents import DOCS, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

ALIAS = "issues"

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", ALIAS])


def router_of_the_page() -> Any:
    """The class of docs/databases.md."""
    namespace: dict[str, Any] = {}
    [block] = [block for block in blocks(DOCS / "databases.md") if block.title == "mysite/routers.py"]
    exec(block.text, namespace)  # noqa: S102  a page of ours
    return namespace["IssuesRouter"]()


def new_database(directory: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of an empty database on the kind of server that this leg of the tests runs on."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{directory / 'issues.sqlite3'}"
        return
    fixture = {"postgresql": "postgresql", "mysql": "mariadb"}[connection.vendor]
    server: databases.Server = request.getfixturevalue(fixture)
    yield server.create("own_issues")
    server.drop("own_issues")


@pytest.fixture(scope="module", autouse=True)
def second_database(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """The alias that the mark names: there before any test of this module begins,
    but after pytest-django made its own databases.
    """
    make = contextlib.contextmanager(new_database)
    with make(tmp_path_factory.mktemp("second"), request) as url, databases.attached(url, alias=ALIAS):
        yield


@pytest.fixture
def own_database(settings: SettingsWrapper) -> str:
    """The second database, migrated as the page says, holds the issues."""
    settings.DATABASE_ROUTERS = [router_of_the_page()]
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DATABASE": ALIAS}
    call_command("migrate", database=ALIAS, verbosity=0)
    return ALIAS


@pytest.fixture
def person(client: Client, own_database: str) -> Client:
    """A member of staff with rights, not a superuser: permissions are read from the default database."""
    user = User.objects.create_user("ana", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="issue_tracker"))
    client.force_login(user)
    return client


def report() -> OperationalIssue:
    """An issue, as the drain stored it."""
    issue_tracker.report("No showtimes found", task="save_showtimes", error_message="none")
    return OperationalIssue.objects.get()


def test_only_the_tables_of_the_router_are_there(own_database: str) -> None:
    """The issues, and what their foreign keys point at."""
    tables = set(connections[own_database].introspection.table_names())

    assert "issue_tracker_occurrence" in tables
    assert {name.split("_")[0] for name in tables} == {"issue", "auth", "django"}
    assert not tables & {"django_admin_log", "django_session"}


def test_a_report_is_stored_there(own_database: str) -> None:
    """And `OperationalIssue.objects` reads it there."""
    assert report()._state.db == own_database
    assert not OperationalIssue._base_manager.using("default").exists()


def test_people_triage_it_in_the_admin(person: Client) -> None:
    """Who did what is kept where the users are: an entry beside the issues would point at a user who isn't there."""
    issue = report()
    base = f"/admin/issue_tracker/operationalissue/{issue.pk}"

    changed = person.post(f"{base}/state/", {"verb": "mute", "until": "ever", "note": "until Monday"})

    assert changed.status_code == 302
    entry = LogEntry.objects.using("default").get()
    assert (entry.user.username, entry.object_id) == ("ana", str(issue.pk))
    assert "until Monday" in person.get(f"{base}/change/").content.decode()
    for page in ("", "overview/", "requeue-jobs/"):
        assert person.get(f"/admin/issue_tracker/operationalissue/{page}").status_code == 200


def test_a_requeue_job_names_its_user_in_the_note(person: Client) -> None:
    """A foreign key can't reach over."""
    job = jobs.start([report()], by=User.objects.get(), note="after the outage")

    job.refresh_from_db()
    assert (job.created_by_id, job.note) == (None, "ana: after the outage")
