"""Workers in containers, by pytest-celery: the project's own image, Redis and PostgreSQL, killed and restarted.

Each test has a network, a broker, a database and workers of its own.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
import redis
from celery import Celery
from pytest_celery import CeleryBrokerCluster, CeleryTestSetup, CeleryWorkerCluster, CeleryWorkerContainer
from pytest_docker_tools import build, container, fxtr, volume
from pytest_docker_tools.wrappers import Container

from tests.processes import ROOT, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(600),
    # docker-py leaves its streams to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE_SECONDS: Final = 60
TASKS: Final = b"""
import time
from celery import shared_task

@shared_task
def fail(number):
    raise ValueError(f"broke {number}")

@shared_task
def wait(seconds):
    time.sleep(seconds)
"""
"""Mounted beside the application's own modules."""


class CinemaWorker(CeleryWorkerContainer):
    """The demo's worker, as docker-compose.yml starts it, with the tasks above."""

    @classmethod
    def command(cls, *args: str, **_kwargs: Any) -> list[str]:
        """Migrate, then work; a second worker finds the migrations done, and PostgreSQL's lock in the way meanwhile."""
        worker = "celery -A celery_app worker --include contained --loglevel INFO --concurrency 2 --hostname cinema@%h"
        return ["sh", "-c", f"python manage.py migrate --noinput --verbosity 0 && exec {worker}"]


class Postgres(Container):
    """PostgreSQL, once it takes connections from outside."""

    def address(self) -> str:
        """Return its address for this process; its port is another one after each start."""
        self.reload()
        host, port = self.get_addr("5432/tcp")
        return f"postgresql://postgres:only-for-tests@{host}:{port}/postgres"

    def ready(self) -> bool:
        """Tell whether it answers: it starts twice, the first time for itself alone."""
        return bool(super().ready()) and self.is_answering()

    def is_answering(self) -> bool:
        """Tell whether it takes connections."""
        try:
            with psycopg.connect(self.address(), connect_timeout=2):
                return True
        except (psycopg.OperationalError, KeyError, IndexError, TypeError):
            return False


# `build` would build for every test; the layers are those of docker-compose.yml.
image = build(path=str(ROOT), tag="django-issue-tracker-demo", scope="session", rm=True)
tasks = volume(initial_content={"contained.py": TASKS})
postgres = container(
    image="postgres:17",
    environment={"POSTGRES_PASSWORD": "only-for-tests"},
    network="{default_pytest_celery_network.name}",
    ports={"5432/tcp": None},
    wrapper_class=Postgres,
    timeout=PATIENCE_SECONDS,
)


@pytest.fixture
def environment(postgres: Postgres, celery_broker_cluster: CeleryBrokerCluster) -> dict[str, str]:
    """What a worker is told."""
    database = postgres.attrs["Config"]["Hostname"]
    return {
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": f"postgresql://postgres:only-for-tests@{database}:5432/postgres",
        "REDIS_URL": celery_broker_cluster[0].config()["url"],
        "PYTHONPATH": "/contained",
    }


def _worker() -> Any:
    return container(
        image="{image.id}",
        environment=fxtr("environment"),
        network="{default_pytest_celery_network.name}",
        volumes={"{tasks.name}": {"bind": "/contained", "mode": "ro"}},
        wrapper_class=CinemaWorker,
        timeout=PATIENCE_SECONDS,
        command=CinemaWorker.command(),
    )


default_worker_container = _worker()
second_worker_container = _worker()


@pytest.fixture
def celery_broker_cluster(celery_redis_broker: Any) -> Iterator[CeleryBrokerCluster]:
    """Redis alone: pytest-celery would play every test on RabbitMQ too."""
    cluster = CeleryBrokerCluster(celery_redis_broker)
    yield cluster
    cluster.teardown()


@pytest.fixture
def celery_backend_cluster() -> None:
    """Results go to the broker's Redis, as the demo has it; nobody here asks for them."""


@pytest.fixture
def celery_worker_cluster(celery_setup_worker: Any) -> Iterator[CeleryWorkerCluster]:
    """One worker."""
    cluster = CeleryWorkerCluster(celery_setup_worker)
    yield cluster
    cluster.teardown()


def docker_cli(verb: str, container_id: str) -> None:
    """Do something to a container that its wrapper has no method for."""
    subprocess.run(["docker", verb, container_id], check=True, capture_output=True, timeout=PATIENCE_SECONDS)


def send(setup: CeleryTestSetup, name: str, *args: Any, count: int = 1) -> list[str]:
    """Send a task so often and return the ids."""
    with Celery("client", broker=address_of(setup), set_as_current=False) as app:
        full_name = name if "." in name else f"contained.{name}"
        return [app.send_task(full_name, args=args).id for _ in range(count)]


def address_of(setup: CeleryTestSetup) -> str:
    """Return the broker's address for this process; its port is another one after a restart."""
    broker = setup.broker.container
    broker.reload()
    host, port = broker.get_addr("6379/tcp")
    return f"redis://{host}:{port}/0"


def rows(postgres: Postgres, condition: str = "true", *values: Any) -> list[tuple[Any, ...]]:
    """Return task id and kind of the occurrences; none while the database is away or not migrated."""
    query = f"SELECT task_id, kind, args::text FROM issue_tracker_occurrence WHERE {condition}"  # noqa: S608
    try:
        with psycopg.connect(postgres.address(), connect_timeout=2) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[call-overload]
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return []


