"""Fixtures that every test may use: a spool below tmp_path, pytest's own database on the chosen server, real servers.

TEST_DATABASE=sqlite (a file, the default), postgresql or mariadb says which database the integration tests run on. The
server is DATABASE_URL's when that is set, else one that this session starts and ends.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from django.db import connections

from tests import brokers, databases, machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser
    from pytest_django.fixtures import SettingsWrapper

# A timing belongs in a benchmark: on a busy machine any example may take long, and data may come slowly.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")

ACCEPTANCE = Path(__file__).parent / "acceptance"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by directory, so that no file has to say where it is."""
    for item in items:
        if ACCEPTANCE in item.path.parents:
            item.add_marker(pytest.mark.acceptance)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine can't run, with the reason."""
    for mark, find in {"browser": machine.chromium, "docker": machine.container_engine}.items():
        if item.get_closest_marker(mark):
            try:
                find()
            except LookupError as error:
                pytest.skip(str(error))


@pytest.fixture(autouse=True)
def spool_root(tmp_path: Path, settings: SettingsWrapper) -> Path:
    """Give each test a spool directory of its own, not made yet, and none of the pause that an outage left behind."""
    from issue_tracker.drain import inline  # needs Django's setup

    inline._state.not_before = 0.0
    root = tmp_path / "spool"
    settings.ISSUE_TRACKER = {**settings.ISSUE_TRACKER, "SPOOL_DIR": str(root)}
    return root


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Put pytest's own database into a file, or onto a server that is started for this session."""
    chosen = connections.databases["default"]
    if chosen["ENGINE"].endswith("sqlite3"):
        name = f"{tmp_path_factory.mktemp('database')}/test.sqlite3"
        chosen["TEST"]["NAME"] = name
    elif not os.environ.get("DATABASE_URL"):
        server: databases.Server = request.getfixturevalue(os.environ["TEST_DATABASE"])
        account = "postgres" if server.flavour.scheme == "postgresql" else "root"
        chosen.update(HOST="127.0.0.1", PORT=server.port, USER=account)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Server]:
    """A PostgreSQL server of this session's own."""
    yield from _server(databases.postgresql)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[databases.Server]:
    """A MariaDB server of this session's own; skipped where this machine has none."""
    yield from _server(databases.mariadb)


def _server(find: Callable[[], databases.Flavour]) -> Iterator[databases.Server]:
    try:
        flavour = find()
    except LookupError as error:
        pytest.skip(str(error))
    with databases.running(flavour) as server:
        yield server


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[brokers.Broker]:
    """A broker of this session's own. Tests want `broker`, which is emptied before each."""
    with brokers.running() as broker:
        yield broker


@pytest.fixture
def broker(shared_broker: brokers.Broker) -> brokers.Broker:
    """The session's broker, empty."""
    shared_broker.flush()
    return shared_broker


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "db.sqlite3"
    databases.migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: databases.Server) -> str:
    """The name of a migrated database on the session's PostgreSQL, to be copied."""
    name = "migrated"
    databases.migrate(postgresql.create(name))
    return name


@pytest.fixture
def live_sqlite(tmp_path: Path, migrated_sqlite: Path) -> str:
    """The address of a migrated SQLite database for the workers of one test."""
    path = tmp_path / "db.sqlite3"
    path.write_bytes(migrated_sqlite.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def live_postgresql(postgresql: databases.Server, migrated_postgresql: str) -> Iterator[str]:
    """The address of a migrated PostgreSQL database for the workers of one test."""
    name = f"live_{uuid.uuid4().hex}"
    yield postgresql.create(name, like=migrated_postgresql)
    postgresql.thaw()
    postgresql.drop(name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine; for tests marked `browser`."""
    from playwright.sync_api import sync_playwright

    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop running in this thread, for which Django would refuse the ORM.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        chromium = playwright.chromium.launch(executable_path=machine.chromium(), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def attach(django_db_blocker: Any) -> Iterator[Callable[[str], str]]:
    """Read a worker's database through the ORM: `Model.objects.using(attach(url))`."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        yield lambda url: stack.enter_context(databases.attached(url))
