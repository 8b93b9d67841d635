"""The Celery app of the tests' host. Its environment: BROKER_URL, RESULT_BACKEND, CELERY_CONF (a JSON object).

Everything else is Celery's default, as a host that installs the app has it.
"""

from __future__ import annotations

import json
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

app = Celery("tests.project", include=["tests.project.tasks"])
app.conf.update(
    broker_url=os.environ.get("BROKER_URL", "memory://"),
    result_backend=os.environ.get("RESULT_BACKEND") or None,
    broker_connection_retry_on_startup=True,
    **json.loads(os.environ.get("CELERY_CONF", "{}")),
)
