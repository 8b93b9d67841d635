"""Settings of the demo project. What differs between machines comes from the environment; no secret is in a file.

SECRET_KEY, DEBUG (1), ALLOWED_HOSTS, CSRF_TRUSTED_ORIGINS, DATABASE_URL, REDIS_URL (see celery_app), SPOOL_DIR,
BASE_URL, COLOMBIA_COM_URL, TMDB_URL, TMDB_READ_ACCESS_TOKEN, UPSTREAM_TIMEOUT_SECONDS, SCRAPE_RETRY_SECONDS.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

# Makes the cinema's Celery app the current one in every process of the project: shell and web send tasks as well.
import celery_app  # noqa: F401

BASE_DIR = Path(__file__).resolve().parent.parent
HAS_WHITENOISE = find_spec("whitenoise") is not None

DEBUG = os.environ.get("DEBUG", "1") == "1"

# Readers beside one writer, and writers that wait for their turn: a deferred transaction that reads first and writes
# later fails at once when another one wrote in between, and several processes share this file.
SQLITE = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,  # seconds
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}


def _secret_key() -> str:
    if key := os.environ.get("SECRET_KEY"):
        return key
    if DEBUG:
        return get_random_secret_key()
    raise ImproperlyConfigured("SECRET_KEY is missing: with DEBUG=0 it must come from the environment.")


def _names(variable: str, default: str = "") -> list[str]:
    return os.environ.get(variable, default).replace(",", " ").split()


def _database() -> dict[str, Any]:
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{BASE_DIR / 'db.sqlite3'}"
    if url.startswith("sqlite:///"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:///"), "OPTIONS": SQLITE}
    try:
        import dj_database_url
    except ImportError as error:
        raise ImproperlyConfigured("This DATABASE_URL needs: pip install dj-database-url") from error
    return dict(dj_database_url.parse(url))


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = _names("ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]")
CSRF_TRUSTED_ORIGINS = _names("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "issue_tracker",
    "demo.cinema",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if HAS_WHITENOISE else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "demo.csp.content_security_policy",
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

ROOT_URLCONF = "demo.urls"
WSGI_APPLICATION = "demo.wsgi.application"
DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
TIME_ZONE = "America/Bogota"
USE_TZ = True

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # serves the admin's files without a collectstatic

ISSUE_TRACKER = {"CAPTURE_LOCALS": True} | {
    key: value
    for key, value in {"SPOOL_DIR": os.environ.get("SPOOL_DIR"), "BASE_URL": os.environ.get("BASE_URL")}.items()
    if value
}

COLOMBIA_COM_URL = os.environ.get("COLOMBIA_COM_URL", "https://www.colombia.com")
TMDB_URL = os.environ.get("TMDB_URL", "https://api.themoviedb.org/3")
TMDB_READ_ACCESS_TOKEN = os.environ.get("TMDB_READ_ACCESS_TOKEN", "")
UPSTREAM_TIMEOUT_SECONDS = float(os.environ.get("UPSTREAM_TIMEOUT_SECONDS", "30"))
SCRAPE_RETRY_SECONDS = float(os.environ.get("SCRAPE_RETRY_SECONDS", "60"))
