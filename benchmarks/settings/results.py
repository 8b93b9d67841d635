"""django-celery-results as the result backend, with `result_extended`, without which it keeps no arguments."""

from __future__ import annotations

from .base import *  # noqa: F403  a settings module
from .base import INSTALLED_APPS as SHARED

INSTALLED_APPS = [*SHARED, "django_celery_results"]
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