def wait_for(postgres: Postgres, count: int) -> list[tuple[Any, ...]]:
    """Return the occurrences once there are so many."""
    until(
        lambda: len(rows(postgres)) >= count,
        why=f"{count} rows are there",
        timeout_seconds=2 * PATIENCE_SECONDS,
        every_seconds=0.3,
    )
    return rows(postgres)


def counted(postgres: Postgres) -> int:
    """Return what the issues say of the number of their occurrences."""
    with psycopg.connect(postgres.address()) as connection:
        [(count,)] = connection.execute("SELECT sum(occurrence_count) FROM issue_tracker_operationalissue").fetchall()
    return int(count)


def test_a_failing_task_becomes_a_row(celery_setup: CeleryTestSetup, postgres: Postgres) -> None:
    """A task of the cinema, sent from outside."""
    [task_id] = send(celery_setup, "demo.cinema.failing.plain_exception", 1, 2, 0)

    assert wait_for(postgres, 1) == [(task_id, "failure", "[1, 2, 0]")]


def test_a_hard_time_limit_is_told_once(celery_setup: CeleryTestSetup, postgres: Postgres) -> None:
    """Celery says it twice, and hands the task back to the queue in between or not: one row for each run."""
    [task_id] = send(celery_setup, "demo.cinema.failing.hard_time_limit", "The Film")

    assert wait_for(postgres, 1) == [(task_id, "time_limit", '["The Film"]')]
    send(celery_setup, "fail", 1)
    assert len(wait_for(postgres, 2)) == 2


def test_what_a_killed_container_was_running_is_told_after_its_restart(
    celery_setup: CeleryTestSetup, postgres: Postgres, default_worker_container: CinemaWorker
) -> None:
    """Nobody inside survives such a kill: the slots on its disk tell the next start."""
    ids = set(send(celery_setup, "wait", 600, count=2))
    until(
        lambda: default_worker_container.logs().count("contained.wait") >= 2 + 1,  # the list of tasks names it once
        why="both were received",
        timeout_seconds=PATIENCE_SECONDS,
    )
    until(lambda: _running(default_worker_container) == 2, why="both run", timeout_seconds=PATIENCE_SECONDS)

    docker_cli("kill", default_worker_container.id)
    docker_cli("start", default_worker_container.id)

    assert {(task_id, kind) for task_id, kind, _ in wait_for(postgres, 2)} == {(i, "worker_lost") for i in ids}


def _running(worker: CinemaWorker) -> int:
    """Count the slots that say that a task runs: the first byte of a page."""
    code = (
        "import pathlib; print(sum(page[0] == 1 for path in pathlib.Path('/var/spool/issue-tracker').glob('*/slots/*')"
        " for data in [path.read_bytes()] for page in [data[i:i + 4096] for i in range(0, len(data), 4096)] if page))"
    )
    return int(worker.exec_run(["python", "-c", code]).output or 0)


def test_a_restart_of_redis_loses_no_failure(celery_setup: CeleryTestSetup, postgres: Postgres) -> None:
    """What failed before is told, what fails after it too; the worker connects anew by itself."""
    [before] = send(celery_setup, "fail", 1)
    wait_for(postgres, 1)

    docker_cli("restart", celery_setup.broker.container.id)
    until(lambda: _answers(address_of(celery_setup)), why="Redis is back", timeout_seconds=PATIENCE_SECONDS)
    [after] = send(celery_setup, "fail", 2)

    until(
        lambda: {before, after} <= {task_id for task_id, kind, _ in rows(postgres) if kind == "failure"},
        why="both failures are told",
        timeout_seconds=2 * PATIENCE_SECONDS,
        every_seconds=0.5,
    )


def _answers(address: str) -> bool:
    try:
        return bool(redis.Redis.from_url(address).ping())
    except redis.RedisError:
        return False


def test_a_stopped_database_under_load_loses_nothing(celery_setup: CeleryTestSetup, postgres: Postgres) -> None:
    """Failures go on while it is down, and are all there, once each, when it is back."""
    ids = send(celery_setup, "fail", 5, count=100)
    wait_for(postgres, 1)

    docker_cli("stop", postgres.id)
    ids += send(celery_setup, "fail", 5, count=100)
    until(
        lambda: redis.Redis.from_url(address_of(celery_setup)).llen("celery") == 0,
        why="all have been taken",
        timeout_seconds=PATIENCE_SECONDS,
    )
    docker_cli("start", postgres.id)
    until(postgres.is_answering, why="the database is back", timeout_seconds=PATIENCE_SECONDS, every_seconds=0.3)

    found = wait_for(postgres, 200)
    assert sorted(task_id for task_id, _, _ in found) == sorted(ids)
    assert counted(postgres) == 200


def test_two_workers_on_one_database_count_exactly(
    celery_setup: CeleryTestSetup, postgres: Postgres, second_worker_container: CinemaWorker
) -> None:
    """Two hosts, two spools, two drainers, one issue."""
    ids = send(celery_setup, "fail", 5, count=300)

    found = wait_for(postgres, 300)

    assert sorted(task_id for task_id, _, _ in found) == sorted(ids)
    assert counted(postgres) == 300
    assert "contained.fail" in second_worker_container.logs().rpartition("ready.")[2]
