"""Settings of the matrix's host: one Django project, with the collector that MATRIX_COLLECTOR names in it and no other.

Each collector is installed as its README says. Environment: DATABASE_URL, SPOOL_DIR, MATRIX_SINK (address for Sentry).
"""

from __future__ import annotations

import os

import dj_database_url

COLLECTOR = os.environ.get("MATRIX_COLLECTOR", "bare")
APPS = {
    "ours": ["issue_tracker"],
    "naive": ["benchmarks.naive"],
    "results": ["django_celery_results"],
    "logs": ["django_celery_logs"],
    # Only to make the template database, which fits every collector.
    "all": ["issue_tracker", "benchmarks.naive", "django_celery_results", "django_celery_logs"],
}

SECRET_KEY = "only-for-the-matrix"  # noqa: S105  nothing is signed here
USE_TZ = True
TIME_ZONE = "America/Bogota"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "matrix.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", *APPS.get(COLLECTOR, [])]
DATABASES = {"default": dj_database_url.parse(os.environ.get("DATABASE_URL", "sqlite://:memory:"))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # The best that a collector is likely to meet on SQLite.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
ISSUE_TRACKER = {"SPOOL_DIR": os.environ.get("SPOOL_DIR", "")}

if COLLECTOR == "sentry":
    import sentry_sdk

    sentry_sdk.init(dsn=os.environ["MATRIX_SINK"])
