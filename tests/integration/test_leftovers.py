"""What killed processes left in the spool: the first request or command of another one brings it in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.http import HttpResponse
from django.urls import path

from issue_tracker.drain import inline
from issue_tracker.event import encode
from issue_tracker.models import Occurrence
from issue_tracker.spool import current
from tests.databases import address_of
from tests.events import an_event
from tests.workers import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.http import HttpRequest
    from django.test import Client
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db(transaction=True)


def fine(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


urlpatterns = [path("fine/", fine)]


@pytest.fixture(autouse=True)
def a_fresh_process(settings: SettingsWrapper) -> Iterator[None]:
    """As if this process had done nothing yet."""
    settings.ROOT_URLCONF = __name__
    inline._state.__init__()  # type: ignore[misc]
    yield
    inline._state.__init__()  # type: ignore[misc]


def left_behind() -> None:
    """What a process recorded that was killed before any safe point."""
    assert current().append(encode(an_event()), key="k", stub=lambda: b"")


def test_the_first_request_drains_what_a_killed_process_left(client: Client) -> None:
    """On a host without a worker nobody else would, until something else is recorded there."""
    left_behind()

    client.get("/fine/")
    assert Occurrence.objects.count() == 1

    left_behind()
    client.get("/fine/")
    assert Occurrence.objects.count() == 1  # it looks once: nothing tells it that another process died


def test_the_first_command_drains_what_a_killed_process_left(tmp_path: Path, settings: SettingsWrapper) -> None:
    """Any command will do."""
    host = Host(directory=tmp_path, broker_url="memory://", database_url=address_of(connection))
    settings.ROOT_URLCONF = "tests.urls"  # a part of the spool's name
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "SPOOL_DIR": str(host.spool_dir)}
    left_behind()

    done = host.run("django", "check")

    assert done.returncode == 0, done.stderr
    assert (Occurrence.objects.count(), current().is_empty()) == (1, True)


def test_where_nothing_was_left_nothing_is_asked(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The first request of a process pays for no query, and makes no file."""
    with django_assert_num_queries(0):
        client.get("/fine/")

    assert not current().directory.exists()
