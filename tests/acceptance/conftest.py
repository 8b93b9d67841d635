"""Fixtures of the acceptance tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_django.live_server_helper import LiveServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def live_server(django_db_setup: None) -> Iterator[LiveServer]:
    """pytest-django's server, started once the test database is there.

    Started before, it finds a database in memory in the settings and lets all its threads share one connection, which
    each of them closes: sqlite3 then ends the process with a segmentation fault now and then.
    """
    server = LiveServer("localhost")
    yield server
    server.stop()
