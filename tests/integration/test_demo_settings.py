"""The demo project's settings and its Celery app, each read in a process of its own, as a worker reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

SHOW = """
import json, sys
from django.conf import settings
from celery_app import app
names = sys.argv[1:]
print(json.dumps({name: getattr(settings, name) if name.isupper() else app.conf[name] for name in names}, default=str))
"""


def read(*names: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Print settings (upper case) and options of Celery's (lower case) from a new process."""
    known = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return subprocess.run(
        [sys.executable, "-c", SHOW, *names],
        cwd=ROOT,
        env={**known, "DJANGO_SETTINGS_MODULE": "demo.settings", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_worker_is_set_as_in_the_application_of_the_seed() -> None:
    """Late acknowledgement, a lost task handed back, a thousand tasks a child, Bogotá time, every ten minutes."""
    shown = json.loads(
        read(
            "task_acks_late",
            "task_reject_on_worker_lost",
            "worker_max_tasks_per_child",
            "timezone",
            "enable_utc",
            "beat_schedule",
            "TIME_ZONE",
        ).stdout
    )

    schedule = shown.pop("beat_schedule")["colombia-com-download"]
    assert shown == {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_max_tasks_per_child": 1000,
        "timezone": "America/Bogota",
        "enable_utc": False,
        "TIME_ZONE": "America/Bogota",
    }
    assert schedule == {"task": "demo.cinema.tasks.colombia_com_download_task", "schedule": 600.0}


def test_the_real_services_are_the_default() -> None:
    """Only the demo and the tests point elsewhere."""
    shown = json.loads(read("COLOMBIA_COM_URL", "TMDB_URL", "TMDB_READ_ACCESS_TOKEN").stdout)

    assert shown == {
        "COLOMBIA_COM_URL": "https://www.colombia.com",
        "TMDB_URL": "https://api.themoviedb.org/3",
        "TMDB_READ_ACCESS_TOKEN": "",
    }


def test_without_debug_a_secret_key_must_be_given() -> None:
    """A key of the run's own would end every session at every start; the error says what to do."""
    refused = read("SECRET_KEY", DEBUG="0")
    given = read("SECRET_KEY", DEBUG="0", SECRET_KEY="from the environment")

    assert refused.returncode != 0
    assert "SECRET_KEY is missing" in refused.stderr
    assert json.loads(given.stdout) == {"SECRET_KEY": "from the environment"}


@pytest.mark.parametrize(
    ("url", "engine", "name"),
    [
        ("sqlite:////tmp/x.sqlite3", "django.db.backends.sqlite3", "/tmp/x.sqlite3"),
        ("postgresql://cinema:x@db.example:5432/shows", "django.db.backends.postgresql", "shows"),
    ],
)
def test_the_database_comes_from_the_environment(url: str, engine: str, name: str) -> None:
    """DATABASE_URL, as the container stack and the tests give it."""
    shown = json.loads(read("DATABASES", DATABASE_URL=url).stdout)

    assert (shown["DATABASES"]["default"]["ENGINE"], shown["DATABASES"]["default"]["NAME"]) == (engine, name)
