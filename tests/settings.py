"""Settings of the tests' host, for pytest and for the workers it starts. All that differs comes from the environment:

TEST_DATABASE (sqlite, postgresql, mariadb: pytest's own database, see conftest), DATABASE_URL (a worker's), SPOOL_DIR,
and ISSUE_TRACKER, a JSON object of further settings of the app.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import dj_database_url

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "America/Bogota"
LANGUAGE_CODE = "en"
STATIC_URL = "static/"
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "issue_tracker",
    "demo.cinema",
    "tests.project",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ENGINES = {"sqlite": "sqlite3", "postgresql": "postgresql", "mariadb": "mysql"}


def _database() -> dict[str, object]:
    if url := os.environ.get("DATABASE_URL"):
        return dict(dj_database_url.parse(url))
    engine = ENGINES[os.environ.get("TEST_DATABASE", "sqlite")]
    return {"ENGINE": f"django.db.backends.{engine}", "NAME": ":memory:" if engine == "sqlite3" else "host"}


COLOMBIA_COM_URL = "http://127.0.0.1:9"  # for the demo's models; a test that fetches sets its own server

DATABASES = {"default": _database()}

ISSUE_TRACKER = {
    # Made only when something is recorded, and never the directory of a real host.
    "SPOOL_DIR": os.environ.get("SPOOL_DIR", str(Path(tempfile.gettempdir()) / f"issue-tracker-tests-{os.getpid()}")),
    **json.loads(os.environ.get("ISSUE_TRACKER", "{}")),
}
