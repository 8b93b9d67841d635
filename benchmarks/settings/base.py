"""What all contenders share. Addresses come from the environment that `worker.py` sets.

Celery is set as in the application this product was written for (`acks_late`, `reject_on_worker_lost`); no result
backend. SQLite is tuned for writers (WAL, IMMEDIATE), PostgreSQL is as Django sets it: the best that each contender is
likely to meet.
"""

from __future__ import annotations

import os

from benchmarks.addresses import as_django_setting

SECRET_KEY = "benchmarks"  # noqa: S105  nothing is signed here
USE_TZ = True
TIME_ZONE = "America/Bogota"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": as_django_setting(os.environ["BENCHMARK_DATABASE"])}

CELERY_BROKER_URL = os.environ.get("BENCHMARK_BROKER", "")
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
