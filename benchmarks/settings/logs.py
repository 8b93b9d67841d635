"""django-celery-logs: in INSTALLED_APPS, and no other line."""

from __future__ import annotations

from .base import *  # noqa: F403  a settings module
from .base import INSTALLED_APPS as SHARED

INSTALLED_APPS = [*SHARED, "django_celery_logs"]
