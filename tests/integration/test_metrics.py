"""Metrics: what Prometheus reads, who may read it, and that the spool is told of while the database is away."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from issue_tracker.metrics import IssueCollector, exposition
from issue_tracker.models import OperationalIssue
from issue_tracker.recording import append
from issue_tracker.spool import current
from tests.events import an_event, stored
from tests.processes import ROOT, free_port

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

urlpatterns: list[Any] = []
ADDRESS = "/issue-tracker/metrics"


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Include the addresses as a host does."""
    from django.urls import clear_url_caches, include, path

    monkeypatch.setattr(sys.modules[__name__], "urlpatterns", [path("issue-tracker/", include("issue_tracker.urls"))])
    clear_url_caches()


def read() -> dict[str, float]:
    """Return each sample, by its name and the values of its labels, in the order of their names."""
    families = text_string_to_metric_families(exposition("")[0].decode())
    return {
        " ".join([sample.name, *(value for _label, value in sorted(sample.labels.items()))]): sample.value
        for family in families
        for sample in family.samples
    }


def test_issues_and_failures_are_counted() -> None:
    """By status and severity, with the zeros that an alert needs; failures of the last hour."""
    long_ago = (timezone.now() - timedelta(hours=2)).timestamp()
    stored(an_event(), an_event(occurred_at=long_ago), an_event(fingerprint="a" * 64, severity="warning"))
    OperationalIssue.objects.filter(severity="warning").update(is_returned=True)

    found = read()

    assert found["issue_tracker_issues error open"] == 1
    assert found["issue_tracker_issues info muted"] == 0
    assert found["issue_tracker_open_issues_returned"] == 1
    assert found["issue_tracker_occurrences_last_hour error"] == 1
    assert found["issue_tracker_occurrences_last_hour warning"] == 1
    assert found["issue_tracker_database_up"] == 1


def test_the_spool_is_told_of() -> None:
    """What waits and since when, what was refused, what was given up."""
    append(an_event(occurred_at=(timezone.now() - timedelta(minutes=5)).timestamp()))
    current().reserve.count("spool full", 7)

    found = read()

    assert found["issue_tracker_spool_up"] == 1
    assert found["issue_tracker_spool_records"] == 1
    assert 299 < found["issue_tracker_spool_oldest_seconds"] < 600
    assert found["issue_tracker_spool_quarantined_records"] == 0
    assert found["issue_tracker_discarded_records_total spool full"] == 7


def test_reading_costs_three_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Whatever is stored; registering costs none."""
    stored(*(an_event(fingerprint=f"{n:064}") for n in range(20)))

    with django_assert_num_queries(0):
        CollectorRegistry(auto_describe=True).register(IssueCollector())
    with django_assert_num_queries(3):
        read()


@pytest.mark.django_db(databases=["default"], transaction=True)
def test_the_spool_is_read_while_the_database_is_away(settings: SettingsWrapper) -> None:
    """That is the time when it matters."""
    connections.databases["away"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "away",
        "HOST": "127.0.0.1",
        "PORT": free_port(),
    }
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "DATABASE": "away"}
    try:
        found = read()
    finally:
        del connections["away"]
        del connections.databases["away"]

    assert found["issue_tracker_database_up"] == 0
    assert found["issue_tracker_spool_up"] == 1
    assert "issue_tracker_open_issues_returned" not in found


def test_nobody_reads_without_a_right() -> None:
    """Anonymous, or logged in without the permission; a token that is not set opens nothing."""
    client = Client()
    assert client.get(ADDRESS).status_code == 401
    assert client.get(ADDRESS, headers={"authorization": "Bearer "}).status_code == 401

    client.force_login(User.objects.create_user("staff", is_staff=True))

    answer = client.get(ADDRESS)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert b"issue_tracker_issues" not in answer.content


def test_who_may_view_issues_may_read() -> None:
    """The permission of the list."""
    user = User.objects.create_user("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_operationalissue"))
    client = Client()
    client.force_login(user)

    assert b"issue_tracker_issues" in client.get(ADDRESS).content


@pytest.mark.parametrize(
    ("header", "status"),
    [("Bearer sesame", 200), ("Bearer Sesame", 401), ("sesame", 401), ("Basic sesame", 401), ("Bearer sésame", 401)],
)
def test_the_token_opens(settings: SettingsWrapper, header: str, status: int) -> None:
    """As Prometheus sends it, and in no other way."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "METRICS_TOKEN": "sesame"}

    assert Client().get(ADDRESS, headers={"authorization": header}).status_code == status


def test_only_reading_is_answered_and_never_cached(settings: SettingsWrapper) -> None:
    """In the format that is asked for."""
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "METRICS_TOKEN": "sesame"}
    client = Client(headers={"authorization": "Bearer sesame"})

    plain = client.get(ADDRESS)
    modern = client.get(ADDRESS, headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert client.post(ADDRESS).status_code == 405
    assert "no-store" in plain.headers["Cache-Control"]
    assert plain.headers["Content-Type"].startswith("text/plain")
    assert modern.content.endswith(b"# EOF\n")


def test_without_the_extra_it_is_said_what_to_install() -> None:
    """And nothing but including the addresses asks for it."""
    code = (
        "import sys\nsys.modules['prometheus_client'] = None\nimport django\ndjango.setup()\n"
        "try:\n    import issue_tracker.urls\nexcept ImportError as error:\n    print(error)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "pip install 'django-issue-tracker[metrics]'" in done.stdout, done.stderr
